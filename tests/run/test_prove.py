"""What a proof is worth, claim by claim: a table of evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.findings import Finding, SuiteEnd, TestCase, TestOutcome, TestReport
from bot.core.policy.diff import Concern, Severity
from bot.core.proof import ClaimName, Proof, Strength
from bot.core.run import Baseline, Target, TargetKind
from bot.run.prove import Evidence, files_of_tests, prove


def report(passed: str = "", failed: str = "", end: SuiteEnd = SuiteEnd.COMPLETED) -> TestReport:
    cases = [TestCase(name, TestOutcome.PASSED) for name in passed.split()]
    cases += [TestCase(name, TestOutcome.FAILED) for name in failed.split()]
    return TestReport(end, tuple(cases))


UNUSED = Finding.of("ruff", "F401", "a.py", 1, "unused", source="import os")
OTHER = Finding.of("ruff", "E711", "a.py", 2, "none", source="x == None")
BASE = Baseline(report("a b", "t"), (UNUSED,))
TESTS = Target(TargetKind.TESTS, tests=("t",))
LINT = Target(TargetKind.FINDINGS, findings=(UNUSED,))
DESCRIBED = Target(TargetKind.DESCRIBED)
GOOD = Evidence(report("a b t"), (UNUSED,), without=report("", "t"))
LINTED = Evidence(report("a b", "t"), ())
SHOWN = Evidence(report("a b", "t"), (UNUSED,), new_tests=report("n"), new_tests_without=report("", "n"))
DRAFT = Concern(Severity.DRAFT, "uv.lock", "uv.lock decides what gets installed")
REFUSE = Concern(Severity.REFUSE, ".github/x", ".github/x is protected")


def missing(proof: Proof) -> set[ClaimName]:
    return {claim.name for claim in proof.missing}


@pytest.mark.parametrize(
    ("target", "evidence", "strength", "lacks"),
    [
        (TESTS, GOOD, Strength.PROVEN, set()),
        (LINT, LINTED, Strength.PROVEN, set()),
        (DESCRIBED, SHOWN, Strength.WEAK, set()),
        (TESTS, replace(GOOD, tests=report("a b", "t")), Strength.UNPROVEN, {ClaimName.PASSES_AFTER}),
        (TESTS, replace(GOOD, tests=report("a t", "b")), Strength.UNPROVEN, {ClaimName.NO_NEW_FAILURES}),
        (TESTS, replace(GOOD, tests=report("a t")), Strength.UNPROVEN, {ClaimName.NO_NEW_FAILURES}),
        (TESTS, replace(GOOD, without=report("t")), Strength.UNPROVEN, {ClaimName.FAILS_BEFORE}),
        (TESTS, replace(GOOD, findings=(UNUSED, OTHER)), Strength.UNPROVEN, {ClaimName.NO_NEW_FINDINGS}),
        (TESTS, replace(GOOD, unheard=(("mypy", "crashed"),)), Strength.UNPROVEN, {ClaimName.NO_NEW_FINDINGS}),
        (TESTS, replace(GOOD, concerns=(DRAFT,)), Strength.WEAK, {ClaimName.POLICY_KEPT}),
        (TESTS, replace(GOOD, concerns=(REFUSE,)), Strength.UNPROVEN, {ClaimName.POLICY_KEPT}),
        (
            TESTS,
            replace(GOOD, tests=report("a b t", end=SuiteEnd.TIMEOUT)),
            Strength.UNPROVEN,
            {ClaimName.NO_NEW_FAILURES},
        ),
        (
            TESTS,
            replace(GOOD, without=report("", "", end=SuiteEnd.CRASHED)),
            Strength.UNPROVEN,
            {ClaimName.FAILS_BEFORE},
        ),
        (
            TESTS,
            replace(GOOD, tests=report("a b t", end=SuiteEnd.COLLECTION_ERROR)),
            Strength.UNPROVEN,
            {ClaimName.NO_NEW_FAILURES},
        ),
        (LINT, replace(LINTED, tests=report("a b", "t s")), Strength.UNPROVEN, {ClaimName.NO_NEW_FAILURES}),
        (LINT, replace(LINTED, tests=report(end=SuiteEnd.NO_TESTS)), Strength.UNPROVEN, {ClaimName.NO_NEW_FAILURES}),
        (replace(LINT, findings=()), LINTED, Strength.UNPROVEN, {ClaimName.FAILS_BEFORE}),
        (LINT, replace(LINTED, findings=(UNUSED,)), Strength.UNPROVEN, {ClaimName.PASSES_AFTER}),
        (DESCRIBED, replace(SHOWN, new_tests_without=report("n")), Strength.UNPROVEN, {ClaimName.FAILS_BEFORE}),
        (
            DESCRIBED,
            replace(SHOWN, new_tests=None, new_tests_without=None),
            Strength.UNPROVEN,
            {ClaimName.FAILS_BEFORE, ClaimName.PASSES_AFTER},
        ),
    ],
)
def test_evidence_decides(target: Target, evidence: Evidence, strength: Strength, lacks: set[ClaimName]) -> None:
    proof = prove(target, BASE, evidence)
    assert proof.strength is strength
    assert missing(proof) == lacks
    assert [claim.name for claim in proof.claims] == list(ClaimName)
    assert Proof.from_json(proof.to_json()) == proof


def test_a_target_that_did_not_fail_before_proves_nothing() -> None:
    assert prove(TESTS, Baseline(report("a b t")), GOOD).strength is Strength.UNPROVEN


def test_a_suite_that_collects_nothing_any_more_proves_nothing() -> None:
    nothing_passed = Baseline(report("", "t"), (UNUSED,))
    emptied = replace(LINTED, tests=report(end=SuiteEnd.NO_TESTS))
    assert prove(LINT, nothing_passed, emptied).strength is Strength.UNPROVEN


def test_what_the_suite_ran_is_a_test_file_whatever_its_name() -> None:
    ran = report("check_money.py::test_a checks/x.py::Case::test_b src/money.py::src.money.add", "broken.py")
    assert files_of_tests(ran) == {"check_money.py", "checks/x.py"}
    assert files_of_tests(report("a.py::test_x[1.5]")) == {"a.py"}


def test_a_check_that_was_mute_before_is_not_held_against_the_patch() -> None:
    mute = replace(BASE, unheard=("mypy",))
    proof = prove(TESTS, mute, replace(GOOD, unheard=(("mypy", "crashed"),)))
    assert proof.strength is Strength.PROVEN
    assert "mypy could say nothing, before as after" in proof.claims[3].detail
