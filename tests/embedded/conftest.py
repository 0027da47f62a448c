"""An embedded GitHub in each test; answers and webhooks are checked against GitHub's description if it can be had."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from starlette.types import Receive, Scope, Send

from bot.embedded.actions.accounts import new_private_key
from bot.embedded.github import GitHub
from bot.embedded.handle import RepositoryHandle
from bot.embedded.state import App, Installation
from tests.harness.openapi import OpenApiChecker

BASE = "http://github.test"


@dataclass
class Receiver:
    """A webhook receiver in the same process: what it got, and what it answers."""

    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 202

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.got.append(({key.decode(): value.decode() for key, value in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-from", b"receiver")]})
        await send({"type": "http.response.body", "body": b"taken"})


@dataclass
class World:
    """A GitHub with one app on one repository, and clients for the app's token and for people."""

    github: GitHub
    app: App
    repo: RepositoryHandle
    installation: Installation
    receiver: Receiver

    def client(self, token: str = "") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.github.asgi)
        return httpx.AsyncClient(transport=transport, base_url=self.github.api_url, headers=headers)

    def bot(self, **permissions: str) -> httpx.AsyncClient:
        return self.client(self.github.installation_token(self.installation, permissions or None))

    def person(self, login: str) -> httpx.AsyncClient:
        return self.client(self.github.user_token(login))

    async def events(self) -> list[tuple[str, str | None]]:
        await self.github.drain()
        return [(each.event, each.action) for each in self.github.deliveries]


def app_jwt(app: App, **claims: object) -> str:
    """What an app signs in with; `claims` replace the usual ones."""
    now = int(datetime.now(UTC).timestamp())
    known = {"iss": str(app.id), "iat": now - 30, "exp": now + 500}
    return jwt.encode({**known, **claims}, app.private_key, algorithm="RS256")


@pytest.fixture(scope="session")
def private_key() -> str:
    return new_private_key()  # a tenth of a second each: one for all tests


@pytest.fixture
async def world(tmp_path: Path, private_key: str, checker: OpenApiChecker | None) -> AsyncIterator[World]:
    receiver = Receiver()
    wrap: dict[str, Any] = {} if checker is None else {"wrap": checker.around}
    github = GitHub(tmp_path, hook_transport=httpx.ASGITransport(receiver), **wrap)
    github.use_url(BASE)
    app = github.create_app(webhook_secret="s3cret", webhook_url="http://bot.test/hook", private_key=private_key)
    repo = await github.create_repository("acme/calc", {"calc.py": "a = 1\n", "docs/read.md": "# Read\n"})
    installation = github.install(app, "acme")
    yield World(github, app, repo, installation, receiver)
    await github.drain()
    if checker is not None:
        for each in github.deliveries:
            checker.failures += checker.description.webhook_problems(each.event, each.payload)
    await github.aclose()
