"""`fettle demo`: the main job end to end on embedded defaults, watched live.

A GitHub-compatible server, the web application and a worker run in this process; git, database, queue, sandbox and HTTP
are the real ones. Nothing here knows an answer: people label issues, and what comes back is shown.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bot.commands.embedded_github import register_app, write_key
from bot.commands.listening import WEBHOOK_PATH, listen, wait_for_signal
from bot.commands.report import run_json, show_run
from bot.commands.serving import build_app, working
from bot.context import Services, open_services
from bot.core.proof import Strength
from bot.core.run import Ending, Run
from bot.core.settings import Settings, load
from bot.embedded.github import GitHub
from bot.embedded.seed import load_seed, plant
from bot.run.pipeline import ended
from bot.run.progress import stage_lines

SEED = Path(__file__).with_name("demo.yml")
BEYOND = 1  # of the seed's issues, this many are beyond what the rungs without a model can do
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What the demo runs on: the embedded GitHub, open services and the page server's address."""

    github: GitHub
    services: Services
    pages: str


async def demo(settings: Settings, *, as_json: bool, keep: bool) -> int:
    """Run the demo; returns 0, or 1 when any run did not end as it should."""
    console = Console(stderr=as_json)
    started = time.monotonic()
    async with open_stage(settings, SEED) as stage:
        issues = label_everything(stage.github, settings.trigger_label)
        runs = await _watch(console, stage, issues)
        report = [await run_json(stage.services.store, run) for run in runs]
        ok = len(runs) == issues and all_well(runs, with_model=settings.model is not None)
        seconds = round(time.monotonic() - started, 2)
        if as_json:
            print(json.dumps({"ok": ok, "runs": report, "seconds": seconds}))
        else:
            _show(console, stage, runs, report, seconds)
        if keep:
            console.print("Serving until Ctrl-C.")
            await wait_for_signal()
    return 0 if ok else 1


def all_well(runs: list[Run], *, with_model: bool) -> bool:
    """Every run opened a proven pull request; without a model, the ones that need one may say so instead."""
    needing = [run for run in runs if run.ending is Ending.NEEDS_MODEL]
    opened = [
        run
        for run in runs
        if run.pull_request is not None and run.proof is not None and run.proof.strength is Strength.PROVEN
    ]
    return len(opened) + len(needing) == len(runs) and len(needing) <= (0 if with_model else BEYOND)


def label_everything(github: GitHub, label: str) -> int:
    """Somebody with write permission puts the trigger label on every issue; returns how many there are."""
    count = 0
    for repository in github.repos():
        for issue in repository.issues():
            repository.add_label(issue.number, label, by=issue.user.login)
            count += 1
    return count


def reachable_folder(prefix: str) -> Path:
    """A new temporary folder that the sandbox's uid can reach, where base trees and environments may lie."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    return folder


@asynccontextmanager
async def open_stage(settings: Settings, seed: Path) -> AsyncIterator[Stage]:
    """Everything embedded, with the seed's repositories planted and Fettle installed on their owners."""
    folder = reachable_folder("fettle-demo-")
    github = GitHub(folder / "github")
    try:
        server = await github.serve()
        app = register_app(github, None)
        await plant(github, load_seed(seed), seed.parent)
        mine = load(
            {},
            FETTLE_DATA_DIR=folder / "data",
            GITHUB_APP_ID=app.id,
            GITHUB_APP_PRIVATE_KEY_PATH=write_key(folder, app),
            GITHUB_WEBHOOK_SECRET=app.webhook_secret,
            GITHUB_API_URL=github.api_url,
            GITHUB_SERVER_URL=server.url,
            FETTLE_MODEL=settings.model,
            FETTLE_BUDGET_USD=settings.budget_usd,
            FETTLE_TRIGGER_LABEL=settings.trigger_label,
        )
        async with open_services(mine) as services, working(services):
            front = build_app(mine, services.clock, services.store, services.queue)
            async with listen(front) as url:
                app.webhook_url = url + WEBHOOK_PATH
                for owner in sorted({repository.full_name.partition("/")[0] for repository in github.repos()}):
                    github.install(app, owner)
                yield Stage(github, services, url)
    finally:
        await github.aclose()
        shutil.rmtree(folder, ignore_errors=True)


async def _watch(console: Console, stage: Stage, issues: int) -> list[Run]:
    """Show the runs as they go until all have ended; returns them by issue number."""
    ends = time.monotonic() + PATIENCE
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        while True:
            runs = sorted(await stage.services.store.runs.list(limit=issues), key=lambda run: run.subject.number)
            live.update(await _table(stage, runs))
            if (len(runs) == issues and all(map(ended, runs))) or time.monotonic() > ends:
                return runs
            await asyncio.sleep(0.15)


async def _table(stage: Stage, runs: list[Run]) -> Table:
    table = Table(title="Fettle at work", title_justify="left")
    for column in ("issue", "state", "stages"):
        table.add_column(column)
    for run in runs:
        entries = await stage.services.store.journal.read(run.id)
        stages = "  ".join(
            f"{line.name} …" if line.seconds is None else f"{line.name} {line.seconds:.1f} s"
            for line in stage_lines(entries)
        )
        table.add_row(f"#{run.subject.number} {run.subject.title}", run.state.value.replace("_", " "), stages)
    return table


def _show(console: Console, stage: Stage, runs: list[Run], report: list[dict[str, Any]], seconds: float) -> None:
    for run, data in zip(runs, report, strict=True):
        show_run(console, run, data)
    opened = [run for run in runs if run.pull_request is not None]
    console.print(f"{len(opened)} pull requests from {len(runs)} issues in {seconds:.1f} s.", highlight=False)
    for run in runs:
        console.print(f"  run          {stage.pages}/runs/{run.id}", highlight=False)
    for run in opened:
        url = f"{stage.github.server_url}/{run.repository}/pull/{run.pull_request}"
        console.print(f"  pull request {url}", highlight=False)
    console.print("The addresses answer while the demo serves: `make demo KEEP=1`.", highlight=False)
