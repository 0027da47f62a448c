"""The inbox's own way to the disk on SQLite: one thread, one connection, one hop a transaction. For bot.store.database.

An asynchronous driver hops to its thread for BEGIN, INSERT, fetch and COMMIT, and a busy event loop makes each hop wait
for the interpreter lock; here a whole transaction is one hop. Nor does the connection checkpoint inside a commit, which
would stall every waiting delivery: after CHECKPOINT_BYTES the log is copied back in another thread, and only the rest,
written meanwhile, in this one, which lets SQLite start the log anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

T = TypeVar("T")

CHECKPOINT_BYTES = 8 * 1024 * 1024

CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"
"""Copies what it can without making anybody wait."""


class FastWriter:
    """Runs synchronous transactions one after the other in one thread; `on_connect` sets up the raw connection."""

    def __init__(
        self, url: URL, on_connect: Callable[[sa.Engine], None], copy_back: Callable[[], Awaitable[None]]
    ) -> None:
        self._engine = sa.create_engine(
            url.set(drivername="sqlite+pysqlite"), poolclass=sa.pool.StaticPool, hide_parameters=True
        )
        on_connect(self._engine)
        self._thread = ThreadPoolExecutor(1, "inbox")
        self._copy_back = copy_back
        self._written = 0
        self._closed = False
        self._checkpoint: asyncio.Task[None] | None = None

    async def run(self, work: Callable[[Connection], T], size: int) -> T:
        """What `work` returns, committed; `size` is about how many bytes it writes."""
        answer = await self._in_thread(lambda: self._transaction(work))
        self._written += size
        if self._written > CHECKPOINT_BYTES and self._checkpoint is None:
            self._written = 0
            self._checkpoint = asyncio.create_task(self._copy())
        return answer

    async def aclose(self) -> None:
        """Close the connection and end the thread; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._checkpoint is not None:
            await asyncio.wait([self._checkpoint])
        await self._in_thread(self._engine.dispose)
        self._thread.shutdown()

    async def _copy(self) -> None:
        try:
            await self._copy_back()
            await self._in_thread(self._finish)
        finally:
            self._checkpoint = None

    def _transaction(self, work: Callable[[Connection], T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    def _finish(self) -> None:
        # On the raw connection, because a checkpoint is not allowed inside a transaction.
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute(CHECKPOINT).close()
        finally:
            connection.close()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
