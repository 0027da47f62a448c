"""The inbox: every delivery is stored, once, before it is answered; `received` and `done` are separate states.

bot.app accepts, bot.jobs starts and finishes, the sweep asks for what is undone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from bot.core.batching import Batch
from bot.store.database import Database
from bot.store.tables import deliveries

MAX_ATTEMPTS = 5
"""After this many starts without an end the sweep leaves a delivery alone: it is `dead` and shows in the counts."""


class Source(StrEnum):
    """Where a Delivery comes from."""

    GITHUB = "github"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery: `payload` is the raw body as received, `error` the last failure's sentence. Times are aware UTC."""

    id: str
    event: str
    action: str
    payload: bytes
    received_at: datetime
    source: Source = Source.GITHUB
    attempts: int = 0
    done_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class InboxCounts:
    """How many deliveries wait, are done, or were given up after MAX_ATTEMPTS."""

    waiting: int
    done: int
    dead: int


class Inbox:
    """Deliveries, deduplicated by id and, when they come from GitHub, by body.

    The signature covers only the body, so the same body under another id or event name is a replay: two real
    deliveries differ at least in their time stamps.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._accepting = database.insert(deliveries).on_conflict_do_nothing().returning(deliveries.c.id)
        self._insert = Batch(self._insert_all)

    async def aclose(self) -> None:
        """Wait for the accepts that are under way."""
        await self._insert.aclose()

    async def accept(self, delivery: Delivery) -> bool:
        """Store `delivery` durably; False when its id or its body is known. Concurrent calls share one commit."""
        return await self._insert(delivery)

    async def get(self, delivery_id: str) -> Delivery | None:
        """The delivery of that id."""
        async with self._database.read() as connection:
            row = (await connection.execute(sa.select(*_FIELDS).where(deliveries.c.id == delivery_id))).one_or_none()
        return None if row is None else _delivery(row)

    async def started(self, delivery_id: str) -> int:
        """Count one attempt; returns the number of attempts so far, 0 when there is no such delivery."""
        change = (
            sa.update(deliveries)
            .where(deliveries.c.id == delivery_id)
            .values(attempts=deliveries.c.attempts + 1, touched_at=self._database.clock())
            .returning(deliveries.c.attempts)
        )
        async with self._database.write() as connection:
            return int((await connection.execute(change)).scalar_one_or_none() or 0)

    async def finish(self, delivery_id: str, refusal: str = "") -> None:
        """Stamp the delivery as done, with the sentence why when it was refused for good."""
        await self._set(delivery_id, done_at=self._database.clock(), error=refusal)

    async def fail(self, delivery_id: str, sentence: str) -> None:
        """Record why an attempt failed; the sweep offers the delivery again until MAX_ATTEMPTS."""
        await self._set(delivery_id, error=sentence)

    async def undone(self, older_than_seconds: float, limit: int = 100) -> list[str]:
        """Ids received or last started more than that many seconds ago and still not done, oldest first."""
        before = self._database.clock() - timedelta(seconds=older_than_seconds)
        wanted = (
            sa.select(deliveries.c.id)
            .where(_UNDONE, deliveries.c.touched_at <= before)
            .order_by(deliveries.c.received_at)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list((await connection.execute(wanted)).scalars())

    async def oldest_undone_age(self) -> float:
        """Seconds since the oldest delivery that still waits was received; 0 when none waits."""
        oldest = sa.select(sa.func.min(deliveries.c.received_at)).where(_UNDONE)
        async with self._database.read() as connection:
            received = (await connection.execute(oldest)).scalar_one_or_none()
        return 0.0 if received is None else max(0.0, (self._database.clock() - received).total_seconds())

    async def counts(self) -> InboxCounts:
        """How many deliveries are in which state."""
        kind = sa.case((deliveries.c.done_at.is_not(None), "done"), (_UNDONE, "waiting"), else_="dead").label("kind")
        async with self._database.read() as connection:
            rows = await connection.execute(sa.select(kind, sa.func.count().label("number")).group_by("kind"))
            found: dict[str, int] = {row.kind: row.number for row in rows}
        return InboxCounts(found.get("waiting", 0), found.get("done", 0), found.get("dead", 0))

    async def prune(self, older_than_seconds: float) -> int:
        """Delete what was received that long ago and is done or dead; returns how many. Waiting ones always stay."""
        before = self._database.clock() - timedelta(seconds=older_than_seconds)
        old = sa.delete(deliveries).where(sa.not_(_UNDONE), deliveries.c.received_at < before)
        async with self._database.write() as connection:
            return (await connection.execute(old)).rowcount

    async def _set(self, delivery_id: str, **values: object) -> None:
        change = sa.update(deliveries).where(deliveries.c.id == delivery_id, deliveries.c.done_at.is_(None))
        async with self._database.write() as connection:
            await connection.execute(change.values(**values))

    async def _insert_all(self, batch: Sequence[Delivery]) -> list[bool]:
        # Sorted, so that two processes that insert the same ids never wait for each other in a circle.
        rows = sorted((_row(delivery) for delivery in batch), key=lambda row: str(row["id"]))
        size = sum(len(delivery.payload) for delivery in batch)
        created = await self._database.write_fast(
            lambda connection: set(connection.execute(self._accepting, rows).scalars()), size
        )
        answers = []
        for delivery in batch:
            answers.append(delivery.id in created)
            created.discard(delivery.id)  # a second one with this id in the same batch is the known one
        return answers


_UNDONE = sa.and_(deliveries.c.done_at.is_(None), deliveries.c.attempts < MAX_ATTEMPTS)

_FIELDS = (
    deliveries.c.id,
    deliveries.c.event,
    deliveries.c.action,
    deliveries.c.payload,
    deliveries.c.received_at,
    deliveries.c.source,
    deliveries.c.attempts,
    deliveries.c.done_at,
    deliveries.c.error,
)


def _row(delivery: Delivery) -> dict[str, object]:
    # Internal signals may be alike (a cron tick): only GitHub's bodies identify their delivery.
    from_github = delivery.source is Source.GITHUB
    return {
        "id": delivery.id,
        "event": delivery.event,
        "action": delivery.action,
        "source": delivery.source.value,
        "payload": delivery.payload,
        "body_hash": hashlib.sha256(delivery.payload).digest() if from_github else None,
        "received_at": delivery.received_at,
        "touched_at": delivery.received_at,
        "attempts": delivery.attempts,
        "done_at": delivery.done_at,
        "error": delivery.error,
    }


def _delivery(row: Any) -> Delivery:
    values = dict(row._mapping)
    return Delivery(**(values | {"source": Source(values["source"])}))
