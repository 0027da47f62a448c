"""What tools say about code: findings of checks and reports of test runs, as values that survive moved lines."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a Check. `path` is relative and posix, `line` is 1-based (0: whole file).

    `fingerprint` is the identity across versions of the file: rule, path and the line's text without white space, so
    that a finding whose line merely moved is not new (SonarQube's way).
    """

    check: str
    rule: str
    path: str
    line: int
    message: str
    fingerprint: str
    fixable: bool = False

    @classmethod
    def of(
        cls, check: str, rule: str, path: str, line: int, message: str, *, source: str = "", fixable: bool = False
    ) -> Finding:
        """Make a Finding; `source` is the text of its line (when unknown, empty: then the message identifies it)."""
        subject = re.sub(r"\s+", "", source) or message
        digest = hashlib.sha256("\0".join((check, rule, path, subject)).encode(errors="replace")).hexdigest()
        return cls(check, rule, path, line, message, digest[:20], fixable)


def new_findings(before: Iterable[Finding], after: Iterable[Finding]) -> list[Finding]:
    """Findings of `after` that `before` did not have, counted: two alike where there was one is one new."""
    left: dict[str, int] = {}
    for finding in before:
        left[finding.fingerprint] = left.get(finding.fingerprint, 0) + 1
    fresh = []
    for finding in after:
        if left.get(finding.fingerprint, 0) > 0:
            left[finding.fingerprint] -= 1
        else:
            fresh.append(finding)
    return fresh


class TestOutcome(StrEnum):
    """How one test ended."""

    __test__ = False  # pytest would collect it

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


class SuiteEnd(StrEnum):
    """How a whole test run ended."""

    COMPLETED = "completed"  # every collected test has an outcome
    COLLECTION_ERROR = "collection_error"  # at least one file could not be imported
    NO_TESTS = "no_tests"
    TIMEOUT = "timeout"
    CRASHED = "crashed"  # the runner died: no report, or a signal
    USAGE = "usage"  # the runner refused its arguments or its configuration


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test: `id` is the runner's own name for it (pytest: the node id), `message` the cut failure text."""

    __test__ = False

    id: str
    outcome: TestOutcome
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class TestReport:
    """One run of a test suite. `detail` is the cut output when it did not complete."""

    __test__ = False

    end: SuiteEnd
    cases: tuple[TestCase, ...] = ()
    detail: str = ""
    seconds: float = 0.0

    def ids(self, *outcomes: TestOutcome) -> frozenset[str]:
        """Ids of the tests that ended in one of `outcomes`."""
        return frozenset(case.id for case in self.cases if case.outcome in outcomes)

    @property
    def passing(self) -> frozenset[str]:
        """Ids of the tests that passed."""
        return self.ids(TestOutcome.PASSED)

    @property
    def failing(self) -> frozenset[str]:
        """Ids of the tests that failed or could not run."""
        return self.ids(TestOutcome.FAILED, TestOutcome.ERROR)

    def case(self, test_id: str) -> TestCase | None:
        """The case of that id, if it ran."""
        return next((case for case in self.cases if case.id == test_id), None)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TestReport:
        """The inverse of `to_json`."""
        cases = tuple(
            TestCase(case["id"], TestOutcome(case["outcome"]), case["message"], case["seconds"])
            for case in data["cases"]
        )
        return cls(SuiteEnd(data["end"]), cases, data["detail"], data["seconds"])
