"""The second rung: small edits at the lines that failing tests ran, tried until the tests pass. No model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from bot.core.errors import UserError
from bot.core.findings import TestCase, TestOutcome
from bot.core.patch import FileChange, Mode, Patch
from bot.core.run import FixerName, TargetKind
from bot.repair.base import Proposal, Task
from bot.repair.search.evaluate import Bench, Tally, Want, evaluate
from bot.repair.search.localise import Spectrum, Suspicion, rank
from bot.repair.search.mutate import Mutation, mutations
from bot.repair.search.source import Source, Unsupported, editable
from bot.repair.search.worker import Suite, WorkerFailed, spectrum, work
from bot.sandbox.protocol import Session

MOST_FILES, MOST_SUSPECTS, MOST_CANDIDATES, MOST_PASSING = 3000, 12, 20_000, 400
PASSING_SECONDS, MOST_PATIENCE = 30.0, 30.0


class SearchFixer:
    """Implements base.Fixer for targets that are failing tests of a Python project."""

    name = FixerName.SEARCH

    async def propose(self, task: Task) -> Proposal:
        """The best edit that makes the target's tests pass and breaks none of the others that run the same code."""
        if task.plan.target.kind is not TargetKind.TESTS or task.project.toolchain != "python":
            return Proposal(None)
        async with await task.open_session() as session:
            return await _Search(task, session).propose()


class _Search:
    """One search in one Session."""

    def __init__(self, task: Task, session: Session) -> None:
        self._task, self._session = task, session
        self._began = time.monotonic()

    async def propose(self) -> Proposal:
        suite = await self._suite()
        if not suite.targets or not suite.files:
            return Proposal(None, tried=("search: no failing test or no source file to edit",))
        try:
            seen = await self._trace(suite)
            sources, suspicion = await self._sources(seen)
            candidates = await asyncio.to_thread(self._candidates, sources, suspicion)
            bench = Bench(self._session, self._task.environment.variables, suite, seen, sources)
            want = Want(seconds=max(1.0, self._task.allowance.seconds - (time.monotonic() - self._began)))
            tally = await evaluate(bench, candidates, want, self._stop)
        except WorkerFailed as error:
            return Proposal(None, tried=(f"search: {error}",))
        await self._note(candidates, tally)
        if not tally.survivors:
            return Proposal(None, tried=(_nothing(candidates, tally, suspicion),))
        return self._chosen(tally, sources, _tried(tally))

    async def _suite(self) -> Suite:
        target, cases = self._task.plan.target, self._task.plan.baseline.tests.cases
        files = [path for path in await self._session.list("**/*.py") if editable(path, self._task.project.test_roots)]
        passing = _near(cases, target.tests)
        wanted = {*target.tests, *(case.id for case in passing)}
        return Suite(
            targets=tuple(sorted(target.tests, key=lambda test: (_seconds(cases, test), test))),
            passing=tuple(case.id for case in passing),
            files=tuple(files[:MOST_FILES]),
            paths=tuple(dict.fromkeys(_file(test) for test in (*target.tests, *(case.id for case in passing)))),
            test_seconds=min(MOST_PATIENCE, 1.0 + 3 * max((case.seconds for case in passing), default=0.3)),
            suite_seconds=min(60.0, 2.0 + 3 * sum(case.seconds for case in passing)),
            patience={case.id: min(MOST_PATIENCE, 1.0 + 3 * case.seconds) for case in cases if case.id in wanted},
        )

    async def _trace(self, suite: Suite) -> Spectrum:
        many = suite.seconds + len(suite.targets) + suite.suite_seconds
        messages = await work(
            self._session,
            self._task.environment.variables,
            suite.job() | {"mode": "trace"},
            2 * suite.start_seconds + 2 * many,
        )
        seen = spectrum(messages)
        outcomes = {ran.test: ran.outcome for ran in seen.tests}
        missing = [test for test in suite.targets if outcomes.get(test, "missing") == "missing"]
        if missing:
            raise WorkerFailed(f"{missing[0]} could not be collected, so no edit can be tried on it")
        if all(outcomes[test] == "passed" for test in suite.targets):
            raise WorkerFailed("the failing tests pass when they are run alone, so no edit can be judged by them")
        return seen

    async def _sources(self, seen: Spectrum) -> tuple[dict[str, Source], Suspicion]:
        suspicion, sources = rank(seen), dict[str, Source]()
        for path in suspicion.paths[:MOST_SUSPECTS]:
            try:
                sources[path] = Source(path, await self._session.read(path))
            except (Unsupported, UserError, FileNotFoundError):
                continue
        if not sources:
            raise WorkerFailed("the failing tests ran no line of this project's own source in their process")
        return sources, suspicion

    def _candidates(self, sources: dict[str, Source], suspicion: Suspicion) -> list[Mutation]:
        refused = {
            (change.path, change.content)
            for one in self._task.rejected
            for change in one.patch.changes
            if change.content
        }
        touched = {path for path, _ in refused}
        found = mutations(sources.values(), suspicion)[:MOST_CANDIDATES]
        return [
            one
            for one in found
            if one.path not in touched or (one.path, one.apply(sources[one.path].content)) not in refused
        ]

    def _chosen(self, tally: Tally, sources: dict[str, Source], tried: tuple[str, ...]) -> Proposal:
        order = {id(one): place for place, one in enumerate(tally.survivors)}
        best, *others = sorted(tally.survivors, key=lambda one: (one.doubtful, order[id(one)], one.size))
        source = sources[best.path]
        mode = Mode.EXECUTABLE if _executable(self._task.base_tree / best.path) else Mode.FILE
        patch = Patch(self._task.plan.base, (FileChange(best.path, best.apply(source.content), mode),))
        return Proposal(patch, summary(source, best, others), tried)

    async def _stop(self) -> str:
        return await self._task.stop() if self._task.stop else ""

    async def _note(self, candidates: Sequence[Mutation], tally: Tally) -> None:
        await self._task.note(
            "fixer.search",
            candidates=len(candidates),
            evaluated=tally.tried,
            survivors=len(tally.survivors),
            verdicts=dict(tally.counts),
            per_second=round(tally.tried / tally.seconds, 1) if tally.seconds else 0.0,
            seconds=round(time.monotonic() - self._began, 2),
        )


