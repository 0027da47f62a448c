"""GitHub, as the App: credentials, tokens, deliveries; `RepositoryClient` does the work on one repository.

The only user of githubkit. It signs the App's JWT and sends the requests; answers are read from the raw JSON into
`github_models`, errors become fates in `github_errors`, and nothing is retried here, since the job layer decides that.
One connection pool serves the whole process. No token is ever logged or put into an exception.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import quote

import httpx
from githubkit import AppAuthStrategy, GitHubCore, Response, UnauthAuthStrategy
from githubkit.cache import MemCacheStrategy
from githubkit.exception import RequestError, RequestFailed
from pydantic import SecretStr

from bot.core.errors import Retry, UserError
from bot.core.events import RepositoryRef
from bot.services import github_errors
from bot.services.github_errors import Forbidden, NotFound, Unauthorized, Unprocessable
from bot.services.github_models import (
    Annotation,
    AppInfo,
    CheckRun,
    Comment,
    Commit,
    Conclusion,
    FailedDelivery,
    Installation,
    Issue,
    Pull,
    Repository,
    when,
)
from bot.services.github_repository import RepositoryClient

__all__ = [
    "PERMISSIONS",
    "Annotation",
    "AppInfo",
    "CheckRun",
    "Comment",
    "Commit",
    "Conclusion",
    "FailedDelivery",
    "Forbidden",
    "GitHubApp",
    "Installation",
    "Issue",
    "NotFound",
    "Pull",
    "Repository",
    "RepositoryClient",
    "Unauthorized",
    "Unprocessable",
]

PERMISSIONS: Mapping[str, str] = {
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
}
"""What a token for a run may do, on its one repository; `workflows` is left out on purpose."""

_PAGE = 100
_MARGIN = 300.0  # seconds; a token handed out lives at least this long, enough for one slow fetch
_MOST_PAGES = 100


class _Wire(GitHubCore[Any]):
    """githubkit with one httpx client for good: its own is bound to the task that opened it, and lost to all others."""

    kept: httpx.AsyncClient | None = None

    @contextlib.asynccontextmanager
    async def get_async_client(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        """The kept client, or, outside of `GitHubApp`'s context, one for this call."""
        if self.kept is not None:
            yield self.kept
            return
        async with super().get_async_client() as client:
            yield client

    async def send(self, method: str, url: str, token: SecretStr | None = None, **content: Any) -> httpx.Response:
        """Send one request and return the answer below 400; raises what `github_errors` says, or Retry."""
        what = f"{method} {httpx.URL(url).path}"
        headers = {"X-GitHub-Api-Version": "2022-11-28"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        try:
            response: Response[Any] = await self.arequest(method, url, headers=headers, **content)
        except RequestFailed as error:
            answer = error.response.raw_response
            raise github_errors.fate(answer.status_code, answer.headers, answer.content, what) from None
        except RequestError as error:
            raise _broken(error, what) from None
        if response.raw_request.method != method:
            raise UserError(f"GitHub says that this has moved to another address ({what}).")
        return response.raw_response


def _broken(error: RequestError[Any], what: str) -> Exception:
    """Why no answer came: the network (try again), or a mistake of ours, such as a key that is none."""
    if isinstance(error.exc, (httpx.HTTPError, OSError)):
        return Retry(f"GitHub could not be reached ({what}): {type(error.exc).__name__}.", 15.0)
    return error.exc if isinstance(error.exc, Exception) else error


@dataclass(slots=True)
class _Minted:
    """One token and when it ends (Unix seconds); the lock lets one task mint while the others wait."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: SecretStr | None = None
    until: float = 0.0


class GitHubApp:
    """The App. An async context manager that keeps one connection pool; usable from any task.

    `api_url` is such as `https://api.github.com`, `server_url` such as `https://github.com`. `timeout` is
    seconds without an answer; `transport` replaces the network, for tests. Every method raises UserError (Forbidden,
    NotFound, Unprocessable) or Retry.
    """

    def __init__(
        self,
        *,
        app_id: int,
        private_key: SecretStr,
        api_url: str,
        server_url: str,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._server_url = server_url.rstrip("/")
        self._tokens: dict[_Scope, _Minted] = {}
        self._info: AppInfo | None = None
        self._stack = contextlib.AsyncExitStack()
        options: dict[str, Any] = {
            "base_url": api_url,
            "user_agent": "fettle",
            "timeout": httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            "async_transport": transport,
            # Each App its own: githubkit's default is one for the process, keyed by the App's id alone.
            "cache_strategy": MemCacheStrategy(),
            "http_cache": False,
            "auto_retry": False,
        }
        self._app = _Wire(AppAuthStrategy(app_id, private_key.get_secret_value()), **options)
        self._open = _Wire(UnauthAuthStrategy(), **options)

    async def __aenter__(self) -> Self:
        for wire in (self._app, self._open):
            wire.kept = await self._stack.enter_async_context(wire.get_async_client())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._app.kept = self._open.kept = None
        await self._stack.aclose()

    async def app_info(self) -> AppInfo:
        """The App as GitHub knows it, asked once."""
        if self._info is None:
            self._info = AppInfo.read((await self._app.send("GET", "/app")).json())
        return self._info

    async def bot_login(self) -> str:
        """The login that the App's comments and commits carry, such as `fettle[bot]`."""
        return (await self.app_info()).bot

    async def list_installations(self) -> tuple[Installation, ...]:
        """Every installation of the App."""
        return tuple([Installation.read(data) async for data in _pages(self._app, "/app/installations", None)])

    async def installation_for(self, full_name: str) -> Installation:
        """The installation that covers a repository; raises NotFound when the App is not installed there."""
        return Installation.read((await self._app.send("GET", f"/repos/{quote(full_name)}/installation")).json())

    async def find(self, full_name: str) -> RepositoryRef:
        """A repository by its name, with the installation that covers it; raises NotFound."""
        installation = (await self.installation_for(full_name)).id
        calls = _Calls(self, _Scope(installation, None, (("metadata", "read"),)))
        found = Repository.read(await calls.call("GET", f"/repos/{quote(full_name)}"))
        return RepositoryRef(found.id, found.full_name, installation, found.default_branch)

    async def repositories(self, installation_id: int) -> tuple[Repository, ...]:
        """Every repository that an installation covers."""
        calls = _Calls(self, _Scope(installation_id, None, (("metadata", "read"),)))
        return tuple(
            [Repository.read(data) async for data in calls.pages("/installation/repositories", "repositories")]
        )

    def repository(self, ref: RepositoryRef, permissions: Mapping[str, str] = PERMISSIONS) -> RepositoryClient:
        """A client whose tokens reach this one repository and may do only what `permissions` say."""
        scope = _Scope(ref.installation_id, ref.id, tuple(sorted(permissions.items())))
        return RepositoryClient(ref, _Calls(self, scope), self.bot_login, self._server_url)

    async def failed_deliveries(self, since: datetime) -> tuple[FailedDelivery, ...]:
        """Deliveries since then of which no attempt got a 2xx, oldest first; GitHub remembers three days.

        The last attempt of each stands for all of them.
        """
        attempts = []
        async for data in _pages(self._app, "/app/hook/deliveries", None):
            if when(data["delivered_at"]) < since:
                break
            attempts.append(data)
        done = {data["guid"] for data in attempts if 200 <= int(data.get("status_code") or 0) < 300}
        # The list is newest first: reversed, later attempts replace earlier ones.
        failed = {data["guid"]: data for data in reversed(attempts) if data["guid"] not in done}
        return tuple(FailedDelivery.read(data) for data in failed.values())

    async def redeliver(self, delivery_id: int) -> None:
        """Ask GitHub to send a delivery again, under the same GUID."""
        await self._app.send("POST", f"/app/hook/deliveries/{delivery_id}/attempts")

    async def _token(self, scope: _Scope, *, fresh: bool = False) -> SecretStr:
        """A token for `scope` that lives at least five minutes more, where GitHub gives such; minted once at a time."""
        minted = self._tokens.setdefault(scope, _Minted())
        stale = minted.token if fresh else None
        async with minted.lock:
            if minted.token is None or minted.token is stale or minted.until - time.time() < _MARGIN:
                url = f"/app/installations/{scope.installation_id}/access_tokens"
                data = (await self._app.send("POST", url, json=scope.to_json())).json()
                minted.token, minted.until = SecretStr(data["token"]), when(data["expires_at"]).timestamp()
            return minted.token

    async def _revoke(self, scope: _Scope) -> None:
        minted = self._tokens.pop(scope, None)
        if minted is not None and minted.token is not None:
            # A token that GitHub no longer accepts is as good as revoked.
            with contextlib.suppress(Forbidden):
                await self._open.send("DELETE", "/installation/token", minted.token)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a token reaches: an installation, one of its repositories (None: all), and what it may do there."""

    installation_id: int
    repository_id: int | None
    permissions: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The body of the call that mints the token."""
        only = {} if self.repository_id is None else {"repository_ids": [self.repository_id]}
        return {"permissions": dict(self.permissions), **only}


class _Calls:
    """Calls as one installation, within one scope."""

    def __init__(self, app: GitHubApp, scope: _Scope) -> None:
        self._app = app
        self._scope = scope

    async def call(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """The JSON of the answer, None when it has no body."""
        response = await self.send(method, path, json=json, params=params)
        return response.json() if response.content else None

    def pages(self, path: str, key: str | None = None, **params: Any) -> AsyncIterator[Mapping[str, Any]]:
        """The items of every page of a list; `key` names the list when the answer is an object."""
        return _pages(self, path, key, **params)

    async def token(self) -> SecretStr:
        """The scope's token itself, for git."""
        return await self._app._token(self._scope)

    async def revoke(self) -> None:
        """End the scope's token now, if there is one."""
        await self._app._revoke(self._scope)

    async def send(self, method: str, url: str, **content: Any) -> httpx.Response:
        """Send with the scope's token; a token that ended before its time is replaced once."""
        try:
            return await self._app._open.send(method, url, await self.token(), **content)
        except Unauthorized:
            return await self._app._open.send(method, url, await self._app._token(self._scope, fresh=True), **content)


class _Sender(Protocol):
    async def send(self, method: str, url: str, **content: Any) -> httpx.Response: ...


async def _pages(sender: _Sender, path: str, key: str | None, **params: Any) -> AsyncIterator[Mapping[str, Any]]:
    """Follow `Link: rel=next`; the addresses must stay below the one that was asked, since the token goes with them."""
    response = await sender.send("GET", path, params={"per_page": _PAGE, **params})
    for _ in range(_MOST_PAGES):
        data = response.json()
        for item in data[key] if key else data:
            yield item
        following = response.links.get("next", {}).get("url")
        if following is None:
            return
        if httpx.URL(following).copy_with(query=None) != response.url.copy_with(query=None):
            raise UserError("GitHub's list goes on at another address.")
        response = await sender.send("GET", following)
