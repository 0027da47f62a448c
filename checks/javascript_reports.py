"""What the JavaScript test runners report, read into TestCases. Called by javascript_tests.

Jest and vitest share one JSON format, written at the end. For mocha and `node --test` our own reporters write JSON
lines as they go (bot/toolchains/inside/fettle_mocha.cjs and fettle_node_test.mjs), so that a timeout leaves what was
known. All of it was written beside untrusted code: anything unexpected means that there is no report.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bot.core.findings import TestCase, TestOutcome
from checks.base import relative

MAX_DETAIL = 4096
NAMES = " > "
_WORST = (TestOutcome.ERROR, TestOutcome.FAILED, TestOutcome.SKIPPED, TestOutcome.PASSED)
# https://jestjs.io/docs/cli#--json, and what vitest adds to it.
_OUTCOMES = {"passed": TestOutcome.PASSED, "failed": TestOutcome.FAILED}
_SKIPPED = ("pending", "skipped", "todo", "disabled", "focused")


@dataclass(frozen=True, slots=True)
class Told:
    """A report: one case for each id, whether it is whole, the files that did not load, the test that was running."""

    cases: tuple[TestCase, ...] = ()
    finished: bool = False
    unloaded: frozenset[str] = frozenset()
    running: str = ""


def test_id(path: str, names: Sequence[str]) -> str:
    """`path::describe > name`; the path alone where the file is the test."""
    return f"{path}::{NAMES.join(names)}" if names else path


def read_json(data: bytes) -> Told:
    """The report of jest or vitest."""
    try:
        files = json.loads(data)["testResults"]
        cases = [case for file in files for case in _file(file)]
        unloaded = frozenset(case.id for case in cases if "::" not in case.id)
        return Told(_merged(cases), True, unloaded)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Told()


def _file(file: dict[str, Any]) -> Iterator[TestCase]:
    path = relative(str(file["name"]))
    results = file["assertionResults"]
    for one in results:
        name = test_id(path, [*map(str, one.get("ancestorTitles") or ()), str(one["title"])])
        message = "\n".join(map(str, one.get("failureMessages") or ()))
        yield TestCase(name, _outcome(str(one["status"])), _cut(message), float(one.get("duration") or 0) / 1000)
    if file["status"] == "failed" and not any(one["status"] == "failed" for one in results):
        yield TestCase(path, TestOutcome.ERROR, _cut(str(file.get("message") or "")))


def _outcome(status: str) -> TestOutcome:
    if status in _SKIPPED:
        return TestOutcome.SKIPPED
    return _OUTCOMES.get(status, TestOutcome.ERROR)


def read_lines(data: bytes) -> Told:
    """The report of our own reporters; ends at the first line that is none of theirs."""
    cases: list[TestCase] = []
    unloaded: set[str] = set()
    running, finished = "", False
    for event in _events(data):
        match event:
            case {"event": "start", "path": str(path), "names": list(names)}:
                running = test_id(path, [str(name) for name in names])
            case {"event": "test", "path": str(path), "names": list(names), "outcome": str(outcome)}:
                case_ = _line(path, [str(name) for name in names], outcome, event)
                cases.append(case_)
                unloaded |= {path} if outcome == "unloaded" else set()
                running = "" if running == case_.id else running
            case {"event": "finish"}:
                finished = True
            case _:
                break
    return Told(_merged(cases), finished, frozenset(unloaded), "" if finished else running)


def _line(path: str, names: list[str], outcome: str, event: dict[str, Any]) -> TestCase:
    known = outcome in (TestOutcome.PASSED, TestOutcome.FAILED, TestOutcome.SKIPPED)
    seconds = event.get("seconds")
    return TestCase(
        test_id(path or ".", names),
        TestOutcome(outcome) if known else TestOutcome.ERROR,
        _cut(str(event.get("message", ""))),
        float(seconds) if isinstance(seconds, int | float) else 0.0,
    )


def _events(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(event, dict):
            return
        yield event


def _merged(cases: Iterable[TestCase]) -> tuple[TestCase, ...]:
    """One case for each id, in order; of several with one name the worst counts."""
    found: dict[str, TestCase] = {}
    for case in cases:
        known = found.get(case.id)
        if known is None or _WORST.index(case.outcome) < _WORST.index(known.outcome):
            found[case.id] = case
    return tuple(found.values())


def _cut(text: str) -> str:
    return text if len(text) <= MAX_DETAIL else "[...] " + text[-MAX_DETAIL:]
