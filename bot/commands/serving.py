"""Serve and work: the long-running commands, alone (`serve`, `work`) or together (`up`, the demo)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

import bot
from bot.app import Dependencies, create_app
from bot.context import Clock, Services, open_front, open_services
from bot.core.errors import UserError
from bot.core.settings import Settings, require_github
from bot.dashboard import router
from bot.store import Store


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
    require_github(settings)
    async with open_front(settings) as front:
        await _until_signal(build_app(front.settings, front.clock, front.store, front.queue), host, port)


async def work(settings: Settings, concurrency: int) -> None:
    """`fettle work`: an arq worker, until a signal."""
    require_github(settings)
    async with open_services(settings) as services, working(services, concurrency, handle_signals=True) as done:
        await done


async def up(settings: Settings, host: str, port: int, concurrency: int) -> None:
    """`fettle up`: both in one process, until a signal ends the server."""
    require_github(settings)
    async with open_services(settings) as services, working(services, concurrency):
        await _until_signal(build_app(settings, services.clock, services.store, services.queue), host, port)


@asynccontextmanager
async def working(
    services: Services, concurrency: int = 2, *, handle_signals: bool = False
) -> AsyncIterator[asyncio.Task[None]]:
    """A worker as a task while the block runs; on leaving it drains and ends."""
    from bot.worker import worker

    await check_sandbox(services)
    arq_worker = worker(services, redis_url=services.redis_url, concurrency=concurrency, handle_signals=handle_signals)
    task = asyncio.create_task(arq_worker.async_run())
    try:
        yield task
    finally:
        await arq_worker.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def check_sandbox(services: Services) -> None:
    """Refuse to start when this machine cannot hold the sandbox; raises UserError with what to do."""
    report = await services.sandbox.doctor()
    bad = [probe for probe in report.probes if not probe.ok]
    if bad:
        raise UserError(
            "The sandbox does not hold here, so nothing will be run: "
            + "; ".join(f"{probe.name}: {probe.detail} {probe.advice}".strip() for probe in bad)
        )


@asynccontextmanager
async def listen(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The application on a port (0: a free one) while the block runs; yields its address. For demo and tests."""
    from bot.embedded import running

    server = await running.start(app, *running.listen(host, port))
    try:
        yield server.url
    finally:
        await server.aclose()


async def _until_signal(app: FastAPI, host: str, port: int) -> None:
    server = uvicorn.Server(
        uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, server_header=False)
    )
    try:
        await server.serve()
    except SystemExit:
        # uvicorn logs why it cannot listen and exits; the sentence is ours to say.
        raise UserError(f"Port {port} on {host} cannot be bound: it is taken, or not yours; choose another.") from None
