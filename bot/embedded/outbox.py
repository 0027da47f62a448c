"""The hook sender: signs deliveries as GitHub does, sends them in order in the background, and remembers them.

`Hub.emit` adds deliveries; `GitHub.drain` waits until all are sent. Like GitHub, it never retries by itself:
`redeliver` sends one again under the same GUID.
"""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from bot.embedded.state import App

SECONDS_TO_ANSWER = 10.0


@dataclass(slots=True, eq=False)
class Delivery:
    """One attempt to deliver an event. `status_code` 0 means not sent yet, or no answer."""

    id: int
    guid: str
    app: App
    event: str
    payload: dict[str, Any]
    created_at: datetime
    installation_id: int | None
    repository_id: int | None
    redelivery: bool = False
    delivered_at: datetime | None = None
    duration: float = 0.0
    status: str = "PENDING"
    status_code: int = 0
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""

    @property
    def action(self) -> str | None:
        """The payload's action, if it has one."""
        action = self.payload.get("action")
        return action if isinstance(action, str) else None


class Outbox:
    """Sends deliveries one after the other. `transport` replaces the network (an ASGI app in the same process)."""

    def __init__(
        self,
        now: Callable[[], datetime],
        new_id: Callable[[], int],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.deliveries: list[Delivery] = []
        self._now = now
        self._new_id = new_id
        self._transport = transport
        self._pending: deque[Delivery] = deque()
        self._pump: asyncio.Task[None] | None = None

    def add(
        self,
        app: App,
        event: str,
        payload: dict[str, Any],
        installation_id: int | None = None,
        repository_id: int | None = None,
    ) -> Delivery:
        """Queue a new delivery and start sending when an event loop runs."""
        guid = str(uuid.uuid4())
        delivery = Delivery(self._new_id(), guid, app, event, payload, self._now(), installation_id, repository_id)
        return self._queue(delivery)

    def redeliver(self, original: Delivery) -> Delivery:
        """Queue the same payload again under the same GUID; a delivery record of its own."""
        again = Delivery(
            self._new_id(),
            original.guid,
            original.app,
            original.event,
            original.payload,
            self._now(),
            original.installation_id,
            original.repository_id,
            redelivery=True,
        )
        return self._queue(again)

    async def drain(self) -> None:
        """Return when every delivery was sent, those included that were added meanwhile."""
        while self._pending or (self._pump is not None and not self._pump.done()):
            self._start()
            assert self._pump is not None
            await asyncio.shield(self._pump)

    async def aclose(self) -> None:
        """Stop sending; what is pending stays unsent."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.gather(self._pump, return_exceptions=True)

    def _queue(self, delivery: Delivery) -> Delivery:
        self.deliveries.append(delivery)
        self._pending.append(delivery)
        self._start()
        return delivery

    def _start(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._send_all())

    async def _send_all(self) -> None:
        async with httpx.AsyncClient(transport=self._transport, timeout=SECONDS_TO_ANSWER, trust_env=False) as client:
            while self._pending:
                await self._send(client, self._pending.popleft())

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        delivery.request_headers = _headers(delivery, body)
        started = time.monotonic()
        if delivery.app.webhook_url is None:
            return
        try:
            answer = await client.post(delivery.app.webhook_url, content=body, headers=delivery.request_headers)
        except httpx.TimeoutException:
            delivery.status = "timed out"
        except (httpx.TransportError, httpx.InvalidURL, OSError):
            delivery.status = "failed to connect to host"
        else:
            delivery.status = "OK" if answer.is_success else answer.reason_phrase or str(answer.status_code)
            delivery.status_code = answer.status_code
            delivery.response_headers = dict(answer.headers)
            delivery.response_body = answer.text
        delivery.delivered_at = self._now()
        delivery.duration = round(time.monotonic() - started, 3)


def signature(secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _headers(delivery: Delivery, body: bytes) -> dict[str, str]:
    return {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/embedded",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(delivery.app.hook_id),
        "X-GitHub-Hook-Installation-Target-ID": str(delivery.app.id),
        "X-GitHub-Hook-Installation-Target-Type": "integration",
        "X-Hub-Signature-256": signature(delivery.app.webhook_secret, body),
    }
