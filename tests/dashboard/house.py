"""A real store on SQLite with the pages in front of it: what the tests of the run pages stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI

from bot.core.machine import State
from bot.core.run import Run, Subject, SubjectKind
from bot.dashboard import router
from bot.store import Store

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

QUEUED = Run(
    id="r1",
    repository_id=1,
    installation_id=1,
    repository="acme/calc",
    subject=Subject(SubjectKind.ISSUE, 7, "add() is off by one"),
    state=State.QUEUED,
    asked_by="octocat",
    created_at=NOW - timedelta(minutes=5),
    updated_at=NOW,
)


@dataclass(frozen=True, slots=True)
class House:
    store: Store
    browser: httpx.AsyncClient
    app: FastAPI

    async def run(self, **changes: object) -> Run:
        run, _ = await self.store.runs.create(replace(QUEUED, **changes))  # type: ignore[arg-type] # any field
        return run

    async def note(self, kind: str, **data: object) -> int:
        return (await self.store.journal.append("r1", kind, data)).seq

    async def page(self, path: str) -> str:
        answer = await self.browser.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def elsewhere(self, client: str = "127.0.0.1", host: str = "localhost") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(client, 1))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers={"Host": host})


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    store = await Store.open(f"sqlite:///{folder / 'fettle.db'}", clock=lambda: NOW)
    app = FastAPI()
    app.include_router(router(store, server_url="https://git.example", clock=lambda: NOW, poll_seconds=0.01))
    try:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as browser:
            yield House(store, browser, app)
    finally:
        await store.close()
