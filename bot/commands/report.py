"""A Run as the command line shows it: one JSON shape for `demo` and `fix`, and rich tables and diffs for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from bot.core import messages
from bot.core.proof import Proof
from bot.core.run import Run
from bot.core.untrusted import Form, sanitise
from bot.run.progress import diff_of, stage_lines, tried_lines
from bot.store import Store
from bot.store.journal import Journal


async def run_json(store: Store, run: Run) -> dict[str, Any]:
    """`{"issue", "pull_request", "branch", "fixer", "proof", "diff", "stages", "cost_usd", ...}`; seconds, dollars."""
    entries = await _entries(store.journal, run.id)
    return {
        "run": run.id,
        "issue": run.subject.number or None,
        "title": run.subject.title,
        "state": run.state.value,
        "ending": run.ending.value if run.ending else None,
        "reason": run.reason,
        "pull_request": run.pull_request,
        "branch": run.branch or None,
        "fixer": run.fixer.value if run.fixer else None,
        "proof": run.proof.to_json() if run.proof else None,
        "diff": diff_of(entries) if run.patch else "",
        "tried": list(tried_lines(entries)),
        "stages": {line.name: line.seconds for line in stage_lines(entries)},
        "cost_usd": run.cost_usd,
    }


async def _entries(journal: Journal, run_id: str) -> list[Any]:
    found: list[Any] = []
    while page := await journal.read(run_id, after=found[-1].seq if found else 0):
        found += page
    return found


def show_run(console: Console, run: Run, data: dict[str, Any]) -> None:
    """The result of one run for people: what became of it, its diff, its proof, what was tried."""
    console.print(Panel(Text(_shown(_headline(run))), title=f"run {run.id}", title_align="left"))
    if data["diff"]:
        _show_diff(console, data["diff"])
    if run.proof:
        console.print(_proof(run.proof))
    if data["tried"]:
        console.print("tried:")
        for line in data["tried"]:
            console.print(Text(f"  - {_shown(line)}"), soft_wrap=True)
    stages = ", ".join(f"{name} {seconds or 0:.1f} s" for name, seconds in data["stages"].items())
    console.print(f"stages: {stages}; model cost ${run.cost_usd:.4f}\n", highlight=False, soft_wrap=True)


def _show_diff(console: Console, diff: str) -> None:
    if not console.is_terminal:
        # As it is, so that `git apply` takes it: rich would wrap lines and expand tabs.
        console.file.write(diff if diff.endswith("\n") else f"{diff}\n")
        return
    colours = Syntax("", "diff", background_color="default")
    console.print(colours.highlight(_shown(diff)), soft_wrap=True)


def _shown(text: str) -> str:
    # What a repository says may hold escape sequences, which a terminal would obey.
    return sanitise(text, Form.CODE, limit=max(len(text) * 10, 1000))


def _headline(run: Run) -> str:
    if run.pull_request is not None:
        what = f"pull request #{run.pull_request} on branch {run.branch}"
    elif run.branch:
        what = f"branch {run.branch}"
    else:
        what = f"{run.ending.value.replace('_', ' ') if run.ending else run.state.value}: {run.reason}"
    by = f" (by {run.fixer.value})" if run.fixer else ""
    subject = f"#{run.subject.number} " if run.subject.number else ""
    title = run.subject.title or "Fix what fails"
    return "\n".join(line for line in (f"{subject}{title}", f"{what}{by}", messages.what_to_do(run)) if line)


def _proof(proof: Proof) -> Table:
    table = Table(title=f"proof: {proof.strength.value}", title_justify="left", show_header=True)
    table.add_column("claim")
    table.add_column("held")
    table.add_column("evidence", overflow="fold")
    for claim in proof.claims:
        table.add_row(claim.name.value, "yes" if claim.held else "no", Text(_shown(claim.detail)))
    return table
