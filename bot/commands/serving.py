"""Serve and work: the long-running commands, alone (`serve`, `work`) or together (`up`, the demo).

A signal ends each of them with exit code 0: the port is closed first, then the worker lets its jobs end.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

import bot
from bot.app import Dependencies, create_app
from bot.commands.listening import WEBHOOK_PATH, Bound, bound, listen, serving, until, wait_for_signal
from bot.context import Clock, Services, open_front, open_services
from bot.core.errors import Infrastructure
from bot.core.settings import Settings, require_github
from bot.dashboard import router
from bot.services.queue import QueueError
from bot.store import Store

__all__ = ["build_app", "listen", "serve", "up", "work", "working"]

_log = structlog.stdlib.get_logger("fettle")


def build_app(settings: Settings, clock: Clock, store: Store, queue: object) -> FastAPI:
    """The web application over open services: intake, operations and pages."""
    return create_app(
        Dependencies(
            store=store,
            queue=queue,  # type: ignore[arg-type]  # Queue has every method of the app's Transport
            secrets=settings.webhook_secrets,
            version=bot.__version__,
            clock=clock,
            routers=(router(store, server_url=settings.github_server_url, clock=clock),),
        )
    )


async def serve(settings: Settings, host: str, port: int) -> None:
    """`fettle serve`: webhooks and pages, until a signal. Raises SettingsError, or UserError when the port is taken."""
    require_github(settings, app=False)
    with bound(host, port) as where:
        async with open_front(settings) as front:
            app = build_app(front.settings, front.clock, front.store, front.queue)
            async with serving(app, where) as server:
                _ready(where)
                await until(wait_for_signal(), server)


async def work(settings: Settings, concurrency: int) -> None:
    """`fettle work`: an arq worker, until a signal; then running jobs may end. Raises SettingsError, Infrastructure."""
    require_github(settings, webhooks=False)
    async with open_services(settings) as services, working(services, concurrency) as worker:
        _log.info("work.ready", owner=services.owner, concurrency=concurrency)
        await until(wait_for_signal(), worker)
        _log.info("work.draining")


async def up(settings: Settings, host: str, port: int, concurrency: int) -> None:
    """`fettle up`: both in one process, until a signal."""
    require_github(settings)
    with bound(host, port) as where:
        async with open_services(settings) as services, working(services, concurrency) as worker:
            app = build_app(settings, services.clock, services.store, services.queue)
            async with serving(app, where) as server:
                _ready(where)
                await until(wait_for_signal(), server, worker)


@asynccontextmanager
async def working(services: Services, concurrency: int = 2) -> AsyncIterator[asyncio.Task[None]]:
    """A worker as a task while the block runs; when the block ends well, its jobs may end before it does.

    Raises Infrastructure when this machine cannot hold the sandbox, and from the task when the queue stays away.
    """
    from bot.worker import worker

    await check_sandbox(services)
    arq_worker = worker(services, redis_url=services.redis_url, concurrency=concurrency, handle_signals=False)

    async def run() -> None:
        try:
            await arq_worker.async_run()
        except QueueError as error:
            raise Infrastructure(
                f"The queue was lost ({type(error).__name__}): check REDIS_URL and Valkey, then start again."
            ) from error

    task = asyncio.create_task(run())
    try:
        yield task
        if not task.done():
            # arq ends its main task when no job is left, or when its patience for them is over.
            arq_worker.handle_sig_wait_for_completion(signal.SIGTERM)
            await asyncio.wait([task])
    finally:
        with contextlib.suppress(*QueueError):
            await arq_worker.close()
            if services.queue is not None:
                await services.queue.leave(services.owner)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def check_sandbox(services: Services) -> None:
    """Refuse to start when this machine cannot hold the sandbox; raises Infrastructure with what to do."""
    report = await services.sandbox.doctor()
    bad = [probe for probe in report.probes if not probe.ok]
    if bad:
        raise Infrastructure(
            "The sandbox does not hold here, so nothing will be run: "
            + "; ".join(f"{probe.name}: {probe.detail} {probe.advice}".strip() for probe in bad)
        )


def _ready(where: Bound) -> None:
    _log.info("serve.ready", webhooks=where.url + WEBHOOK_PATH, pages=f"{where.url}/runs")