def summary(source: Source, best: Mutation, others: Sequence[Mutation]) -> str:
    """What was wrong and what changes, and how sure that is."""
    number = source.content.count(b"\n", 0, best.start) + 1
    start, end = source.line_start(number), source.line_end(source.content.count(b"\n", 0, best.end) + 1)
    before = source.between(start, end).strip()
    after = (source.between(start, best.start) + best.text + source.between(best.end, end)).strip()
    text = f"{best.path}, line {number} ({best.operator}): `{_line(before)}` becomes `{_line(after)}`."
    if best.doubtful:
        text += " Doubtful: it removes or disarms code, which often passes tests for the wrong reason; look closely."
    if others:
        places = ", ".join(f"line {one.line} ({one.operator})" for one in others)
        text += f" The tests do not tell this edit from {len(others)} other(s) that also pass: {places}."
    return text


def _line(text: str) -> str:
    plain = " ⏎ ".join(part.strip() for part in text.replace("`", "'").splitlines())
    return plain if len(plain) <= 160 else plain[:157] + "..."


def _near(cases: Sequence[TestCase], targets: Sequence[str]) -> list[TestCase]:
    """Passing tests to hold the line with: those of the same files first, as many as fit into the time."""
    same = {_file(test) for test in targets}
    passing = [case for case in cases if case.outcome is TestOutcome.PASSED and case.id not in targets]
    passing.sort(key=lambda case: (_file(case.id) not in same, case.seconds, case.id))
    chosen, seconds = [], 0.0
    for case in passing[:MOST_PASSING]:
        seconds += case.seconds
        if seconds > PASSING_SECONDS:
            break
        chosen.append(case)
    return chosen


def _file(test: str) -> str:
    return test.split("::", 1)[0]


def _seconds(cases: Sequence[TestCase], test: str) -> float:
    return next((case.seconds for case in cases if case.id == test), 0.0)


def _executable(path: Path) -> bool:
    return bool(path.lstat().st_mode & 0o100)


def _nothing(candidates: Sequence[Mutation], tally: Tally, suspicion: Suspicion) -> str:
    lines = len({(one.path, one.line) for one in candidates})
    files = ", ".join(dict.fromkeys(one.path for one in candidates)) or ", ".join(suspicion.paths)
    ending = f", stopped: {tally.stopped}" if tally.stopped else ""
    return f"search: {tally.tried} candidates on {lines} suspicious lines of {files}, none passed{ending}"


def _tried(tally: Tally) -> tuple[str, ...]:
    return (f"search: {tally.tried} candidates in {tally.seconds:.1f} s, {len(tally.survivors)} passed",)
