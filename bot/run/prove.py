"""Build the Proof of a Patch from what was seen before and after it. Pure; used by the validate stage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bot.core.findings import Finding, SuiteEnd, TestReport, new_findings
from bot.core.policy.diff import Concern, Severity
from bot.core.proof import Claim, ClaimName, Proof, Strength
from bot.core.run import Baseline, Target, TargetKind

_FAIR_ENDS = (SuiteEnd.COMPLETED, SuiteEnd.NO_TESTS, SuiteEnd.COLLECTION_ERROR)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the validate stage saw with the Patch applied to a clean base tree.

    `tests` ran from the base's own test files; `without` is the target run again with the patch taken away; `new_tests`
    and `new_tests_without` are the tests that the patch brings, with and without the rest of it. `unheard` holds
    (name, why) of checks that could not say anything.
    """

    tests: TestReport
    findings: tuple[Finding, ...]
    concerns: tuple[Concern, ...] = ()
    without: TestReport | None = None
    new_tests: TestReport | None = None
    new_tests_without: TestReport | None = None
    unheard: tuple[tuple[str, str], ...] = ()


def files_of_tests(report: TestReport) -> frozenset[str]:
    """The files whose test functions `report` holds, whatever they are named; doctests stand in sources."""
    named = (case.id.partition("::") for case in report.cases)
    return frozenset(path for path, _, test in named if test and "." not in test.partition("[")[0])


def prove(target: Target, baseline: Baseline, evidence: Evidence) -> Proof:
    """Weigh `evidence` claim by claim."""
    claims = (
        _fails_before(target, baseline, evidence),
        _passes_after(target, evidence),
        _no_new_failures(baseline, evidence),
        _no_new_findings(baseline, evidence),
        _policy(evidence.concerns),
    )
    return Proof(_strength(target, claims, evidence), claims)


def _strength(target: Target, claims: tuple[Claim, ...], evidence: Evidence) -> Strength:
    if any(concern.severity is Severity.REFUSE for concern in evidence.concerns):
        return Strength.UNPROVEN
    failed = {claim.name for claim in claims if not claim.held} - {ClaimName.POLICY_KEPT}
    if failed:
        return Strength.UNPROVEN
    drafted = any(concern.severity is Severity.DRAFT for concern in evidence.concerns)
    return Strength.WEAK if drafted or target.kind is TargetKind.DESCRIBED else Strength.PROVEN


def _fails_before(target: Target, baseline: Baseline, evidence: Evidence) -> Claim:
    match target.kind:
        case TargetKind.TESTS:
            missing = [test for test in target.tests if test not in baseline.tests.failing]
            revived = _passing(evidence.without, target.tests)
            if revived:
                detail = f"{_named(revived)} also passed without the patch: flaky, so nothing is shown"
                return Claim(ClaimName.FAILS_BEFORE, False, detail)
            if evidence.without is not None and evidence.without.end not in _FAIR_ENDS:
                return Claim(ClaimName.FAILS_BEFORE, False, f"without the patch {_incomplete(evidence.without)}")
            again = ", and again with the patch taken away" if evidence.without else ""
            detail = f"{_count(target.tests, 'test')} failed on the base commit{again}"
            return Claim(ClaimName.FAILS_BEFORE, not missing and bool(target.tests), detail)
        case TargetKind.FINDINGS:
            detail = f"{_count(target.findings, 'finding')} on the base commit"
            return Claim(ClaimName.FAILS_BEFORE, bool(target.findings), detail)
        case TargetKind.DESCRIBED:
            return _described_before(evidence)


def _described_before(evidence: Evidence) -> Claim:
    report = evidence.new_tests_without
    if report is None or evidence.new_tests is None or not evidence.new_tests.passing:
        return Claim(ClaimName.FAILS_BEFORE, False, "no test shows the problem on the base commit")
    shown = [test for test in evidence.new_tests.passing if test not in report.passing]
    detail = f"{_count(shown, 'test')} that came with the patch failed without it"
    return Claim(ClaimName.FAILS_BEFORE, bool(shown), detail)


