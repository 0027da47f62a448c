"""Which target an issue points at, by its words and what fails."""

from __future__ import annotations

import time

import pytest

from bot.core.findings import Finding, SuiteEnd, TestCase, TestOutcome, TestReport
from bot.core.run import Baseline, Subject, SubjectKind, TargetKind
from bot.run.target import choose

FAILING = ("tests/test_money.py::test_round_half_up", "tests/test_dates.py::test_parse_duration_hours[1h-60]")
UNUSED = Finding.of("ruff", "F401", "src/report.py", 1, "`os` imported but unused", source="import os", fixable=True)
LONG = Finding.of("ruff", "E501", "src/other.py", 3, "line too long", source="x")
BASELINE = Baseline(
    TestReport(SuiteEnd.COMPLETED, tuple(TestCase(name, TestOutcome.FAILED) for name in FAILING)), (UNUSED, LONG)
)


@pytest.mark.parametrize(
    ("title", "body", "kind", "what"),
    [
        ("rounding is off", f"`{FAILING[0]}` fails", TargetKind.TESTS, FAILING[:1]),
        ("test_round_half_up is red", "", TargetKind.TESTS, FAILING[:1]),
        ("parse_duration() ignores hours", "", TargetKind.TESTS, FAILING[1:]),
        ("Durations in hours are not understood", "", TargetKind.TESTS, FAILING[1:]),
        ("F401 in src/report.py", "", TargetKind.FINDINGS, (UNUSED,)),
        ("ruff complains", "", TargetKind.FINDINGS, (UNUSED, LONG)),
        ("Lint: src/other.py", "", TargetKind.FINDINGS, (LONG,)),
        ("Add a dark mode", "please", TargetKind.DESCRIBED, ()),
        ("hours", "", TargetKind.DESCRIBED, ()),
    ],
)
def test_words_choose(title: str, body: str, kind: TargetKind, what: tuple[object, ...]) -> None:
    target = choose(Subject(SubjectKind.ISSUE, 1, title, body), BASELINE)
    assert target.kind is kind
    assert (target.tests or target.findings) == what


def test_a_local_run_without_words_takes_whatever_fails() -> None:
    nothing = Subject(SubjectKind.LOCAL, 0, "", "")
    assert choose(nothing, BASELINE).tests == tuple(sorted(FAILING))
    green = Baseline(TestReport(SuiteEnd.COMPLETED), (UNUSED,))
    assert choose(nothing, green).findings == (UNUSED,)
    assert choose(nothing, Baseline(TestReport(SuiteEnd.COMPLETED))).kind is TargetKind.DESCRIBED


@pytest.mark.parametrize("body", ["a." * 32_000, "_" * 64_000, "`" * 64_000, "a_" * 32_000 + "(", "word " * 12_000])
def test_an_issue_cannot_make_the_choice_slow(body: str) -> None:
    """ATTACKS.md 75: it is chosen in the loop that renews the lease."""
    many = tuple(TestCase(f"tests/test_x.py::test_number_{n}", TestOutcome.FAILED) for n in range(2_000))
    began = time.process_time()
    choose(Subject(SubjectKind.ISSUE, 1, "x", body), Baseline(TestReport(SuiteEnd.COMPLETED, many)))
    assert time.process_time() - began < 3
