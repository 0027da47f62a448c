"""Ports and signals of the long-running commands: bind first, so that a taken port is one sentence; then serve.

uvicorn's own signal handling would kill the process after its shutdown, and the worker beside it would never drain.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from bot.core.errors import UserError
from bot.embedded import running

WEBHOOK_PATH, DEFAULT_PORT = "/webhooks/github", 8000
# Live pages hold their connection open for ever; a shutdown does not wait for them longer than this.
_GRACE_SECONDS = 2
_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Bound:
    """A socket that is ours, and the base URL under which it will answer."""

    socket: socket.socket
    url: str


@contextmanager
def bound(host: str, port: int) -> Iterator[Bound]:
    """Hold `port` (0: a free one) of `host` while the block runs; raises UserError when it is not to be had."""
    try:
        sock, url = running.listen(host, port)
        # Linux lets two processes bind a port as long as neither listens.
        sock.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"Port {port} on {host} cannot be bound ({why}): choose another.") from None
    with sock:
        yield Bound(sock, url)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers; `listens` is set once it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@asynccontextmanager
async def serving(app: FastAPI, where: Bound) -> AsyncIterator[asyncio.Task[None]]:
    """Serve `app` while the block runs, its lifespan included; yields the server's task, which ends only on failure."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[where.socket]))
    try:
        await until(server.listens.wait(), task)
        yield task
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def listen(app: FastAPI, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """The application on a port (0: a free one) while the block runs; yields its address. For demo and tests."""
    with bound(host, port) as where:
        async with serving(app, where):
            yield where.url


async def wait_for_signal() -> None:
    """Return when somebody interrupts or terminates this process; a second signal then does what it always does."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    names = (signal.SIGINT, signal.SIGTERM)
    for name in names:
        loop.add_signal_handler(name, stop.set)
    try:
        await stop.wait()
    finally:
        for name in names:
            loop.remove_signal_handler(name)


async def until(body: Coroutine[Any, Any, Any], *tasks: asyncio.Task[Any]) -> None:
    """Return when `body` has ended or the first of `tasks` has; raises what that one raised. `tasks` go on."""
    main = asyncio.ensure_future(body)
    try:
        await asyncio.wait({main, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in (*tasks, main):
            if task.done() and not task.cancelled():
                task.result()
    finally:
        main.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await main
