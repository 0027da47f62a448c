"""The webhook endpoint, from the first byte to the 202. Mounted by bot.app; the hot path of `fettle serve`.

A delivery is answered 202 after one INSERT and commit; the answer never depends on a model validating, on the queue
being there, or on what the delivery will lead to. Bodies are refused by their headers before they are read: without a
signature, too long, or not JSON.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from bot.core import webhook
from bot.core.telemetry import Metrics
from bot.store import Delivery, Store

BODY_SECONDS = 8.0  # GitHub gives up after ten
STORE_SECONDS = 8.0
QUEUE_SECONDS = 2.0
MAX_HELD_BYTES = 8 * webhook.MAX_BODY
"""Bytes of unverified bodies held at once; more would let strangers fill the memory."""

_UNREAD = frozenset({401, 408, 413, 415, 503})

_log = structlog.stdlib.get_logger("fettle.intake")


class Enqueues(Protocol):
    """What the intake needs of bot.services.queue.Queue."""

    async def enqueue(self, job: str, *args: Any) -> None:
        """Enqueue one job; raises anything when the queue is away."""


class Refused(Exception):
    """The request is answered with `status` and one sentence, and nothing is stored."""

    def __init__(self, status: int, outcome: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.outcome = outcome


@dataclass(slots=True)
class _Request:
    # The few headers that matter, as latin-1 text; the signature stays bytes.
    delivery_id: str = ""
    event: str = ""
    signature: bytes = b""
    content_type: str = ""
    encoding: str = ""
    length: int = 0


class Intake:
    """The webhook endpoint, a bare ASGI application: this is the hot path."""

    def __init__(
        self,
        store: Store,
        queue: Enqueues,
        secrets: Sequence[SecretStr],
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._store, self._queue, self._clock, self._metrics = store, queue, clock, metrics
        # An empty secret would accept what anybody can sign.
        values = [secret.get_secret_value().encode() for secret in secrets]
        self._secrets = [value for value in values if value]
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one POST; the module's docstring gives the order of the checks."""
        began = time.perf_counter()
        event = ""
        try:
            request = _headers(scope)
            body = await self._verified_body(request, receive)
            event = request.event
            status, outcome = await self._take(request, body)
            await _answer(send, status, {"status": outcome})
        except Refused as refused:
            outcome = refused.outcome
            await _answer(send, refused.status, {"error": str(refused)})
        self._metrics.deliveries.labels(event, outcome).inc()
        self._metrics.intake_seconds.observe(time.perf_counter() - began)

    async def _verified_body(self, request: _Request, receive: Receive) -> bytes:
        if not request.signature:
            raise Refused(401, "unsigned", "X-Hub-Signature-256 is missing.")
        _check_length(request.length)
        if request.content_type != "application/json" or request.encoding not in ("", "identity"):
            raise Refused(415, "not_json", "Send application/json, not encoded.")
        body = await self._body(receive)
        if not webhook.signed(self._secrets, body, request.signature):
            raise Refused(401, "bad_signature", "X-Hub-Signature-256 does not match the body.")
        if not webhook.names(request.delivery_id, request.event):
            raise Refused(400, "bad_headers", "X-GitHub-Delivery or X-GitHub-Event is missing or malformed.")
        return body

    async def _body(self, receive: Receive) -> bytes:
        message = await receive()
        first: bytes = message.get("body", b"")
        _check_length(len(first))
        if not message.get("more_body") and message["type"] == "http.request":
            return first
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._rest(first, receive)
        except TimeoutError:
            raise Refused(408, "slow_body", "The body did not arrive in time.") from None

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        body = bytearray()
        held = 0
        chunk, more = first, True
        try:
            while True:
                body += chunk
                _check_length(len(body))
                held += len(chunk)
                self._held += len(chunk)
                if self._held > MAX_HELD_BYTES:
                    raise Refused(503, "busy", "Too many large bodies at once; send it again.")
                if not more:
                    return bytes(body)
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "disconnected", "The sender left before the body ended.")
                chunk, more = message.get("body", b""), message.get("more_body", False)
        finally:
            self._held -= held

    async def _take(self, request: _Request, body: bytes) -> tuple[int, str]:
        try:
            action = webhook.action_of(request.event, body)
        except webhook.BadBody as error:
            raise Refused(400, "bad_body", str(error)) from None
        if request.event == "ping":
            return 200, "pong"
        if not await self._stored(request, action, body):
            return 200, "known"
        await self._enqueued(request.delivery_id)
        return 202, "accepted"

    async def _stored(self, request: _Request, action: str, body: bytes) -> bool:
        delivery = Delivery(request.delivery_id, request.event, action, body, self._clock())
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await self._store.inbox.accept(delivery)
        except Exception as error:
            # GitHub keeps what was answered 5xx for redelivery: a lie would lose it.
            _log.exception("intake.not_stored", delivery=request.delivery_id, webhook=request.event)
            raise Refused(503, "not_stored", "The delivery could not be stored; send it again.") from error

    async def _enqueued(self, delivery_id: str) -> None:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._queue.enqueue("deliver", delivery_id)
        except Exception as error:  # it is stored: the sweep enqueues it when the queue is back
            _log.warning("intake.not_enqueued", delivery=delivery_id, error=type(error).__name__)


def _check_length(length: int) -> None:
    if length > webhook.MAX_BODY:
        raise Refused(413, "too_large", "The body is longer than 25 MB.")


def _headers(scope: Scope) -> _Request:
    request = _Request()
    for name, value in scope["headers"]:
        match name:
            case b"x-hub-signature-256":
                request.signature = value
            case b"x-github-delivery":
                request.delivery_id = value.decode("latin-1")
            case b"x-github-event":
                request.event = value.decode("latin-1")
            case b"content-type":
                request.content_type = value.decode("latin-1").split(";")[0].strip().lower()
            case b"content-encoding":
                request.encoding = value.decode("latin-1").strip().lower()
            case b"content-length":
                request.length = int(value) if value.isdigit() and len(value) < 19 else webhook.MAX_BODY + 1
    return request


async def _answer(send: Send, status: int, content: dict[str, str]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status in _UNREAD:
        headers.append((b"connection", b"close"))  # what is left of the body is not worth reading
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
