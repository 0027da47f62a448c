"""The embedded GitHub: a GitHub-compatible server over a state model, for the demo, the tests and `fettle github`.

Tests and demos set the scene through this programmatic API and read it back; Fettle itself talks to it over HTTP as to
any GitHub. Below it are real bare git repositories; everything else is in memory.

    github = GitHub(tmp_path)                               # folder of the bare repositories
    app = github.create_app("fettle", permissions={...}, events=[...], webhook_secret="s3cret")
    repo = await github.create_repository("acme/calc", files={"calc.py": "..."})
    installation = github.install(app, "acme")              # all repositories of acme
    server = await github.serve()                           # server.url; REST at server.url + "/api/v3"
    app.webhook_url = "http://127.0.0.1:8000/webhooks/github"

    repo.add_collaborator("alice", "write")
    issue = repo.open_issue("add() is off by one", author="alice", labels=["autofix"])
    await github.drain()                                    # all webhooks were sent

    repo.issue(1).state, repo.comments(1), repo.pulls(), repo.checks(2)
    await repo.refs(), await repo.read("calc.py", ref="main")
    github.faults.add("POST", r"/pulls$", drop="after")     # the pull request is made, the answer is lost
    await github.aclose()

The pieces: `state` (the model), `actions` (what changes it, and which events that emits), `shapes` (how it looks as
JSON), `rest` (endpoints), `git_http`, `outbox` (webhooks), `faults`, `pages`, `seed`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
from starlette.types import ASGIApp

from bot.embedded import running
from bot.embedded.actions import accounts
from bot.embedded.app import build
from bot.embedded.faults import FaultMiddleware, Faults
from bot.embedded.handle import RepositoryHandle
from bot.embedded.hub import Hub
from bot.embedded.outbox import Delivery, Outbox
from bot.embedded.state import Account, AccountKind, App, Installation, State
from bot.embedded.urls import Urls

PERMISSIONS = {
    "checks": "write",
    "contents": "write",
    "issues": "write",
    "pull_requests": "write",
    "statuses": "read",
    "metadata": "read",
}
EVENTS = (
    "check_run",
    "create",
    "delete",
    "issue_comment",
    "issues",
    "pull_request",
    "pull_request_review",
    "push",
)


class GitHub:
    """One GitHub. `clock` gives the time of every record and of token expiry (default: the machine's, UTC).

    `hook_transport` carries the webhooks (an `httpx.ASGITransport` of the receiver; default: the network).
    `wrap` puts ASGI middleware around the application, inside the faults (the tests' OpenAPI checker).
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        hook_transport: httpx.AsyncBaseTransport | None = None,
        wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    ) -> None:
        state = State()
        outbox = Outbox(clock, state.new_id, hook_transport)
        self.hub = Hub(root, clock, outbox, state)
        self.asgi: ASGIApp = FaultMiddleware(wrap(build(self.hub)), self.hub.faults)
        self._servers: list[running.Running] = []

    @property
    def faults(self) -> Faults:
        """Plan failures of the server; see `bot.embedded.faults.Faults.add`."""
        return self.hub.faults

    @property
    def deliveries(self) -> list[Delivery]:
        """Every webhook delivery so far, oldest first."""
        return self.hub.outbox.deliveries

    @property
    def server_url(self) -> str:
        """Pages and git; what `GITHUB_SERVER_URL` is set to. Known after `serve` (or `use_url`)."""
        return self.hub.urls.server

    @property
    def api_url(self) -> str:
        """REST; what `GITHUB_API_URL` is set to."""
        return self.hub.urls.api

    def use_url(self, url: str) -> None:
        """Write this base address into answers (for in-process transports, where nothing listens)."""
        self.hub.urls = Urls(url.rstrip("/"))

    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> running.Running:
        """Listen (port 0: any free one) in the running event loop. Raises OSError when the port is taken."""
        sock, url = running.listen(host, port)
        self.use_url(url)
        server = await running.start(self.asgi, sock, url)
        self._servers.append(server)
        return server

    async def drain(self) -> None:
        """Return when every webhook was sent."""
        await self.hub.outbox.drain()

    async def aclose(self) -> None:
        """Stop the servers and the hook sender."""
        for server in self._servers:
            await server.aclose()
        self._servers.clear()
        await self.hub.outbox.aclose()

    def user(self, login: str, name: str | None = None) -> Account:
        """The person of that login, made when there is none."""
        return accounts.create_account(self.hub, login, AccountKind.USER, name)

    def organization(self, login: str) -> Account:
        """The organisation of that login, made when there is none."""
        return accounts.create_account(self.hub, login, AccountKind.ORGANIZATION)

    def user_token(self, login: str) -> str:
        """A personal access token of that person."""
        return accounts.create_user_token(self.hub, self.user(login))

    def create_app(
        self,
        name: str = "fettle",
        *,
        owner: str = "fettle-dev",
        permissions: Mapping[str, str] | None = None,
        events: Iterable[str] | None = None,
        webhook_secret: str | None = None,
        webhook_url: str | None = None,
        private_key: str | None = None,
    ) -> App:
        """Register an app: `id`, `private_key` (PEM, fresh if not given), `webhook_secret`, bot user `<name>[bot]`."""
        return accounts.create_app(
            self.hub,
            name,
            self.user(owner),
            permissions=PERMISSIONS if permissions is None else permissions,
            events=EVENTS if events is None else events,
            webhook_secret=webhook_secret,
            webhook_url=webhook_url,
            private_key=private_key,
        )

    def install(self, app: App, login: str, repositories: Iterable[str] | None = None) -> Installation:
        """Install an app on an account: all repositories, or those named (`owner/name`). Emits `installation`."""
        account = self.user(login)
        chosen = None if repositories is None else [self.repo(name).record for name in repositories]
        return accounts.install(self.hub, app, account, chosen, account)

    def uninstall(self, installation: Installation) -> None:
        """Remove an installation and its tokens. Emits `installation` `deleted`."""
        accounts.uninstall(self.hub, installation, installation.account)

    def select_repositories(self, installation: Installation, repositories: Iterable[str]) -> None:
        """Make the installation's repositories exactly these. Emits `installation_repositories`."""
        chosen = [self.repo(name).record for name in repositories]
        accounts.select_repositories(self.hub, installation, chosen, installation.account)

    def installation_token(self, installation: Installation, permissions: Mapping[str, str] | None = None) -> str:
        """An installation token, as the REST endpoint would give it."""
        return accounts.create_token(self.hub, installation, permissions=permissions).token

    def ping(self, app: App) -> None:
        """Send a `ping`."""
        accounts.ping(self.hub, app)

    def redeliver(self, delivery: Delivery) -> Delivery:
        """Send a delivery again under the same GUID."""
        return self.hub.outbox.redeliver(delivery)

    async def create_repository(
        self,
        full_name: str,
        files: Mapping[str, str | bytes] | None = None,
        *,
        default_branch: str = "main",
        private: bool = False,
        description: str | None = None,
    ) -> RepositoryHandle:
        """A repository with one commit of `files`; its owner is made when there is none."""
        owner, name = full_name.split("/")
        record = await accounts.create_repository(
            self.hub,
            self.user(owner),
            name,
            dict(files or {}),
            default_branch=default_branch,
            private=private,
            description=description,
        )
        return RepositoryHandle(self.hub, record)

    def repo(self, full_name: str) -> RepositoryHandle:
        """A repository that exists. Raises KeyError."""
        record = self.hub.state.repository(full_name)
        if record is None:
            raise KeyError(full_name)
        return RepositoryHandle(self.hub, record)

    def repos(self) -> list[RepositoryHandle]:
        """Every repository, oldest first."""
        return [RepositoryHandle(self.hub, record) for record in self.hub.state.repositories.values()]
