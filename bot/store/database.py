"""The engine below the store: one write connection at a time on SQLite, plain pools on PostgreSQL, schema at open.

SQLite runs in WAL with synchronous=FULL: what was committed survives a power cut. Writers begin with BEGIN IMMEDIATE,
so that two processes queue at the lock (busy_timeout) and never fail halfway through a transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.core.errors import Infrastructure
from bot.store import migrations
from bot.store.fast import CHECKPOINT, FastWriter

T = TypeVar("T")

Clock = Callable[[], datetime]
"""Gives the present time as an aware UTC datetime."""

BUSY_SECONDS = 30

_SCHEMA_LOCK = 0x666574746C65  # "fettle": the advisory lock of migrating processes on PostgreSQL


class Database:
    """Opens transactions; `read` may run beside others, `write` holds the one write lock on SQLite."""

    def __init__(self, url: URL, clock: Clock) -> None:
        self.clock = clock
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._reader, self._writer = _sqlite(url) if self.is_sqlite else _postgresql(url)
        self._fast = FastWriter(url, _prepare_inbox, self._copy_back) if self.is_sqlite else None

    @classmethod
    async def open(cls, address: str, *, clock: Clock) -> Database:
        """Connect and bring the schema up to date; raises Infrastructure when the database cannot be reached."""
        url = parse(address)
        database = cls(url, clock)
        try:
            await database._prepare(url)
        except (DBAPIError, OSError) as error:
            await database.close()
            raise Infrastructure(
                f"The database at {url.render_as_string(hide_password=True)} cannot be opened "
                f"({type(error).__name__}): check DATABASE_URL and that the database is up."
            ) from error
        return database

    async def close(self) -> None:
        """Close every connection."""
        if self._fast is not None:
            await self._fast.aclose()
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that commits at the end of the block, or rolls back when it raises."""
        return self._writer.begin()

    async def write_fast(self, work: Callable[[Connection], T], size: int) -> T:
        """Run `work`, which must be short and writes about `size` bytes, in one transaction with the fewest hops."""
        if self._fast is not None:
            return await self._fast.run(work, size)
        async with self.write() as connection:
            return await connection.run_sync(work)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading; on SQLite it never waits for a writer."""
        async with self._reader.connect() as connection:
            yield connection

    async def ping(self) -> None:
        """Raise unless the database answers a query and has its schema."""
        async with self.read() as connection:
            await connection.execute(sa.text("SELECT version_num FROM alembic_version"))

    def insert(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that knows ON CONFLICT, in this database's dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def order_writers(self, connection: AsyncConnection, subject: str) -> None:
        """Let the writers about `subject` commit one after the other; SQLite's one writer needs no help."""
        if not self.is_sqlite:
            lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(subject, 0))
            await connection.execute(sa.select(lock))

    async def _prepare(self, url: URL) -> None:
        if self.is_sqlite:
            await _create_file(url)
            await self._retry_locked(self._enter_wal)
        async with self.read() as connection:
            current = await connection.run_sync(migrations.version)
        if current != migrations.HEAD:
            async with self.write() as connection:
                if not self.is_sqlite:
                    await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
                await connection.run_sync(migrations.upgrade)

    async def _copy_back(self) -> None:
        async with self.read() as connection:
            await connection.exec_driver_sql(CHECKPOINT)

    async def _enter_wal(self) -> None:
        async with self._reader.connect() as connection:
            await connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    async def _retry_locked(self, step: Callable[[], Any]) -> None:
        # Changing the journal mode does not wait for busy_timeout when another process does it at the same moment.
        for _ in range(100):
            try:
                await step()
                return
            except OperationalError as error:
                if "locked" not in str(error.orig):
                    raise
                await asyncio.sleep(0.05)
        await step()


def parse(address: str) -> URL:
    """The SQLAlchemy URL of a DATABASE_URL, with the asynchronous driver filled in; raises Infrastructure."""
    try:
        url = make_url(address.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise Infrastructure("DATABASE_URL is not an address: write postgresql://… or sqlite:///….") from None
    if url.get_backend_name() == "sqlite":
        if not url.database or url.database == ":memory:":
            raise Infrastructure("SQLite needs a file, because several processes share it: name one in DATABASE_URL.")
        return url.set(drivername="sqlite+aiosqlite")
    return url.set(drivername="postgresql+asyncpg")


async def _create_file(url: URL) -> None:
    # Payloads are private: the file is the owner's alone, and SQLite gives its -wal and -shm the same mode.
    path = Path(url.database or "")
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(path.touch, mode=0o600, exist_ok=True)


def _sqlite(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}, "max_overflow": 0, "pool_timeout": 60}
    options["hide_parameters"] = True  # an error's text goes to the log, a payload does not
    reader = create_async_engine(url, pool_size=4, **options)
    writer = create_async_engine(url, pool_size=1, **options)
    for engine in (reader, writer):
        sa.event.listen(engine.sync_engine, "connect", _on_sqlite_connect)
    sa.event.listen(writer.sync_engine, "begin", _begin_immediate)
    return reader, writer


def _prepare_inbox(engine: sa.Engine) -> None:
    sa.event.listen(engine, "connect", _on_sqlite_connect)
    sa.event.listen(engine, "connect", _without_checkpoint)
    sa.event.listen(engine, "begin", _begin_immediate)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _without_checkpoint(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA wal_autocheckpoint=0")


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own, late BEGIN would be a deferred one
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_SECONDS * 1000}", "synchronous=FULL", "cache_size=-8000", "temp_store=MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _postgresql(url: URL) -> tuple[AsyncEngine, AsyncEngine]:
    engine = create_async_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True, hide_parameters=True)
    return engine, engine
