"""Effects: each write to GitHub is recorded under an idempotency key before it is made and after it is known.

A record that is pending at a retry means: look for the marker at GitHub before writing again (DESIGN.md decision 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store.database import Database
from bot.store.tables import effects


class EffectState(StrEnum):
    """Whether the write is known to have been made."""

    PENDING = "pending"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Effect:
    """One recorded write; `result` is there when it is done, `created` says that this very call recorded it."""

    key: str
    run_id: str
    kind: str
    state: EffectState
    result: dict[str, object] | None = None
    created: bool = False


class Effects:
    """The table of Effects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, key: str, run_id: str, kind: str) -> Effect:
        """Record that the write is about to be made; a known key gives what is known about it."""
        values = {"key": key, "run_id": run_id, "kind": kind, "begun_at": self._database.clock()}
        statement = self._database.insert(effects).values(values).on_conflict_do_nothing().returning(effects.c.key)
        async with self._database.write() as connection:
            created = (await connection.execute(statement)).scalar_one_or_none() is not None
            found = await self._find(connection, key, created=created)
        assert found is not None
        return found

    async def finish(self, key: str, result: dict[str, object]) -> None:
        """Record the write's JSON-ready result; the first result stays. Raises KeyError when it was never begun."""
        unfinished = sa.update(effects).where(effects.c.key == key, effects.c.done_at.is_(None))
        async with self._database.write() as connection:
            await connection.execute(unfinished.values(result=result, done_at=self._database.clock()))
            if await self._find(connection, key) is None:
                raise KeyError(key)

    async def get(self, key: str) -> Effect | None:
        """What is recorded under `key`."""
        async with self._database.read() as connection:
            return await self._find(connection, key)

    async def _find(self, connection: AsyncConnection, key: str, *, created: bool = False) -> Effect | None:
        row = (await connection.execute(sa.select(effects).where(effects.c.key == key))).one_or_none()
        if row is None:
            return None
        state = EffectState.PENDING if row.done_at is None else EffectState.DONE
        return Effect(row.key, row.run_id, row.kind, state, row.result, created)
