"""`fettle runs`: the newest runs of the configured database."""

from __future__ import annotations

from typing import Any

from bot.context import prepare_data_dir, utc_now
from bot.core.settings import Settings
from bot.store import Store


async def listing(settings: Settings, limit: int) -> list[dict[str, Any]]:
    """One dict a run, newest first: id, repository, issue, state, ending, pull request, US dollars, creation time."""
    prepare_data_dir(settings.data_dir)
    store = await Store.open(settings.database, clock=utc_now)
    try:
        return [
            {
                "run": run.id,
                "created_at": run.created_at.isoformat(timespec="seconds"),
                "repository": run.repository,
                "issue": run.subject.number or None,
                "state": run.state.value,
                "ending": run.ending.value if run.ending else None,
                "pull_request": run.pull_request,
                "cost_usd": run.cost_usd,
            }
            for run in await store.runs.list(limit=limit)
        ]
    finally:
        await store.close()
