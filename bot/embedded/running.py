"""A uvicorn server in the running event loop; what `GitHub.serve` returns."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp


class _Quiet(uvicorn.Server):
    """uvicorn without its signal handlers: the process belongs to somebody else."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Running:
    """A server that listens; `url` has no slash at the end."""

    def __init__(self, server: uvicorn.Server, task: asyncio.Task[None], url: str) -> None:
        self.url = url
        self._server = server
        self._task = task

    async def aclose(self) -> None:
        """Stop listening and end open connections."""
        self._server.should_exit = True
        self._server.force_exit = True
        await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self) -> None:
        """Return when the server has ended."""
        await asyncio.wait([self._task])


def listen(host: str, port: int) -> tuple[socket.socket, str]:
    """A bound socket (port 0: any free one) and its base URL. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets that name the protocol; with it every answer takes 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    shown = "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host  # noqa: S104  # compared, not bound
    return sock, f"http://{shown}:{sock.getsockname()[1]}"


async def start(app: ASGIApp, sock: socket.socket, url: str) -> Running:
    """Serve `app` on the socket; returns when it accepts connections."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1, server_header=False
    )
    server = _Quiet(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started and not task.done():  # noqa: ASYNC110  # uvicorn offers no event to wait for
        await asyncio.sleep(0.005)
    if task.done():
        task.result()
    return Running(server, task, url)
