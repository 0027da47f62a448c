"""`fettle runs`: the newest runs of the configured database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.context import prepare_data_dir, utc_now
from bot.core.run import Run
from bot.core.settings import Settings
from bot.store import Store


async def listing(settings: Settings, limit: int) -> list[dict[str, Any]]:
    """One dict a run, newest first: id, repository, issue, state, ending, pull request, US dollars, creation time.

    Raises UserError or Infrastructure when the database cannot be opened.
    """
    prepare_data_dir(settings.data_dir)
    store = await Store.open(settings.database, clock=utc_now)
    try:
        return [_row(run) for run in await store.runs.list(limit=limit)]
    finally:
        await store.close()


def as_text(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as columns under a heading, `-` for what a run does not have."""
    if not rows:
        return "No runs yet: put the label on an issue."
    table = [[name.replace("_", " ") for name in rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table)
    return "\n".join(line.rstrip() for line in lines)


def _row(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "created_at": run.created_at.isoformat(timespec="seconds"),
        "repository": run.repository,
        "issue": run.subject.number or None,
        "state": run.state.value,
        "ending": run.ending.value if run.ending else None,
        "pull_request": run.pull_request,
        "cost_usd": run.cost_usd,
    }


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
