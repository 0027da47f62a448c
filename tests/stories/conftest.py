"""The stories' world: `gh` (the embedded GitHub, every answer checked), `bot` (Fettle), `model` (scripted)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.commands.embedded_github import register_app, write_key
from bot.core.settings import load
from bot.embedded.github import GitHub
from bot.embedded.valkey import EmbeddedValkey
from tests.harness.bot import Bot, open_bot
from tests.harness.clock import Clock
from tests.harness.openapi import OpenApiChecker


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Valkey of this test process's own."""
    valkey = asyncio.run(EmbeddedValkey.open(tmp_path_factory.mktemp("valkey")))
    yield valkey.url
    asyncio.run(valkey.aclose())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def gh(tmp_path: Path, clock: Clock, checker: OpenApiChecker | None) -> AsyncIterator[GitHub]:
    """The embedded GitHub, listening; what it answers is what GitHub would."""
    wrap: dict[str, Any] = {} if checker is None else {"wrap": checker.around}
    github = GitHub(tmp_path / "github", clock=clock, **wrap)
    await github.serve()
    yield github
    await github.aclose()


@pytest.fixture
def model_settings() -> dict[str, Any]:
    """Settings of a model; a module of stories with a model overrides this."""
    return {}


@pytest.fixture
async def bot(
    gh: GitHub, clock: Clock, tmp_path: Path, shared_data_dir: Path, redis_url: str, model_settings: dict[str, Any]
) -> AsyncIterator[Bot]:
    """Fettle, installed on the account `acme`."""
    app = register_app(gh, None)
    settings = load(
        {},
        FETTLE_DATA_DIR=shared_data_dir,
        DATABASE_URL=f"sqlite:///{tmp_path / 'fettle.db'}",
        REDIS_URL=redis_url,
        GITHUB_APP_ID=app.id,
        GITHUB_APP_PRIVATE_KEY_PATH=write_key(tmp_path, app),
        GITHUB_WEBHOOK_SECRET=app.webhook_secret,
        GITHUB_API_URL=gh.api_url,
        GITHUB_SERVER_URL=gh.server_url,
        **model_settings,
    )
    async with open_bot(settings, gh, clock) as opened:
        app.webhook_url = f"{opened.url}/webhooks/github"
        gh.install(app, "acme")
        await opened.settle()
        yield opened
