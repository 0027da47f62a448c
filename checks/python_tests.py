"""Pytest: the command that runs tests in the sandbox, and what its reports and its end mean. Called by checks.runner.

Three witnesses must agree before a run counts: the exit code, the JSON lines of our plugin (exact node ids, written as
it goes, so that a timeout leaves what was known) and JUnit XML. Tests run in the process that reports, so a test bent
on it can forge all three; it cannot do so by accident, nor by writing one file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bot.core.errors import Infrastructure
from bot.core.findings import SuiteEnd, TestCase, TestOutcome, TestReport
from bot.sandbox.protocol import MIB, WORKSPACE, Reason, Result
from bot.toolchains.base import Project
from checks import junit
from checks.base import Command

MAX_REPORT_BYTES = 64 * MIB
MAX_DETAIL = 4096
# Node ids go on the command line up to here (Linux allows 128 kB an argument and 2 MB in all), else in a file.
MAX_ARGUMENTS = 100_000
_WORST = (TestOutcome.FAILED, TestOutcome.ERROR, TestOutcome.SKIPPED, TestOutcome.PASSED)


def pytest_command(project: Project, tests: Sequence[str] = (), *, folder: str, timeout: float = 900.0) -> Command:
    """Pytest over `tests` (node ids or paths; empty: what the project's own configuration says).

    Reports go to `folder` (relative, must exist): report.jsonl and junit.xml. When the ids are too many for a command
    line, `folder`/select.txt must hold them, one a line (`selection` gives the text).
    """
    inside = f"{WORKSPACE}/{folder}"
    variables = {"FETTLE_REPORT": f"{inside}/report.jsonl"}
    operands = tuple(tests)
    if selection(tests):
        operands = tuple(dict.fromkeys(test.split("::")[0] for test in tests))
        variables["FETTLE_SELECT"] = f"{inside}/select.txt"
    argv = ("python", "-m", "pytest", *plugin_options(), f"--junitxml={inside}/junit.xml", *operands)
    return Command(argv, timeout, (f"{folder}/report.jsonl", f"{folder}/junit.xml"), variables)


def plugin_options() -> tuple[str, ...]:
    """Options that every run of pytest gets: our reporter, ids relative to the workspace, no stop at the first failure.

    The target's own options stay, but for `-x` and for caches in the workspace.
    """
    return (
        *("-p", "fettle_report", "--rootdir", WORKSPACE, "--continue-on-collection-errors", "--maxfail=0"),
        *("--color=no", "--tb=short", "-q", "-o", "cache_dir=/tmp/pytest-cache"),
    )


def selection(tests: Sequence[str]) -> str:
    """The text of select.txt when `tests` are too many for a command line, else empty."""
    return "\n".join(tests) if sum(len(test.encode()) + 1 for test in tests) > MAX_ARGUMENTS else ""


def parse(result: Result, report: bytes, junit_xml: bytes | None) -> TestReport:
    """What one run of pytest came to; raises Infrastructure when the sandbox itself failed."""
    events = _events(report)
    cases = _cases(events)
    end, why = _end(result, events, cases, junit_xml)
    if end is SuiteEnd.COMPLETED:
        return TestReport(end, cases, "", result.seconds)
    if end in (SuiteEnd.TIMEOUT, SuiteEnd.CRASHED) and (running := _running(events)):
        cases = (*cases, TestCase(running, TestOutcome.ERROR, f"It had not ended. {why}"))
    return TestReport(end, cases, f"{why}\n{_output(result)}".strip(), result.seconds)


def _end(
    result: Result, events: list[dict[str, Any]], cases: tuple[TestCase, ...], junit_xml: bytes | None
) -> tuple[SuiteEnd, str]:
    match result.reason:
        case Reason.OK | Reason.NONZERO:
            return _exited(result, events, cases, junit_xml)
        case Reason.INFRASTRUCTURE:
            raise Infrastructure(f"The tests could not be run: {result.detail}")
        case Reason.TIMEOUT:
            return SuiteEnd.TIMEOUT, f"Stopped after {result.seconds:.0f} s{_while(events)}."
        case reason:
            return (
                SuiteEnd.CRASHED,
                f"Stopped by the sandbox ({reason.value}{': ' * bool(result.detail)}{result.detail}).",
            )


def _exited(
    result: Result, events: list[dict[str, Any]], cases: tuple[TestCase, ...], junit_xml: bytes | None
) -> tuple[SuiteEnd, str]:
    # https://docs.pytest.org/en/stable/reference/exit-codes.html
    uncollected = any(event["event"] == "uncollected" for event in events)
    match result.exit:
        case 0 | 1:
            if why := _disagreement(result, events, cases, junit_xml):
                return SuiteEnd.CRASHED, why
            return (
                (SuiteEnd.COLLECTION_ERROR, "Some files could not be collected.")
                if uncollected
                else (SuiteEnd.COMPLETED, "")
            )
        case 2 if uncollected:
            return SuiteEnd.COLLECTION_ERROR, "Some files could not be collected."
        case 4 if "while loading conftest" in _output(result):
            return SuiteEnd.COLLECTION_ERROR, "A conftest.py could not be loaded."
        case 4:
            return SuiteEnd.USAGE, "Pytest refused its arguments or its configuration."
        case 5 if not cases:
            return SuiteEnd.NO_TESTS, "No tests were found."
        case code:
            return SuiteEnd.CRASHED, f"Pytest ended with {code}{_while(events)}."


def _disagreement(
    result: Result, events: list[dict[str, Any]], cases: tuple[TestCase, ...], junit_xml: bytes | None
) -> str:
    """Why the witnesses do not tell the same story, empty when they do."""
    finish = next((event for event in events if event["event"] == "finish"), None)
    if finish is None:
        return f"Pytest ended with {result.exit} without finishing its report{_while(events)}."
    failed = any(case.outcome in (TestOutcome.FAILED, TestOutcome.ERROR) for case in cases)
    if finish.get("exit") != result.exit or failed is (result.exit == 0):
        return f"Pytest ended with {result.exit}, and its report says otherwise."
    if (told := _told_by_junit(junit_xml)) is not failed:
        return "Pytest left no readable JUnit report." if told is None else "Pytest's two reports disagree."
    known = {case.id for case in cases}
    silent = [one for event in events if event["event"] == "collected" for one in event["ids"] if one not in known]
    return f"{len(silent)} tests have no outcome, {silent[0]} among them." if silent else ""


def _told_by_junit(data: bytes | None) -> bool | None:
    try:
        return None if data is None else junit.parse(data).failing > 0
    except ValueError:
        return None


def _events(report: bytes) -> list[dict[str, Any]]:
    """The events in order; ends at the first line that is none of ours (a killed writer leaves half a line)."""
    events: list[dict[str, Any]] = []
    for line in report.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not _well_formed(event):
            break
        events.append(event)
    return events


def _well_formed(event: Any) -> bool:
    match event:
        case {
            "event": "phase",
            "id": str(),
            "when": str(),
            "outcome": str(),
            "message": str(),
            "seconds": int() | float(),
        }:
            return True
        case {"event": "uncollected", "id": str(), "message": str()} | {"event": "start", "id": str()}:
            return True
        case {"event": "collected", "ids": list(ids)}:
            return all(isinstance(one, str) for one in ids)
        case {"event": "finish", "exit": int()}:
            return True
        case _:
            return False


def _cases(events: Iterable[dict[str, Any]]) -> tuple[TestCase, ...]:
    """One case for each test in the order they ran; of several phases the worst counts."""
    found: dict[str, TestCase] = {}
    for event in events:
        if (case := _case(event)) is None:
            continue
        known = found.get(case.id)
        if known is None or _WORST.index(case.outcome) < _WORST.index(known.outcome):
            found[case.id] = case
    return tuple(found.values())


def _case(event: dict[str, Any]) -> TestCase | None:
    message = str(event.get("message", ""))[-MAX_DETAIL - 6 :]
    match event:
        case {"event": "uncollected", "id": name}:
            return TestCase(name or ".", TestOutcome.ERROR, message)
        case {"event": "phase", "outcome": "failed", "when": "call"}:
            outcome = TestOutcome.FAILED
        case {"event": "phase", "outcome": "failed"}:
            outcome = TestOutcome.ERROR
        case {"event": "phase", "outcome": "passed" | "skipped" as text}:
            outcome = TestOutcome(text)
        case _:
            return None
    return TestCase(event["id"], outcome, message, float(event["seconds"]))


def _while(events: Iterable[dict[str, Any]]) -> str:
    running = _running(events)
    return f" while running {running}" if running else ""


def _running(events: Iterable[dict[str, Any]]) -> str:
    """The test that had started and not ended, empty when there is none."""
    last = ""
    for event in events:
        if event["event"] == "start":
            last = event["id"]
        elif event["event"] == "phase" and event["id"] == last and event["when"] != "setup":
            last = ""
    return last


def _output(result: Result) -> str:
    return f"{result.stdout.text}\n{result.stderr.text}".strip()[-MAX_DETAIL:]
