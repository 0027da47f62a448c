"""Plan: fetch, install, see what tests and checks say on the base commit, and choose the target."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.core.machine import Move, after
from bot.core.run import Baseline, Plan, Run
from bot.run.baseline import baselines
from bot.run.target import choose
from bot.run.work import SUITE_SECONDS, Work
from bot.toolchains.base import Environment, Project
from checks.runner import run_checks, run_tests


async def plan(work: Work, run: Run) -> Run:
    """Decide base commit, baseline and target. Safe to run twice: a later commit simply becomes the base."""
    origin = await work.forge.origin(run)
    mirror = work.services.workspace.mirror(origin.key)
    await mirror.fetch(origin.url, token=origin.token)
    base = await mirror.resolve("HEAD")
    tree = await mirror.base_tree(base)
    project, environment = await work.prepare(tree)
    await work.note(
        "plan.prepared",
        base=base,
        toolchain=project.toolchain,
        installed=environment.installed,
        key=environment.key,
        notes=list(project.notes),
    )
    baseline = await _baseline(work, origin.key, base, tree, project, environment)
    target = choose(run.subject, baseline)
    await work.note(
        "plan.target",
        target=target.kind.value,
        tests=list(target.tests[:50]),
        findings=[f"{f.path}:{f.line} {f.rule}" for f in target.findings[:50]],
        suite=baseline.tests.end.value,
        passing=len(baseline.tests.passing),
        failing=len(baseline.tests.failing),
    )
    decided = Plan(base, project.toolchain, target, baseline)
    return replace(run, base=base, plan=decided, state=after(run.state, Move.PLAN))


async def _baseline(
    work: Work, key: str, base: str, tree: Path, project: Project, environment: Environment
) -> Baseline:
    cache = baselines(work.services.settings)
    if known := cache.get(key, base, environment.key):
        await work.note("plan.baseline", cached=True)
        return known
    async with await work.open_session(tree, environment) as session:
        tests = await run_tests(session, project, environment, timeout=SUITE_SECONDS)
        report = await run_checks(session, project, environment)
    await work.note(
        "plan.baseline",
        cached=False,
        suite=tests.end.value,
        detail=tests.detail[-2000:],
        unheard=[name for name, _ in report.failed],
    )
    baseline = Baseline(tests, tuple(report.findings), unheard=tuple(name for name, _ in report.failed))
    if not report.failed:
        cache.put(key, base, environment.key, baseline)
    return baseline
