"""Try Mutations in the sandbox, the likeliest first, until enough of them pass or time is over. Called by SearchFixer.

The worker imports everything once and forks for every candidate; see `inside`. Candidates go in batches, so that a
cancelled Run stops soon.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.repair.search.localise import Spectrum
from bot.repair.search.mutate import Mutation, valid
from bot.repair.search.source import Source
from bot.repair.search.worker import Suite, WorkerFailed, work
from bot.sandbox.protocol import Session

BATCH = 1500
BATCH_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Bench:
    """Where candidates are tried: the open Session and its variables, the tests, what they ran, and the files."""

    session: Session
    variables: Mapping[str, str]
    suite: Suite
    spectrum: Spectrum
    sources: Mapping[str, Source]


@dataclass(frozen=True, slots=True)
class Want:
    """When to stop: after `survivors` that pass, `grace` seconds after the first, or `seconds` in all."""

    survivors: int = 5
    grace: float = 1.5
    seconds: float = 120.0


@dataclass(slots=True)
class Tally:
    """What was tried: survivors in the order of trying, counts by verdict, seconds spent in trials."""

    survivors: list[Mutation] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    stopped: str = ""

    @property
    def tried(self) -> int:
        """How many candidates were run."""
        return self.counts.total()


async def evaluate(
    bench: Bench, candidates: Sequence[Mutation], want: Want, stop: Callable[[], Awaitable[str]]
) -> Tally:
    """Try `candidates` in their order; raises WorkerFailed when the tests cannot be run this way."""
    tally, groups = Tally(), _Groups(bench)
    queue, place, preload = candidates, 0, True
    while place < len(queue) and not tally.survivors:
        left = want.seconds - tally.seconds
        tally.stopped = await stop() or ("out of time" if left <= 0 else "")
        if tally.stopped:
            break
        batch = queue[place : place + BATCH]
        fit = await asyncio.to_thread(_fit, bench, batch)
        tried = await _batch(bench, fit, groups, want, min(BATCH_SECONDS, left), tally, preload)
        if tried is None:
            if not preload:
                raise WorkerFailed("tests that pass on the base do not pass in the warm worker")
            preload = False
            continue
        # Trials stop in the middle of a batch when time is over: go on behind the last one that was run.
        place = place + len(batch) if tried == len(fit) else _place(queue, place, fit[tried])
    return tally


def _fit(bench: Bench, batch: Sequence[Mutation]) -> list[Mutation]:
    return [one for one in batch if valid(bench.sources[one.path], one)]


async def _batch(
    bench: Bench,
    batch: Sequence[Mutation],
    groups: _Groups,
    want: Want,
    seconds: float,
    tally: Tally,
    preload: bool,
) -> int | None:
    """How many of `batch` were run; None when preloaded modules do not suit the tests."""
    job = bench.suite.job() | {
        "mode": "search",
        "seconds": seconds,
        "want": want.survivors,
        "grace": want.grace,
        "preload": preload,
        "candidates": [groups.wire(number, mutation) for number, mutation in enumerate(batch)],
        "groups": groups.lists,
    }
    most = seconds + 2 * bench.suite.start_seconds + 3 * bench.suite.seconds + want.grace
    messages = await work(bench.session, bench.variables, job, most)
    if any("unfit" in message for message in messages):
        return None
    for message in messages:
        number = message.get("survivor")
        if isinstance(number, int) and 0 <= number < len(batch):
            tally.survivors.append(batch[number])
    return _count(messages, tally, len(batch))


def _count(messages: list[dict[str, Any]], tally: Tally, most: int) -> int:
    end = messages[-1].get("end")
    if tally.survivors and not isinstance(end, dict):
        return most
    if not isinstance(end, dict):
        raise WorkerFailed("the worker was killed in the middle of its trials")
    try:
        tally.counts.update({str(name): int(count) for name, count in end["counts"].items()})
        tally.seconds += max(0.01, float(end["seconds"])) if math.isfinite(end["seconds"]) else 0.0
        return max(0, min(most, int(end["tried"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WorkerFailed(f"the worker's count makes no sense: {error!r}") from None


def _place(queue: Sequence[Mutation], start: int, mutation: Mutation) -> int:
    return next(place for place in range(start, len(queue)) if queue[place] is mutation)


class _Groups:
    """Which passing tests a candidate may break: those that ran its function, or its file when it is in none."""

    def __init__(self, bench: Bench) -> None:
        self._spectrum, self._numbers = bench.spectrum, dict[frozenset[str], int]()
        self._seconds = {ran.test: ran.seconds for ran in bench.spectrum.tests}
        self.lists: list[list[str]] = []
        every = [bench.spectrum.covering(path) for path in bench.sources]
        self._number(frozenset().union(*every))

    def wire(self, number: int, mutation: Mutation) -> dict[str, Any]:
        """The candidate as the worker wants it."""
        body = range(mutation.body[0], mutation.body[1] + 1)
        at_import = self._spectrum.imported.get(mutation.path, frozenset())
        # A function that ran at import left results behind that new code would not change.
        swappable = mutation.function is not None and at_import.isdisjoint(body)
        lines = body if swappable else None
        return {
            "id": number,
            "path": mutation.path,
            "start": mutation.start,
            "end": mutation.end,
            "text": mutation.text,
            "function": mutation.function if swappable else None,
            "group": self._number(self._spectrum.covering(mutation.path, lines)),
        }

    def _number(self, tests: frozenset[str]) -> int:
        if tests not in self._numbers:
            self._numbers[tests] = len(self.lists)
            self.lists.append(sorted(tests, key=lambda test: (self._seconds.get(test, 0.0), test)))
        return self._numbers[tests]
