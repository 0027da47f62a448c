"""Validate: apply the Patch to a clean base tree and show, claim by claim, what it is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bot.core.errors import UserError
from bot.core.findings import TestReport
from bot.core.machine import Move, after
from bot.core.patch import Patch
from bot.core.policy import paths
from bot.core.policy.diff import Concern, Severity, judge, refusals
from bot.core.proof import Proof, Strength
from bot.core.run import FixerName, Plan, Run, TargetKind
from bot.run.forge import BOT
from bot.run.prove import Evidence, prove
from bot.run.work import SUITE_SECONDS, Work
from bot.sandbox.apply import apply
from bot.sandbox.protocol import Session
from bot.services.git import Mirror
from bot.toolchains.base import Environment, Project
from checks.runner import run_checks, run_tests
from checks.secrets import scan_patch

AGENT_TRIES = 2


@dataclass(frozen=True, slots=True)
class _Bench:
    """One open session with all that is needed to run tests and checks in it."""

    session: Session
    project: Project
    environment: Environment

    async def tests(self, tests: tuple[str, ...] = ()) -> TestReport:
        return await run_tests(self.session, self.project, self.environment, tests=tests, timeout=SUITE_SECONDS)


async def validate(work: Work, run: Run) -> Run:
    """Prove or reject `run.patch`. Safe to run twice: it starts from a clean tree each time."""
    if run.plan is None or run.patch is None:
        raise AssertionError("a run is planned and edited before it is validated")
    mirror = await work.mirror(run)
    base = await _base_contents(mirror, run.patch)
    concerns = (*judge(run.patch, base), *_secrets(run.patch, base))
    if refusals(list(concerns)):
        # A patch that is refused anyway is not run: nothing about it could be published.
        evidence = Evidence(run.plan.baseline.tests, run.plan.baseline.findings, tuple(concerns))
    else:
        evidence = replace(await _gather(work, run.plan, run.patch, mirror, base), concerns=tuple(concerns))
    proof = prove(run.plan.target, run.plan.baseline, evidence)
    await work.note("proof", **proof.to_json())
    return await _decide(work, replace(run, proof=proof), proof)


async def _decide(work: Work, run: Run, proof: Proof) -> Run:
    if proof.strength is not Strength.UNPROVEN:
        return replace(run, state=after(run.state, Move.PROVE))
    if run.patch is None or run.fixer is None:
        raise AssertionError("a validated run has a patch and its fixer")
    why = "; ".join(f"{claim.name.value}: {claim.detail}" for claim in proof.missing)
    await work.note("patch.rejected", fixer=run.fixer.value, why=why, patch=run.patch.to_json(), proof=proof.to_json())
    again = run.fixer is FixerName.AGENT and run.tries < AGENT_TRIES
    rung, tries = (run.rung, run.tries) if again else (run.rung + 1, 0)
    return replace(run, rung=rung, tries=tries, state=after(run.state, Move.REJECT))


async def _base_contents(mirror: Mirror, patch: Patch) -> Mapping[str, bytes | None]:
    async def old(path: str) -> bytes | None:
        try:
            return await mirror.show(patch.base, path)
        except UserError:
            return None  # the patch adds this file

    return dict(zip(patch.paths, await asyncio.gather(*map(old, patch.paths)), strict=True))


def _secrets(patch: Patch, base: Mapping[str, bytes | None]) -> list[Concern]:
    return [
        Concern(Severity.REFUSE, finding.path, f"{finding.path}:{finding.line} seems to hold a secret ({finding.rule})")
        for finding in scan_patch(patch, base.get)
    ]


async def _gather(work: Work, plan: Plan, patch: Patch, mirror: Mirror, base: Mapping[str, bytes | None]) -> Evidence:
    tree = await mirror.base_tree(plan.base)
    project, environment = await work.prepare(tree)
    if set(patch.paths) & set(project.manifests) or any(paths.is_manifest(path) for path in patch.paths):
        project, environment = await _reinstalled(work, mirror, patch)
    async with await work.open_session(tree, environment) as session:
        return await _evidence(_Bench(session, project, environment), plan, patch, base)


async def _reinstalled(work: Work, mirror: Mirror, patch: Patch) -> tuple[Project, Environment]:
    # A patch that changes what gets installed is judged in the environment that it asks for.
    sha = await mirror.commit(patch, message="Candidate", author=BOT)
    tree: Path = await mirror.base_tree(sha)
    return await work.prepare(tree)


async def _evidence(bench: _Bench, plan: Plan, patch: Patch, base: Mapping[str, bytes | None]) -> Evidence:
    """Run the base's own tests over the changed sources first; only then the patch's tests come in."""
    test_paths = [path for path in patch.paths if paths.is_test(path)]
    await apply(bench.session, patch.without(test_paths))
    tests = await bench.tests()
    new_tests = None
    runnable = tuple(path for path in test_paths if patch_keeps(patch, path))
    if test_paths:
        await apply(bench.session, patch)
        new_tests = await bench.tests(runnable) if runnable else None
    report = await run_checks(bench.session, bench.project, bench.environment)
    return Evidence(
        tests=tests,
        findings=tuple(report.findings),
        without=await _without(bench, plan),
        new_tests=new_tests,
        new_tests_without=await _tests_alone(bench, patch, test_paths, runnable) if runnable else None,
        unheard=tuple(f"{name} ({why})" for name, why in report.failed),
    )


def patch_keeps(patch: Patch, path: str) -> bool:
    """Whether `path` is a Python test file that exists after the Patch."""
    change = patch.get(path)
    return change is not None and change.content is not None and path.endswith(".py") and "conftest" not in path


async def _without(bench: _Bench, plan: Plan) -> TestReport | None:
    if plan.target.kind is not TargetKind.TESTS:
        return None
    await bench.session.rollback()
    return await bench.tests(plan.target.tests)


async def _tests_alone(bench: _Bench, patch: Patch, test_paths: list[str], runnable: tuple[str, ...]) -> TestReport:
    await bench.session.rollback()
    sources = [path for path in patch.paths if path not in test_paths]
    await apply(bench.session, patch.without(sources))
    return await bench.tests(runnable)
