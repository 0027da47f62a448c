"""The routes of the run pages. `router(store)` is included by bot.app; all is server-rendered and read-only."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sse_starlette.sse import EventSourceResponse

from bot.core.run import JournalEntry, Run
from bot.core.settings import GITHUB_SERVER
from bot.dashboard.events import POLL_SECONDS, tail
from bot.dashboard.lines import money
from bot.dashboard.local import LocalRoute
from bot.dashboard.reading import ReadStore, entries_of
from bot.dashboard.view import RunView, age_text, links_of, state_text, tone_of, view_of
from bot.dashboard.visible import visible

NEWEST = 200
_FRESH = MappingProxyType({"Cache-Control": "no-store"})
_ID = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_HERE = Path(__file__).parent
_STATIC = MappingProxyType({"fettle.css": "text/css", "fettle.js": "text/javascript", "fettle.svg": "image/svg+xml"})


def router(
    store: ReadStore,
    *,
    server_url: str = GITHUB_SERVER,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    poll_seconds: float = POLL_SECONDS,
) -> APIRouter:
    """The pages over `store`, with links to `server_url`; only a browser on this machine may see them."""
    pages = _Pages(store, server_url, clock, poll_seconds)
    routes = APIRouter(route_class=LocalRoute, include_in_schema=False)
    routes.add_api_route("/", _to_runs)
    routes.add_api_route("/runs", pages.runs)
    routes.add_api_route("/runs/{run_id}.json", pages.run_json)
    routes.add_api_route("/runs/{run_id}/events", pages.events)
    routes.add_api_route("/runs/{run_id}", pages.run)
    routes.add_api_route("/static/{name}", pages.static)
    return routes


async def _to_runs() -> Response:
    return RedirectResponse("/runs")


class _Pages:
    """The handlers, with what they share."""

    def __init__(self, store: ReadStore, server_url: str, clock: Callable[[], datetime], poll_seconds: float) -> None:
        self._store = store
        self._server_url = server_url
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._static = {name: (_HERE / "static" / name).read_bytes() for name in _STATIC}
        self._templates = environment(_version(self._static))

    async def runs(self) -> Response:
        now = self._clock()
        rows = [
            {
                "run": run,
                "state": state_text(run.state),
                "tone": tone_of(run.state),
                "links": links_of(run, self._server_url),
                "cost": money(run.cost_usd),
                "age": age_text((now - run.created_at).total_seconds()),
            }
            for run in await self._store.runs.list(limit=NEWEST)
        ]
        return self._page("runs.html", {"rows": rows, "most": NEWEST})

    async def run(self, run_id: str) -> Response:
        found = await self._read(run_id)
        if found is None:
            return self._missing()
        return self._page("run.html", {"view": self._view(*found), "run": found[0]})

    async def run_json(self, run_id: str) -> Response:
        found = await self._read(run_id)
        if found is None:
            return Response('{"error": "There is no such run."}', 404, media_type="application/json")
        journal = [asdict(entry) for entry in found[1]]
        body = json.dumps(as_json(self._view(*found)) | {"journal": journal}, default=_plain)
        return Response(body, headers=_FRESH, media_type="application/json")

    async def events(self, request: Request, run_id: str, after: str = "0") -> Response:
        if await self._run(run_id) is None:
            return self._missing()
        start = _sequence(request.headers.get("last-event-id") or after)
        return EventSourceResponse(tail(self._store, run_id, start, self._poll_seconds))

    async def static(self, name: str) -> Response:
        if name not in self._static:
            return self._missing()
        caching = {"Cache-Control": "public, max-age=86400"}
        return Response(self._static[name], media_type=_STATIC[name], headers=caching)

    async def _run(self, run_id: str) -> Run | None:
        # What cannot be an id never reaches the database, which would choke on some of it (NUL in PostgreSQL).
        return await self._store.runs.get(run_id) if _ID.fullmatch(run_id) else None

    async def _read(self, run_id: str) -> tuple[Run, list[JournalEntry]] | None:
        run = await self._run(run_id)
        return None if run is None else (run, await entries_of(self._store, run_id))

    def _view(self, run: Run, entries: list[JournalEntry]) -> RunView:
        return view_of(run, entries, server_url=self._server_url, now=self._clock())

    def _missing(self) -> Response:
        return self._page("missing.html", {}, 404)

    def _page(self, template: str, values: Mapping[str, Any], status: int = 200) -> Response:
        text = self._templates.get_template(template).render(values)
        return Response(text.encode("utf-8", "replace"), status, _FRESH, media_type="text/html; charset=utf-8")


def environment(version: str) -> Environment:
    """The templates: every value is made visible, then escaped; a misspelt name is an error, not an empty string."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["version"] = version
    return made


def as_json(view: RunView) -> dict[str, object]:
    """The page as JSON-ready data, without its journal; what only workers need (leases, file contents) is left out."""
    run = view.run
    return {
        "id": run.id,
        "repository": run.repository,
        "subject": asdict(run.subject),
        "state": run.state,
        "ending": run.ending,
        "reason": run.reason,
        "asked_by": run.asked_by,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "base": run.base,
        "branch": run.branch,
        "head": run.head,
        "fixer": run.fixer,
        "pull_request": run.pull_request,
        "links": asdict(view.links),
        "cost_usd": run.cost_usd,
        "paths": run.patch.paths if run.patch else (),
        "summary": view.summary,
        "proof": run.proof.to_json() if run.proof else None,
        "tried": view.tried,
        "stages": [asdict(stage) for stage in view.stages],
    }


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _sequence(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _version(files: Mapping[str, bytes]) -> str:
    return hashlib.sha256(b"".join(files.values())).hexdigest()[:12]
