"""Group commit: callers that wait at the same moment share one call. Used by bot.store.inbox and bot.services.queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batch(Generic[Item, Answer]):
    """Collects items while one `work` call runs, then hands all of them to the next; `work` keeps their order.

    When `work` raises for several items, each is tried alone, so that one bad item cannot fail its neighbours.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], limit: int = 256) -> None:
        self._work = work
        self._limit = limit
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Answer:
        """The answer of `work` for `item`, or what `work` raised; a cancelled caller leaves the item in its batch."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    async def aclose(self) -> None:
        """Wait until everything that was handed in has been worked on."""
        if self._runner is not None:
            await self._runner

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._settle(batch)
        finally:
            self._runner = None

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._work([item for item, _ in batch])
        except Exception as error:  # whatever it is belongs to the callers: each gets it, none is left waiting
            if len(batch) > 1:
                for single in batch:
                    await self._settle([single])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        except BaseException:  # the loop is ending
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
