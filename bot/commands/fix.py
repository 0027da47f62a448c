"""`fettle fix PATH`: the whole pipeline on a local repository, in this process, without GitHub and without a queue."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bot.commands.report import run_json, show_run
from bot.context import Services, open_services
from bot.core.errors import Infrastructure, Retry, UserError
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
NO_SUBJECT = Subject(SubjectKind.LOCAL, 0, "", "")
PROVEN, FAILED, NOTHING_FOUND = 0, 1, 3
Tell = Callable[[Run, Progress], None]


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line; `max_seconds` bounds the whole run."""

    path: Path
    subject: Subject = NO_SUBJECT
    failing_tests: bool = False
    max_seconds: float | None = None


async def run(settings: Settings, wish: Wish, *, as_json: bool) -> int:
    """Exit code 0 for a proven patch, 3 when there is none (with what was tried), 1 when it could not be tried.

    Raises UserError on bad input.
    """
    with Console(stderr=True).status("starting") as status:

        def tell(told: Run, progress: Progress) -> None:
            done = " · ".join(
                f"{line.name} {line.seconds:.1f} s" for line in progress.stages if line.seconds is not None
            )
            status.update(f"{told.state.value.replace('_', ' ')}  {done}")

        result, data = await fix(settings, wish, tell)
    code = exit_code(result)
    if as_json:
        print(json.dumps({"ok": code == PROVEN, **data}))
    else:
        show_run(Console(), result, data)
    return code


async def fix(settings: Settings, wish: Wish, tell: Tell) -> tuple[Run, dict[str, object]]:
    """Fix a local repository; returns the ended Run and its JSON. Raises UserError on input that is of no use."""
    repository = await inspect(wish.path)
    if not os.access(repository.git_dir, os.W_OK):
        raise UserError(
            f"The repository {wish.path} is not yours to write, and a fix is left as a branch in it: work on a clone."
        )
    if repository.dirty:
        print(
            f"fettle: Uncommitted changes are not seen: this works on commit {repository.head[:12]}.", file=sys.stderr
        )
    async with open_services(settings, local=True) as services:
        pipeline = _pipeline(services, repository, tell)
        run, _ = await pipeline.start(
            # No two calls share a "repository", so that none stands in the way of another.
            repository_id=-secrets.randbits(48),
            installation_id=0,
            repository=str(repository.top or repository.git_dir),
            subject=wish.subject,
            asked_by="",
        )
        run = await _to_the_end(pipeline, run, wish)
        return run, await run_json(services.store, run)


def exit_code(run: Run) -> int:
    """0 for a proven patch on a branch; 1 for a run that an error ended; else 3."""
    if run.ending is Ending.ERROR:
        return FAILED
    proven = run.proof is not None and run.proof.strength is Strength.PROVEN
    return PROVEN if run.ending is Ending.PUBLISHED and proven else NOTHING_FOUND


def read_issue(path: Path) -> Subject:
    """The Subject that an issue file describes, its first line the title; raises UserError when it is of no use."""
    try:
        # Not read as a whole: it may be a device that never ends.
        with path.open("rb") as stream:
            raw = stream.read(MOST_ISSUE_BYTES + 1)
        text = raw.decode("utf-8") if len(raw) <= MOST_ISSUE_BYTES else ""
    except OSError as error:
        raise UserError(f"The issue file {path} cannot be read ({error.strerror}): give a text file.") from None
    except UnicodeDecodeError:
        raise UserError(f"The issue file {path} is not UTF-8 text: save it as UTF-8.") from None
    if b"\0" in raw:
        raise UserError(f"The issue file {path} is not text, it holds NUL bytes: give a text file.")
    if len(raw) > MOST_ISSUE_BYTES:
        raise UserError(f"The issue file {path} is larger than 64 KiB: shorten it.")
    if not text.strip():
        raise UserError(f"The issue file {path} is empty: describe the problem in it.")
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
            _refuse_pointless(run, wish)
    finally:
        timer.cancel()
        await asyncio.gather(timer, return_exceptions=True)
        if not ended(run):
            # An interrupted run must not look as if it went on for ever.
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
        raise Infrastructure(f"The run {run.id} is gone from the database: somebody removed it; run the command again.")
    await asyncio.sleep(0.2)
    return stored


async def _cancel_at(pipeline: Pipeline, run_id: str, ends: float | None, seconds: float | None) -> None:
    if ends is not None:
        await asyncio.sleep(max(0.0, ends - time.monotonic()))
        await pipeline.cancel(run_id, f"The time is over (--max-seconds {seconds:g}).")


def _refuse_pointless(run: Run, wish: Wish) -> None:
    """Say at once that nothing asks for a repair: no model is paid to look for what nobody described."""
    if run.plan is None or run.ending is not None:
        return
    tests = run.plan.baseline.tests
    state = f"No test fails at {run.base[:12]} (the test run: {tests.end.value.replace('_', ' ')})"
    if wish.failing_tests and not tests.failing:
        raise UserError(f"{state}, so there is nothing to repair: commit a failing test, or leave out --failing-tests.")
    if run.plan.target.kind is TargetKind.DESCRIBED and not wish.subject.title:
        raise UserError(f"{state} and no check complains, so there is nothing to repair: say what with --issue.")
