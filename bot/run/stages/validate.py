"""Validate: apply the Patch to a clean base tree and show, claim by claim, what it is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bot.core.findings import TestReport
from bot.core.machine import Move, after
from bot.core.patch import Patch
from bot.core.policy import paths
from bot.core.policy.diff import Concern, judge, refusals
from bot.core.proof import Strength
from bot.core.run import Plan, Run, TargetKind
from bot.run.forge import BOT
from bot.run.prove import Evidence, files_of_tests, prove
from bot.run.screen import base_contents, secrets
from bot.run.stages.reject import reject, unheard_of
from bot.run.work import SUITE_SECONDS, Work
from bot.sandbox.apply import apply
from bot.sandbox.protocol import Session
from bot.services.git import Mirror
from bot.toolchains.base import Environment, Project
from checks.runner import run_checks, run_tests


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
    base = await base_contents(mirror, run.patch)
    concerns = await asyncio.to_thread(_concerns, run.plan, run.patch, base)
    if refusals(concerns):
        # A patch that is refused anyway is not run: nothing about it could be published.
        evidence = unheard_of(run, tuple(concerns))
    else:
        evidence = replace(await _gather(work, run.plan, run.patch, mirror), concerns=tuple(concerns))
    proof = prove(run.plan.target, run.plan.baseline, evidence)
    await work.note("proof", **proof.to_json())
    if proof.strength is not Strength.UNPROVEN:
        return replace(run, proof=proof, state=after(run.state, Move.PROVE))
    rejected = await reject(work, run, run.patch, proof)
    return replace(rejected, proof=proof, state=after(run.state, Move.REJECT))


def _concerns(plan: Plan, patch: Patch, base: Mapping[str, bytes | None]) -> list[Concern]:
    return [*judge(patch, base, tests=files_of_tests(plan.baseline.tests)), *secrets(patch, base)]


async def _gather(work: Work, plan: Plan, patch: Patch, mirror: Mirror) -> Evidence:
    """Judge the Patch in the environment that it asks for, and its absence in the one that the base asks for."""
    tree = await mirror.base_tree(plan.base)
    project, environment = await work.prepare(tree)
    without = project, environment
    if set(patch.paths) & set(project.manifests) or any(paths.is_manifest(path) for path in patch.paths):
        project, environment = await _reinstalled(work, mirror, patch)
    own = _own_tests(plan, patch)
    async with await work.open_session(tree, environment) as session:
        evidence = await _with_patch(_Bench(session, project, environment), patch, own)
    if plan.target.kind is not TargetKind.TESTS and not own:
        return evidence
    async with await work.open_session(tree, without[1]) as session:
        return await _without_patch(_Bench(session, *without), plan, patch, own, evidence)


async def _reinstalled(work: Work, mirror: Mirror, patch: Patch) -> tuple[Project, Environment]:
    # A patch that changes what gets installed is judged in the environment that it asks for.
    sha = await mirror.commit(patch, message="Candidate", author=BOT)
    tree: Path = await mirror.base_tree(sha)
    return await work.prepare(tree)


def _own_tests(plan: Plan, patch: Patch) -> tuple[str, ...]:
    """The paths of `patch` that are tests by their names, or because the base's suite ran them."""
    known = files_of_tests(plan.baseline.tests)
    return tuple(path for path in patch.paths if paths.is_test(path) or path in known)


async def _with_patch(bench: _Bench, patch: Patch, own: tuple[str, ...]) -> Evidence:
    """Run the base's own tests over the changed sources first; only then the patch's tests come in."""
    await apply(bench.session, patch.without(own))
    tests = await bench.tests()
    new_tests = None
    if own:
        await apply(bench.session, patch)
        runnable = _runnable(patch, own)
        new_tests = await bench.tests(runnable) if runnable else None
    report = await run_checks(bench.session, bench.project, bench.environment)
    return Evidence(tests, tuple(report.findings), new_tests=new_tests, unheard=tuple(report.failed))


async def _without_patch(bench: _Bench, plan: Plan, patch: Patch, own: tuple[str, ...], evidence: Evidence) -> Evidence:
    if plan.target.kind is TargetKind.TESTS:
        evidence = replace(evidence, without=await bench.tests(plan.target.tests))
    if runnable := _runnable(patch, own):
        await apply(bench.session, patch.without(path for path in patch.paths if path not in own))
        evidence = replace(evidence, new_tests_without=await bench.tests(runnable))
    return evidence


def _runnable(patch: Patch, own: tuple[str, ...]) -> tuple[str, ...]:
    """The test files that exist after the Patch and that a runner takes by their path."""
    changes = (change for path in own if (change := patch.get(path)) is not None)
    return tuple(c.path for c in changes if c.content is not None and paths.is_runnable_test(c.path))
