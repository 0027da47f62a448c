"""What a run of pytest came to: golden reports, forged ones, and ends of every kind."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.errors import Infrastructure
from bot.core.findings import SuiteEnd, TestOutcome
from bot.sandbox.protocol import Captured, Reason, Result
from bot.toolchains.base import Project
from checks import junit, python_tests

GOLDEN = Path(__file__).parent / "golden"
REPORT = (GOLDEN / "pytest-report.jsonl").read_bytes()
JUNIT = (GOLDEN / "pytest-junit.xml").read_bytes()
ONE = "tests/unit/test_outcomes.py"


def ended(code: int | None, reason: Reason | None = None, stdout: bytes = b"", detail: str = "") -> Result:
    reason = reason or (Reason.OK if code == 0 else Reason.NONZERO)
    return Result(reason, code, Captured(stdout, b"", len(stdout)), detail=detail)


def lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def phase(name: str, outcome: str = "passed", when: str = "call") -> dict[str, Any]:
    return {"event": "phase", "id": name, "when": when, "outcome": outcome, "message": "", "seconds": 0.1}


def junit_xml(failing: int = 0) -> bytes:
    return f"<testsuites><testsuite><testcase>{'<failure/>' * failing}</testcase></testsuite></testsuites>".encode()


PASSING = lines({"event": "collected", "ids": ["a.py::t"]}, phase("a.py::t"), {"event": "finish", "exit": 0})
STARTED = lines({"event": "start", "id": "a.py::t"}, phase("a.py::t"), {"event": "start", "id": "a.py::u"})


def test_the_golden_report_keeps_every_node_id_and_outcome() -> None:
    report = python_tests.parse(ended(1), REPORT, JUNIT)
    assert report.end is SuiteEnd.COMPLETED
    assert report.passing == {
        "tests/test_ok.py::test_ok", f"{ONE}::test_parameters[plain]", f"{ONE}::test_expected_and_passes",
    }  # fmt: skip
    assert report.ids(TestOutcome.ERROR) == {f"{ONE}::test_setup", f"{ONE}::test_teardown"}
    assert report.ids(TestOutcome.SKIPPED) == {f"{ONE}::test_skipped", f"{ONE}::test_expected_to_fail"}
    assert report.ids(TestOutcome.FAILED) >= {
        f"{ONE}::test_parameters[a::b]", f"{ONE}::test_parameters[x[1]]", f"{ONE}::TestOuter::TestInner::test_deep",
        f"{ONE}::Old::test_old", f"{ONE}::Old::test_subtests",
    }  # fmt: skip
    old = report.case(f"{ONE}::Old::test_old")
    assert old is not None
    assert "1 != 2" in old.message


@pytest.mark.parametrize(
    ("result", "report", "xml", "end"),
    [
        (ended(0), PASSING, junit_xml(), SuiteEnd.COMPLETED),
        (ended(5), lines({"event": "finish", "exit": 5}), junit_xml(), SuiteEnd.NO_TESTS),
        (ended(4), b"", None, SuiteEnd.USAGE),
        (ended(4, stdout=b"ImportError while loading conftest 'x'"), b"", None, SuiteEnd.COLLECTION_ERROR),
        (ended(None, Reason.TIMEOUT), STARTED, None, SuiteEnd.TIMEOUT),
        (ended(None, Reason.OOM), STARTED, None, SuiteEnd.CRASHED),
        (ended(139), STARTED, None, SuiteEnd.CRASHED),
        (ended(3), PASSING, junit_xml(), SuiteEnd.CRASHED),
        (ended(2), PASSING, junit_xml(), SuiteEnd.CRASHED),
        (ended(2), lines({"event": "uncollected", "id": "a.py", "message": "no"}), None, SuiteEnd.COLLECTION_ERROR),
        (ended(1, stdout=b"No module named pytest"), b"", None, SuiteEnd.CRASHED),
    ],
)
def test_ends_are_told_apart(result: Result, report: bytes, xml: bytes | None, end: SuiteEnd) -> None:
    told = python_tests.parse(result, report, xml)
    assert told.end is end
    assert bool(told.detail) is (end is not SuiteEnd.COMPLETED)


@pytest.mark.parametrize(
    ("result", "report", "xml"),
    [
        (ended(0), b"", junit_xml()),
        (ended(0), STARTED, junit_xml()),
        (ended(1), PASSING, junit_xml(1)),
        (ended(0), lines(phase("a.py::t", "failed"), {"event": "finish", "exit": 0}), junit_xml(1)),
        (ended(0), PASSING, None),
        (ended(0), PASSING, junit_xml(1)),
        (ended(0), PASSING, b"<!DOCTYPE x [<!ENTITY a 'b'>]><testsuites>&a;</testsuites>"),
        (
            ended(0),
            lines({"event": "collected", "ids": ["a", "b"]}, phase("a"), {"event": "finish", "exit": 0}),
            junit_xml(),
        ),
        (ended(0), b'{"event": "finish", "exit": "0"}\n', junit_xml()),
    ],
)
def test_witnesses_that_disagree_are_a_crash(result: Result, report: bytes, xml: bytes | None) -> None:
    assert python_tests.parse(result, report, xml).end is SuiteEnd.CRASHED


def test_the_test_that_was_running_is_named() -> None:
    told = python_tests.parse(replace(ended(None, Reason.TIMEOUT), seconds=9.0), STARTED, None)
    assert told.passing == {"a.py::t"}
    assert told.failing == {"a.py::u"}
    assert "while running a.py::u" in told.detail


def test_a_sandbox_that_failed_is_no_report() -> None:
    with pytest.raises(Infrastructure):
        python_tests.parse(ended(None, Reason.INFRASTRUCTURE, detail="its holder was killed"), b"", None)


@settings(deadline=None)
@given(st.binary(), st.binary(), st.sampled_from([0, 1, 2, 3, 4, 5, 139]))
def test_noise_never_passes(report: bytes, xml: bytes, code: int) -> None:
    assert python_tests.parse(ended(code), report, xml).end is not SuiteEnd.COMPLETED


@pytest.mark.parametrize("xml", [b"", b"<a>", b"<a>" * 40 + b"</a>" * 40, b"<!DOCTYPE a><a/>", b"\xff"])
def test_hostile_junit_is_refused(xml: bytes) -> None:
    with pytest.raises(ValueError, match="JUnit"):
        junit.parse(xml)


def test_many_ids_go_into_a_file() -> None:
    project = Project("python", "k")
    few, many = ["a.py::t[x y]"], [f"a.py::test_{number}" for number in range(20_000)]
    assert python_tests.selection(few) == ""
    assert python_tests.pytest_command(project, few, folder="out").argv[-1] == "a.py::t[x y]"
    command = python_tests.pytest_command(project, many, folder="out")
    assert command.argv[-1] == "a.py"
    assert command.variables["FETTLE_SELECT"] == "/workspace/out/select.txt"
    assert python_tests.selection(many).splitlines() == many
