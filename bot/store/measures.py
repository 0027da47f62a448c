"""Seconds of stages, summed where every process can see them: workers observe, `/metrics` of `fettle serve` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.store.database import Database
from bot.store.tables import stage_seconds

BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Upper bounds of the buckets, in seconds; what is above the last falls into `+Inf`."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """One stage's durations: `buckets` are (upper bound as text, cumulative count), ending with `+Inf`."""

    stage: str
    buckets: tuple[tuple[str, int], ...]
    total: float


class Measures:
    """The table of stage durations."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def observe(self, stage: str, seconds: float) -> None:
        """Count one finished stage that took `seconds`."""
        insert = self._database.insert(stage_seconds)
        raised = {
            "count": stage_seconds.c.count + 1,
            "total": stage_seconds.c.total + insert.excluded.total,
        }
        statement = insert.values(stage=stage, bucket=_bucket(seconds), count=1, total=seconds)
        async with self._database.write() as connection:
            await connection.execute(statement.on_conflict_do_update(index_elements=["stage", "bucket"], set_=raised))

    async def stages(self) -> list[Histogram]:
        """Every stage's histogram, by name."""
        async with self._database.read() as connection:
            rows = (await connection.execute(sa.select(*stage_seconds.c))).all()
        return [_histogram(stage, rows) for stage in sorted({row.stage for row in rows})]


def _bucket(seconds: float) -> str:
    return next((str(bound) for bound in BOUNDS if seconds <= bound), "+Inf")


def _histogram(stage: str, rows: Sequence[Any]) -> Histogram:
    mine = {row.bucket: (row[2], row[3]) for row in rows if row.stage == stage}
    buckets, reached = [], 0
    for bound in (*map(str, BOUNDS), "+Inf"):
        reached += mine[bound][0] if bound in mine else 0
        buckets.append((bound, reached))
    return Histogram(stage, tuple(buckets), sum(total for _, total in mine.values()))
