"""`fettle fix PATH`: the whole pipeline on a local repository, in this process, without GitHub and without a queue."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bot.commands.report import run_json, show_run
from bot.context import Services, open_services
from bot.core.errors import Retry, UserError
from bot.core.machine import State
from bot.core.messages import Progress
from bot.core.proof import Strength
from bot.core.run import Ending, Run, Subject, SubjectKind, TargetKind
from bot.core.settings import Settings
from bot.run.local_forge import LocalForge
from bot.run.pipeline import Pipeline, ended
from bot.services.git import LocalRepository, inspect
from bot.toolchains import toolchains
from bot.worker import ladder

MOST_ISSUE_BYTES = 64 * 1024
Tell = Callable[[Run, Progress], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line; `max_seconds` bounds the whole run."""

    path: Path
    issue: Path | None = None
    failing_tests: bool = False
    max_seconds: float | None = None


async def run(
    settings: Settings, path: Path, issue: Path | None, failing_tests: bool, max_seconds: float | None, *, as_json: bool
) -> int:
    """Exit code 0 for a proven patch, 3 when there is none (with what was tried). Raises UserError on bad input."""
    errors = Console(stderr=True)
    with errors.status("starting") as status:

        def tell(told: Run, progress: Progress) -> None:
            done = " · ".join(
                f"{line.name} {line.seconds:.1f} s" for line in progress.stages if line.seconds is not None
            )
            status.update(f"{told.state.value.replace('_', ' ')}  {done}")

        ended, data = await fix(settings, Wish(path, issue, failing_tests, max_seconds), tell)
    proven = ended.ending is Ending.PUBLISHED and ended.proof is not None and ended.proof.strength is Strength.PROVEN
    if as_json:
        print(json.dumps({"ok": proven, **data}))
    else:
        show_run(Console(), ended, data)
    return 0 if proven else 3


async def fix(settings: Settings, wish: Wish, tell: Tell) -> tuple[Run, dict[str, object]]:
    """Fix a local repository; returns the ended Run and its JSON. Raises UserError on input that is of no use."""
    repository = await inspect(wish.path)
    subject = read_subject(wish)
    async with open_services(settings, local=True) as services:
        pipeline = _pipeline(services, repository, tell)
        run, _ = await pipeline.start(
            # No two calls share a "repository", so that none stands in the way of another.
            repository_id=-secrets.randbits(48),
            installation_id=0,
            repository=str(repository.top or repository.git_dir),
            subject=subject,
            asked_by="",
        )
        run = await _to_the_end(pipeline, run, wish)
        _refuse_pointless(run, wish)
        return run, await run_json(services.store, run)


def read_subject(wish: Wish) -> Subject:
    """The Subject that the command line describes; raises UserError for an issue file that cannot be read."""
    if wish.issue is None:
        return Subject(SubjectKind.LOCAL, 0, "", "")
    try:
        raw = wish.issue.read_bytes()[: MOST_ISSUE_BYTES + 1]
        text = raw.decode("utf-8")
    except OSError as error:
        raise UserError(f"The issue file {wish.issue} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UserError(f"The issue file {wish.issue} is not UTF-8 text: save it as UTF-8.") from None
    if len(raw) > MOST_ISSUE_BYTES:
        raise UserError(f"The issue file {wish.issue} is larger than 64 KiB: shorten it.")
    if not text.strip():
        raise UserError(f"The issue file {wish.issue} is empty: describe the problem in it.")
    title, _, body = text.strip().partition("\n")
    return Subject(SubjectKind.LOCAL, 0, title.lstrip("# ").strip()[:200], body.strip())


def _pipeline(services: Services, repository: LocalRepository, tell: Tell) -> Pipeline:
    forge = LocalForge(repository, services.workspace, tell)
    members = toolchains(services.sandbox, services.settings.data_dir)
    return Pipeline(services, lambda run: forge, ladder(services), members)


async def _to_the_end(pipeline: Pipeline, run: Run, wish: Wish) -> Run:
    ends = None if wish.max_seconds is None else time.monotonic() + wish.max_seconds
    timer = asyncio.create_task(_cancel_at(pipeline, run.id, ends, wish.max_seconds))
    try:
        while not ended(run):
            run = await _advance(pipeline, run)
            if wish.failing_tests:
                _need_failing_tests(run)
    finally:
        timer.cancel()
        await asyncio.gather(timer, return_exceptions=True)
        if not ended(run):
            # An interrupted run must not stand in the way of the next one.
            await pipeline.cancel(run.id, "The command was interrupted.")
    return run


async def _advance(pipeline: Pipeline, run: Run) -> Run:
    try:
        moved = await pipeline.advance(run.id)
    except Retry as error:
        await asyncio.sleep(min(error.seconds, 5.0))
        moved = None
    if moved is not None:
        return moved
    stored = await pipeline.services.store.runs.get(run.id)
    if stored is None:
        raise UserError(f"The run {run.id} is gone from the database.")
    await asyncio.sleep(0.2)
    return stored


async def _cancel_at(pipeline: Pipeline, run_id: str, ends: float | None, seconds: float | None) -> None:
    if ends is not None:
        await asyncio.sleep(max(0.0, ends - time.monotonic()))
        await pipeline.cancel(run_id, f"The {seconds:g} seconds of --max-seconds are over.")


def _need_failing_tests(run: Run) -> None:
    if run.plan is not None and not run.plan.baseline.tests.failing:
        end = run.plan.baseline.tests.end.value.replace("_", " ")
        raise UserError(f"No test fails at {run.base[:12]} (the test run: {end}), so there is nothing to repair.")


def _refuse_pointless(run: Run, wish: Wish) -> None:
    described = run.plan is not None and run.plan.target.kind is TargetKind.DESCRIBED
    if run.state is State.FAILED and described and wish.issue is None:
        raise UserError("No test fails and no check complains, so there is nothing to repair: say what with --issue.")
