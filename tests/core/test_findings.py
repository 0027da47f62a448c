"""Findings keep their identity when lines move, and are counted, not merely named."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.core.findings import Finding, SuiteEnd, TestCase, TestOutcome, TestReport, new_findings

FINDINGS = st.builds(
    lambda rule, line, source: Finding.of("ruff", rule, "a.py", line, "message", source=source),
    st.sampled_from(["F401", "E711"]),
    st.integers(1, 5),
    st.sampled_from(["import os", "import re"]),
)


def test_a_moved_line_is_the_same_finding() -> None:
    before = Finding.of("ruff", "F401", "a.py", 1, "`os` unused", source="import os")
    after = Finding.of("ruff", "F401", "a.py", 9, "`os` unused", source="    import  os")
    assert new_findings([before], [after]) == []


def test_a_second_one_alike_is_new() -> None:
    one = Finding.of("ruff", "F401", "a.py", 1, "m", source="import os")
    two = Finding.of("ruff", "F401", "a.py", 2, "m", source="import os")
    assert new_findings([one], [one, two]) == [two]


@given(st.lists(FINDINGS), st.lists(FINDINGS))
def test_what_is_new_is_counted(before: list[Finding], added: list[Finding]) -> None:
    assert len(new_findings(before, before + added)) == len(added)
    assert new_findings(before, before) == []
    assert new_findings(before + added, before) == []


@given(st.lists(st.builds(TestCase, st.text(max_size=5), st.sampled_from(TestOutcome), st.text(max_size=5))))
def test_a_report_survives_json(cases: list[TestCase]) -> None:
    report = TestReport(SuiteEnd.COMPLETED, tuple(cases), "", 1.5)
    assert TestReport.from_json(report.to_json()) == report
