"""The front: GitHub's webhooks, `/healthz` and `/metrics` in one FastAPI application, and room for pages.

Served by bot.cli, which opens the store and the queue before and closes them after.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from fastapi import APIRouter, FastAPI, Response
from pydantic import SecretStr
from starlette.routing import Route

from bot.core.telemetry import Metrics, Snapshot, StageSeconds, exposition
from bot.intake import Enqueues, Intake
from bot.store import Store

PATHS = ("/webhooks/github", "/api/github/webhooks")

WORKER_SILENT = timedelta(seconds=60)
_CHECK_SECONDS = 2.0

_log = structlog.stdlib.get_logger("fettle.app")


class Transport(Enqueues, Protocol):
    """What the front needs of bot.services.queue.Queue."""

    async def depth(self) -> int:
        """How many jobs wait or run."""

    async def oldest_age(self) -> float:
        """Seconds since the oldest job was due."""

    async def ping(self) -> None:
        """Raise unless the queue answers."""

    async def worker_alive(self) -> datetime | None:
        """When a worker last said that it is alive."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What the front is made of. `routers` are further pages (bot.dashboard), all opened and closed by the caller."""

    store: Store
    queue: Transport
    secrets: Sequence[SecretStr]
    version: str
    clock: Callable[[], datetime]
    metrics: Metrics = field(default_factory=Metrics)
    routers: Sequence[APIRouter] = ()


def create_app(dependencies: Dependencies) -> FastAPI:
    """The application; start it with lifespan on, so that the garbage collector is set for a steady p99."""
    app = FastAPI(
        title="Fettle", version=dependencies.version, lifespan=_steady, docs_url=None, redoc_url=None, openapi_url=None
    )
    intake = Intake(
        dependencies.store, dependencies.queue, dependencies.secrets, dependencies.clock, dependencies.metrics
    )
    app.router.routes.extend(Route(path, intake, methods=["POST"], name="webhook") for path in PATHS)
    app.include_router(_operations(dependencies))
    for router in dependencies.routers:
        app.include_router(router)
    return app


@asynccontextmanager
async def _steady(_app: FastAPI) -> AsyncIterator[None]:
    # Collections of the start-up objects are what the p99 is made of: they are moved out of the collector's sight.
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    # The thread that commits waits for the interpreter lock at most this long while requests are parsed.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*before)
        gc.unfreeze()


def _operations(dependencies: Dependencies) -> APIRouter:
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> Response:
        report = await health(dependencies)
        return Response(json.dumps(report), 200 if report["status"] == "ok" else 503, media_type="application/json")

    @router.get("/metrics")
    async def metrics() -> Response:
        text = exposition(dependencies.metrics, await snapshot(dependencies))
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def health(dependencies: Dependencies) -> dict[str, Any]:
    """`{"status": "ok"|"failing", "version", "checks": {name: {"ok", "detail"}}}` of database, queue and worker."""
    checks = {
        "database": _checked(dependencies.store.ping()),
        "queue": _checked(dependencies.queue.ping()),
        "worker": _checked(_worker(dependencies)),
    }
    results = dict(zip(checks, await asyncio.gather(*checks.values()), strict=True))
    status = "ok" if all(result["ok"] for result in results.values()) else "failing"
    return {"status": status, "version": dependencies.version, "checks": results}


async def _checked(check: Any) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            detail = await check
    except Exception as error:  # whatever is wrong is the answer
        return {"ok": False, "detail": str(error) if isinstance(error, _Silent) else type(error).__name__}
    return {"ok": True, "detail": detail or "ok"}


class _Silent(Exception):
    """No worker has been heard of lately."""


async def _worker(dependencies: Dependencies) -> str:
    alive = await dependencies.queue.worker_alive()
    if alive is None:
        raise _Silent("No worker has been heard of: start `fettle work`.")
    age = dependencies.clock() - alive
    if age > WORKER_SILENT:
        raise _Silent(f"No worker has been heard of for {age.total_seconds():.0f} s: look at `fettle work`.")
    return f"last heard of {max(0.0, age.total_seconds()):.0f} s ago"


async def snapshot(dependencies: Dependencies) -> Snapshot:
    """The figures that all processes share; what cannot be read in time is None."""
    store, queue = dependencies.store, dependencies.queue
    runs, inbox, stages = await asyncio.gather(
        _readable(store.runs.counts()), _readable(store.inbox.counts()), _readable(store.measures.stages())
    )
    return Snapshot(
        runs=None if runs is None else {state.value: count for state, count in runs.items()},
        inbox=None if inbox is None else {"waiting": inbox.waiting, "done": inbox.done, "dead": inbox.dead},
        inbox_seconds=await _readable(store.inbox.oldest_undone_age()),
        queue_depth=await _readable(queue.depth()),
        queue_seconds=await _readable(queue.oldest_age()),
        model_usd=await _readable(store.journal.cost()),
        stages=[StageSeconds(stage.stage, stage.buckets, stage.total) for stage in stages or ()],
    )


async def _readable(figure: Any) -> Any:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await figure
    except Exception as error:  # a scrape shows what there is
        _log.warning("metrics.unreadable", error=type(error).__name__)
        return None
