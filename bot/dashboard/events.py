"""The live stream of one Run: its journal's tail as server-sent events. Called by pages.py, once a listener.

The store is polled: that works across processes and on every database, and losing Redis loses nothing of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict

from sse_starlette.event import ServerSentEvent

from bot.core.run import JournalEntry, Run
from bot.dashboard.lines import line_of
from bot.dashboard.reading import ReadStore, entries_of, settled
from bot.dashboard.view import cost_text, stages_of, state_text, tone_of

POLL_SECONDS = 0.5
LONGEST_SECONDS = 3600.0


async def tail(
    store: ReadStore, run_id: str, after: int, poll_seconds: float = POLL_SECONDS
) -> AsyncIterator[ServerSentEvent]:
    """Yield `line` events (id: the entry's seq) after `after`, `run` events when the header changed, then `end`.

    The last line of a Run is written just after its state: a settled Run is therefore looked at once more. After an
    hour the stream closes without `end`; the browser comes back with its Last-Event-ID.
    """
    seen = await entries_of(store, run_id)
    seen = [entry for entry in seen if entry.seq <= after]
    header, quiet_and_settled = "", False
    deadline = asyncio.get_running_loop().time() + LONGEST_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        run = await store.runs.get(run_id)
        if run is None:
            return
        fresh = await entries_of(store, run_id, after)
        for entry in fresh:
            yield _event("line", line_of(entry).to_json(), entry.seq)
        seen += fresh
        after = fresh[-1].seq if fresh else after
        if (now := _header(run, seen)) != header:
            header = now
            yield ServerSentEvent(data=header, event="run")
        if settled(run) and not fresh and quiet_and_settled:
            yield _event("end", {"state": run.state.value})
            return
        quiet_and_settled = settled(run)
        await asyncio.sleep(poll_seconds)


def _header(run: Run, entries: Sequence[JournalEntry]) -> str:
    return json.dumps(
        {
            "state": state_text(run.state),
            "tone": tone_of(run.state).value,
            "cost": cost_text(run, entries),
            "fixer": run.fixer.value if run.fixer else "",
            "stages": [asdict(stage) for stage in stages_of(run, entries)],
        }
    )


def _event(name: str, data: dict[str, object], seq: int | None = None) -> ServerSentEvent:
    return ServerSentEvent(data=json.dumps(data), event=name, id=None if seq is None else str(seq))
