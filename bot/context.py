"""Opens and closes what a process needs; the only place that picks implementations. Called by bot.cli and worker."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.core import routing
from bot.core.errors import UserError
from bot.core.settings import Settings
from bot.sandbox.protocol import Sandbox
from bot.store import Store

if TYPE_CHECKING:
    # githubkit and the sandbox are not imported by `fettle serve`, which must be ready at once.
    from bot.services.git import Workspace
    from bot.services.github import GitHubApp
    from bot.services.llm import Models
    from bot.services.queue import Queue

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment, aware UTC: the clock of every process but the tests."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """What a worker (or `fettle fix`) works with. `owner` names this process in leases; a local run has no GitHub."""

    settings: Settings
    clock: Clock
    owner: str
    store: Store
    workspace: Workspace
    sandbox: Sandbox
    queue: Queue | None = None
    github: GitHubApp | None = None
    models: tuple[Models, ...] = ()
    redis_url: str = ""


@dataclass(frozen=True, slots=True)
class Front:
    """What `fettle serve` works with: it holds no private key and runs nothing."""

    settings: Settings
    clock: Clock
    store: Store
    queue: Queue


def owner_name() -> str:
    """A name for this process in leases: host, process id and a random part, since process ids come back."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


def prepare_data_dir(path: Path) -> Path:
    """Create the data folder, searchable by the sandbox's uid; raises UserError when it cannot be written."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            path.chmod(0o755)
        probe = path / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(f"The data folder {path} cannot be written ({error.strerror}): set FETTLE_DATA_DIR.") from None
    return path


@asynccontextmanager
async def open_front(settings: Settings, *, clock: Clock = utc_now) -> AsyncIterator[Front]:
    """Open database and queue for `fettle serve`."""
    async with AsyncExitStack() as stack:
        prepare_data_dir(settings.data_dir)
        store = await _store(stack, settings.database, clock)
        queue, _ = await _queue(stack, settings)
        yield Front(settings, clock, store, queue)


@asynccontextmanager
async def open_services(
    settings: Settings, *, clock: Clock = utc_now, local: bool = False, owner: str = "", github_timeout: float = 30.0
) -> AsyncIterator[Services]:
    """Open everything a worker needs; `local` leaves GitHub and the queue out and lets git read local folders."""
    from bot.services.git import Workspace

    async with AsyncExitStack() as stack:
        data = prepare_data_dir(settings.data_dir)
        # Local runs have a database of their own, or a worker's sweep would take them for GitHub's.
        store = await _store(stack, f"sqlite:///{data / 'local.db'}" if local else settings.database, clock)
        queue, redis_url = (None, "") if local else await _queue(stack, settings)
        yield Services(
            settings=settings,
            clock=clock,
            owner=owner or owner_name(),
            store=store,
            workspace=Workspace(data, protocols=frozenset({"file"} if local else {"https", "http"})),
            sandbox=open_sandbox(settings),
            queue=queue,
            github=None if local else await _github(stack, settings, github_timeout),
            models=_models(settings),
            redis_url=redis_url,
        )


def open_sandbox(settings: Settings) -> Sandbox:
    """The sandbox backend that the settings name; nothing runs until a Session is opened."""
    from bot.sandbox.bubblewrap import Bubblewrap

    return Bubblewrap(settings.data_dir / "sandbox")


async def _store(stack: AsyncExitStack, address: str, clock: Clock) -> Store:
    store = await Store.open(address, clock=clock)
    stack.push_async_callback(store.close)
    return store


async def _queue(stack: AsyncExitStack, settings: Settings) -> tuple[Queue, str]:
    from bot.services.queue import Queue

    url = settings.redis_url
    if url is None:
        from bot.embedded.valkey import EmbeddedValkey

        valkey = await EmbeddedValkey.open(settings.data_dir)
        stack.push_async_callback(valkey.aclose)
        url = valkey.url
    queue = await Queue.open(url)
    stack.push_async_callback(queue.aclose)
    return queue, url


async def _github(stack: AsyncExitStack, settings: Settings, timeout: float) -> GitHubApp:
    from bot.services.github import GitHubApp

    return await stack.enter_async_context(
        GitHubApp(
            app_id=settings.github_app_id or 0,
            private_key=settings.private_key(),
            api_url=settings.github_api_url,
            server_url=settings.github_server_url,
            timeout=timeout,
        )
    )


def _models(settings: Settings) -> tuple[Models, ...]:
    if not settings.model:
        return ()
    from bot.services.llm import Models

    return tuple(Models(candidate.name, price=candidate.price) for candidate in routing.parse(settings.model))
