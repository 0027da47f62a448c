"""Faults for tests: the embedded GitHub fails, stalls or hangs up on the requests that a test names.

`Faults` is filled by tests through `GitHub.faults.add(...)`; `FaultMiddleware` stands outside the whole application, so
that a connection can be dropped after the effect was made and nobody else notices.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from enum import StrEnum

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Drop(StrEnum):
    """When the connection is cut: before anything happened, or after the effect was made but before the answer."""

    BEFORE = "before"
    AFTER = "after"


class Dropped(ConnectionError):
    """Raised instead of cutting a connection when there is none (an in-process transport)."""


@dataclass(slots=True, eq=False)
class Fault:
    """One planned fault; `left` counts down with each request that it hits, `hits` up."""

    method: str
    route: re.Pattern[str]
    status: int | None
    retry_after: int | None
    rate_limited: bool
    delay: float
    drop: Drop | None
    left: int
    skip: int
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether this fault is for that request (path without `/api/v3`)."""
        return self.left > 0 and self.method in ("*", method) and self.route.search(path) is not None


class Faults:
    """The faults that are still to come, in the order in which they were added."""

    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def add(
        self,
        method: str,
        route: str,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        rate_limited: bool = False,
        delay: float = 0.0,
        drop: str | None = None,
        count: int = 1,
        skip: int = 0,
    ) -> Fault:
        """Plan a fault for `count` requests of `method` ("*" for any) whose path matches the regex `route` (search).

        `status` answers that code; with `rate_limited` it carries `x-ratelimit-remaining: 0`; `retry_after` is seconds.
        `delay` waits that many seconds first, or with `drop="after"` when the effect is made: a client times out.
        `drop` is "before" or "after". `skip` lets that many matching requests
        through first. Paths are without the `/api/v3` prefix; git paths are `/owner/name.git/...`.
        """
        fault = Fault(
            method.upper(),
            re.compile(route),
            status,
            retry_after,
            rate_limited,
            delay,
            Drop(drop) if drop else None,
            count,
            skip,
        )
        self.planned.append(fault)
        return fault

    def clear(self) -> None:
        """Forget every fault."""
        self.planned.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, counted; None when there is none."""
        for fault in self.planned:
            if not fault.matches(method, path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.left -= 1
            fault.hits += 1
            return fault
        return None


class FaultMiddleware:
    """ASGI middleware that plays the planned faults."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or spoil it."""
        path = str(scope.get("path", "")).removeprefix("/api/v3")
        fault = self._faults.take(scope["method"], path) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.drop is Drop.AFTER:
            await self._app(scope, receive, _swallow)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop is not None:
            await _cut(send)
        elif fault.status is not None:
            await _fail(fault, send)
        else:
            await self._app(scope, receive, send)


async def _swallow(message: Message) -> None:
    return


async def _cut(send: Send) -> None:
    # uvicorn hands over a bound method of its request cycle, which holds the socket; other servers get an exception.
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise Dropped("the embedded GitHub dropped the connection, as planned")
    transport.abort()
    await asyncio.sleep(0.01)


async def _fail(fault: Fault, send: Send) -> None:
    limited = fault.rate_limited or fault.retry_after is not None
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    body = json.dumps(
        {
            "message": message if limited else "Server Error",
            "documentation_url": "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api",
            "status": str(fault.status),
        }
    ).encode()
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    if fault.rate_limited:
        headers += [(b"x-ratelimit-limit", b"5000"), (b"x-ratelimit-remaining", b"0")]
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
