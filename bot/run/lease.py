"""Keep a Run's lease while a stage works, and stop the stage when the lease is lost or somebody cancels.

A lease lasts 30 s and is renewed every 5; a dead worker's Run is therefore free after 30 s, and the sweep (every 10 s)
hands it to another within 60 (DESIGN.md decision 3).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.store import Store

LEASE_SECONDS = 30.0
RENEW_SECONDS = 5.0
LOOK_SECONDS = 0.5

T = TypeVar("T")


class LeaseGone(Exception):
    """Another worker has the Run: this one must stop at once and write nothing."""


class CancelAsked(Exception):
    """Somebody asked to cancel; `str(error)` says why."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of `run_id` held by `owner`."""

    store: Store
    run_id: str
    owner: str

    async def keep(self, work: Awaitable[T], *, cancellable: bool = True) -> T:
        """Await `work` while renewing; raises LeaseGone, or CancelAsked if `cancellable`; `work` is then cancelled."""
        task = asyncio.ensure_future(work)
        guard = asyncio.ensure_future(self._guard(cancellable))
        try:
            await asyncio.wait({task, guard}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise guard.exception() or AssertionError("the guard only ends by raising")
        finally:
            await _stop(guard)
            await _stop(task)

    async def _guard(self, cancellable: bool) -> None:
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if cancellable and (why := await self.store.runs.cancel_reason(self.run_id)):
                raise CancelAsked(why)
            if time.monotonic() - renewed >= RENEW_SECONDS:
                if not await self.store.runs.renew(self.run_id, self.owner, LEASE_SECONDS):
                    raise LeaseGone(self.run_id)
                renewed = time.monotonic()


async def _stop(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