def _passes_after(target: Target, evidence: Evidence) -> Claim:
    match target.kind:
        case TargetKind.TESTS:
            still = [test for test in target.tests if test not in evidence.tests.passing]
            detail = f"still failing: {_named(still)}" if still else f"{_count(target.tests, 'test')} passed"
            return Claim(ClaimName.PASSES_AFTER, not still, detail)
        case TargetKind.FINDINGS:
            gone = new_findings(evidence.findings, target.findings)
            left = len(target.findings) - len(gone)
            detail = f"{left} of {len(target.findings)} still there" if left else "none of them is left"
            return Claim(ClaimName.PASSES_AFTER, left == 0, detail)
        case TargetKind.DESCRIBED:
            report = evidence.new_tests
            held = report is not None and bool(report.passing) and not report.failing
            detail = (
                f"{_count(report.passing, 'test')} that came with the patch passed" if held and report else "no test"
            )
            return Claim(ClaimName.PASSES_AFTER, held, detail)


def _no_new_failures(baseline: Baseline, evidence: Evidence) -> Claim:
    name, before, after = ClaimName.NO_NEW_FAILURES, baseline.tests, evidence.tests
    if after.end not in _FAIR_ENDS:
        return Claim(name, False, _incomplete(after))
    if after.end is not SuiteEnd.COMPLETED and before.end is SuiteEnd.COMPLETED:
        return Claim(name, False, f"{_incomplete(after)}, and on the base commit it did")
    broken = sorted(before.passing - after.passing)
    if broken:
        return Claim(
            name, False, f"{_named(broken)} passed before and no longer {'does' if len(broken) == 1 else 'do'}"
        )
    if fresh := sorted(after.failing - before.failing):
        # What was skipped, expected to fail or not there at all.
        return Claim(name, False, f"{_named(fresh)} did not fail before")
    if not before.passing:
        return Claim(name, True, "no test passed on the base commit, so none could break")
    return Claim(name, True, f"{_count(before.passing, 'test')} passed before and after")


def _no_new_findings(baseline: Baseline, evidence: Evidence) -> Claim:
    name = ClaimName.NO_NEW_FINDINGS
    if silenced := [f"{check} ({why})" for check, why in evidence.unheard if check not in baseline.unheard]:
        return Claim(name, False, f"these checks could not say anything: {', '.join(silenced)}")
    fresh = new_findings(baseline.findings, evidence.findings)
    if fresh:
        shown = "; ".join(f"{f.path}:{f.line} {f.rule} {f.message}" for f in fresh[:3])
        return Claim(name, False, f"{_count(fresh, 'new finding')}: {shown}")
    # What cannot run on the base commit either cannot be held against the patch, but it is said.
    mute = f"; {', '.join(baseline.unheard)} could say nothing, before as after" if baseline.unheard else ""
    return Claim(name, True, f"{len(baseline.findings)} before, {len(evidence.findings)} after, none of them new{mute}")


def _policy(concerns: tuple[Concern, ...]) -> Claim:
    reasons = "; ".join(concern.reason for concern in concerns)
    return Claim(ClaimName.POLICY_KEPT, not concerns, reasons or "paths, size and tests are as they should be")


def _incomplete(report: TestReport) -> str:
    return f"the test run did not complete ({report.end.value.replace('_', ' ')})"


def _passing(report: TestReport | None, tests: tuple[str, ...]) -> list[str]:
    return [test for test in tests if report is not None and test in report.passing]


def _count(things: Iterable[object], word: str) -> str:
    number = len(list(things))
    return f"{number} {word}{'' if number == 1 else 's'}"


def _named(tests: list[str]) -> str:
    return ", ".join(tests[:3]) + (f" and {len(tests) - 3} more" if len(tests) > 3 else "")
