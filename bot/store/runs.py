"""Runs and their leases: one active Run a subject, one worker a Run, no write by a worker that lost its lease.

bot.run moves Runs through this module, the dashboard and the CLI list them, the sweep asks for what is stale.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection
from dataclasses import fields
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.core.errors import FettleError
from bot.core.machine import ACTIVE, ENDED, WORKING, State
from bot.core.run import Run
from bot.store.database import Database
from bot.store.tables import runs


class LeaseLost(FettleError):
    """Another worker holds the Run now, or moved it: drop the work, the other one carries on."""


class Runs:
    """The table of Runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, run: Run) -> tuple[Run, bool]:
        """Store `run` and return (it, True), or (the one in its way, False): same id, or active on the same subject."""
        statement = self._database.insert(runs).values(_row(run)).on_conflict_do_nothing().returning(runs.c.id)
        while True:
            async with self._database.write() as connection:
                created = (await connection.execute(statement)).scalar_one_or_none() is not None
                other = None if created else await self._in_the_way(connection, run)
            if created:
                return run, True
            if other is not None:  # else it ended between the two statements: there is room now
                return other, False

    async def get(self, run_id: str) -> Run | None:
        """The Run of that id."""
        async with self._database.read() as connection:
            return await self._first(connection, runs.c.id == run_id)

    async def list(
        self, limit: int = 50, repository_id: int | None = None, states: Collection[State] | None = None
    ) -> list[Run]:
        """Runs, newest first."""
        wanted = sa.select(*_FIELDS).order_by(runs.c.created_at.desc(), runs.c.id).limit(limit)
        if repository_id is not None:
            wanted = wanted.where(runs.c.repository_id == repository_id)
        if states is not None:
            wanted = wanted.where(runs.c.state.in_(states))
        async with self._database.read() as connection:
            return [_run(row) for row in await connection.execute(wanted)]

    async def active(self, repository_id: int, subject_key: str) -> Run | None:
        """The active Run of that subject; there is at most one."""
        async with self._database.read() as connection:
            return await self._first(connection, *_about(repository_id, subject_key), runs.c.state.in_(ACTIVE))

    async def latest(self, repository_id: int, subject_key: str) -> Run | None:
        """The newest Run of that subject, in any state."""
        async with self._database.read() as connection:
            return await self._first(connection, *_about(repository_id, subject_key))

    async def acquire(self, run_id: str, owner: str, seconds: float) -> Run | None:
        """Take the Run's lease for `seconds`, if nobody holds a live one; None when somebody does, or no such Run."""
        now = self._database.clock()
        free = sa.or_(runs.c.lease_owner == "", runs.c.lease_until.is_(None), runs.c.lease_until <= now)
        return await self._change(
            runs.c.id == run_id, free, lease_owner=owner, lease_until=now + timedelta(seconds=seconds)
        )

    async def renew(self, run_id: str, owner: str, seconds: float) -> bool:
        """Prolong `owner`'s lease to `seconds` from now; False when it has lost it."""
        until = self._database.clock() + timedelta(seconds=seconds)
        statement = sa.update(runs).where(*_held(run_id, owner)).values(lease_until=until)
        async with self._database.write() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def release(self, run_id: str, owner: str) -> None:
        """Give `owner`'s lease back; nothing happens when it has lost it."""
        statement = sa.update(runs).where(*_held(run_id, owner)).values(lease_owner="", lease_until=None)
        async with self._database.write() as connection:
            await connection.execute(statement)

    async def save(self, run: Run, *, owner: str, expected: State) -> Run:
        """Write `run` if it is still in `expected` and `owner` holds its lease ("" when nobody does); else LeaseLost.

        The lease and a wish to cancel are never written: they belong to others. Returns the Run as stored.
        """
        values = {name: value for name, value in _row(run).items() if name not in _NEVER_SAVED}
        values["updated_at"] = self._database.clock()
        saved = await self._change(*_held(run.id, owner), runs.c.state == expected, **values)
        if saved is None:
            raise LeaseLost(f"Run {run.id} is no longer {expected} in the hands of {owner or 'nobody'}.")
        return saved

    async def request_cancel(self, run_id: str, why: str) -> Run | None:
        """Note that the Run should stop; the first reason stays. None when it has ended or does not exist."""
        reason = sa.case((runs.c.cancel == "", sa.literal(why, runs.c.cancel.type)), else_=runs.c.cancel)
        return await self._change(runs.c.id == run_id, runs.c.state.not_in(ENDED), cancel=reason)

    async def cancel_reason(self, run_id: str) -> str:
        """Why cancelling was asked for; empty when it was not."""
        async with self._database.read() as connection:
            return (
                await connection.execute(sa.select(runs.c.cancel).where(runs.c.id == run_id))
            ).scalar_one_or_none() or ""

    async def stale(self, limit: int = 100, idle_seconds: float = 0.0) -> builtins.list[str]:
        """Ids of Runs that a worker should carry on and nobody holds, unchanged for `idle_seconds`, oldest first."""
        now = self._database.clock()
        wanted = (
            sa.select(runs.c.id)
            .where(
                runs.c.state.in_(WORKING),
                sa.or_(runs.c.lease_until.is_(None), runs.c.lease_until <= now),
                runs.c.updated_at <= now - timedelta(seconds=idle_seconds),
            )
            .order_by(runs.c.updated_at, runs.c.id)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [str(run_id) for run_id in (await connection.execute(wanted)).scalars()]

    async def counts(self) -> dict[State, int]:
        """How many Runs are in each state; every State is a key."""
        async with self._database.read() as connection:
            rows = await connection.execute(sa.select(runs.c.state, sa.func.count()).group_by(runs.c.state))
            return dict.fromkeys(State, 0) | {State(state): count for state, count in rows}

    async def _in_the_way(self, connection: AsyncConnection, run: Run) -> Run | None:
        same = await self._first(connection, runs.c.id == run.id)
        return same or await self._first(
            connection, *_about(run.repository_id, run.subject.key), runs.c.state.in_(ACTIVE)
        )

    async def _first(self, connection: AsyncConnection, *conditions: sa.ColumnElement[bool]) -> Run | None:
        newest = sa.select(*_FIELDS).where(*conditions).order_by(runs.c.created_at.desc(), runs.c.id).limit(1)
        row = (await connection.execute(newest)).one_or_none()
        return None if row is None else _run(row)

    async def _change(self, *conditions: sa.ColumnElement[bool], **values: object) -> Run | None:
        statement = sa.update(runs).where(*conditions).values(**values).returning(*_FIELDS)
        async with self._database.write() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else _run(row)


_NAMES = tuple(field.name for field in fields(Run))
_FIELDS = tuple(runs.c[name] for name in _NAMES)
_NEVER_SAVED = frozenset({"id", "created_at", "updated_at", "cancel", "lease_owner", "lease_until"})


def _row(run: Run) -> dict[str, object]:
    return {name: getattr(run, name) for name in _NAMES} | {"subject_key": run.subject.key}


def _run(row: Any) -> Run:
    return Run(**row._mapping)


def _about(repository_id: int, subject_key: str) -> tuple[sa.ColumnElement[bool], ...]:
    return runs.c.repository_id == repository_id, runs.c.subject_key == subject_key


def _held(run_id: str, owner: str) -> tuple[sa.ColumnElement[bool], ...]:
    return runs.c.id == run_id, runs.c.lease_owner == owner
