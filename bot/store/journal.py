"""The journal: the append-only record of every Run; audit, live stream, cost ledger and resume point are this table."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from bot.core.run import JournalEntry
from bot.store.database import Database
from bot.store.tables import journal


class Journal:
    """Entries rise by `seq`. Within one Run a lower `seq` is never committed after a higher one: tails miss nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self, run_id: str, kind: str, data: dict[str, object] | None = None, cost_usd: float = 0.0, tokens: int = 0
    ) -> JournalEntry:
        """Write one entry durably; `data` must be JSON-ready, `cost_usd` is US dollars."""
        async with self._database.write() as connection:
            await self._database.order_writers(connection, run_id)
            values = {"run_id": run_id, "at": self._database.clock(), "kind": kind, "data": data or {}}
            statement = sa.insert(journal).values(**values, cost_usd=cost_usd, tokens=tokens).returning(*_FIELDS)
            return _entry((await connection.execute(statement)).one())

    async def read(self, run_id: str, after: int = 0, limit: int = 1000) -> list[JournalEntry]:
        """The Run's entries with a `seq` above `after`, in order."""
        wanted = (
            sa.select(*_FIELDS)
            .where(journal.c.run_id == run_id, journal.c.seq > after)
            .order_by(journal.c.seq)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [_entry(row) for row in await connection.execute(wanted)]

    async def cost(self, run_id: str | None = None) -> float:
        """US dollars that the Run has cost so far; without `run_id` what all Runs have."""
        total = sa.select(sa.func.coalesce(sa.func.sum(journal.c.cost_usd), 0.0))
        if run_id is not None:
            total = total.where(journal.c.run_id == run_id)
        async with self._database.read() as connection:
            return float((await connection.execute(total)).scalar_one())


_FIELDS = tuple(journal.c[field.name] for field in fields(JournalEntry))


def _entry(row: Any) -> JournalEntry:
    return JournalEntry(**row._mapping)
