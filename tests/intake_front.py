"""The front under test: a real store and Valkey behind the real application, and a signing sender."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from bot.app import Dependencies, Transport, create_app
from bot.embedded.valkey import EmbeddedValkey
from bot.services.queue import Queue
from bot.store import Store

NEW, OLD = "new-secret", "old-secret"


def now() -> datetime:
    return datetime.now(UTC)


def labelled(number: int = 1, **changes: Any) -> dict[str, Any]:
    """The body of an `issues.labeled`, in GitHub's outline."""
    body: dict[str, Any] = {
        "action": "labeled",
        "issue": {"number": number, "title": "add() is off by one"},
        "label": {"name": "autofix"},
        "repository": {"id": 7, "full_name": "acme/calc"},
        "sender": {"login": "ann"},
    }
    return body | changes


@dataclass
class Front:
    """Sends to the application and looks into its store."""

    client: httpx.AsyncClient
    store: Store
    queue: Queue

    async def post(
        self,
        body: object = None,
        *,
        event: str = "issues",
        delivery: str = "",
        secret: str = NEW,
        path: str = "/webhooks/github",
        **headers: str,
    ) -> httpx.Response:
        """Send `body` (JSON unless it is bytes), signed; `headers` are set last, with `_` for `-`, "" drops one."""
        raw = body if isinstance(body, bytes) else json.dumps(labelled() if body is None else body).encode()
        sent = {
            "content-type": "application/json",
            "x-github-event": event,
            "x-github-delivery": delivery or str(uuid.uuid4()),
            "x-hub-signature-256": sign(raw, secret),
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(path, content=raw, headers={k: v for k, v in sent.items() if v})

    async def stored(self) -> int:
        """How many deliveries wait in the inbox."""
        return (await self.store.inbox.counts()).waiting


def sign(body: bytes, secret: str = NEW) -> str:
    """What GitHub puts into X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@asynccontextmanager
async def open_front(folder: Path, queue: Transport | None = None) -> AsyncIterator[Front]:
    """The application over a fresh SQLite and Valkey; `queue` may stand in for the real one."""
    store = await Store.open(f"sqlite:///{folder / 'fettle.db'}", clock=now)
    valkey = await EmbeddedValkey.open(folder)
    real = await Queue.open(valkey.url)
    secrets = [SecretStr(NEW), SecretStr(OLD), SecretStr("")]
    app = create_app(Dependencies(store, queue or real, secrets, "1.2.3", now))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://fettle") as client:
        yield Front(client, store, real)
    await real.aclose()
    await valkey.aclose()
    await store.close()
