"""Who may see the pages: until sign-in exists, only a browser on this very machine (ATTACKS.md 71).

`LocalRoute` is the class of every route of the pages: it refuses everybody else and hardens every answer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse

REFUSAL = "The run pages have no sign-in yet: open them on the machine that runs Fettle, at http://localhost.\n"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# A proxy in front makes strangers look local; most name themselves in one of these.
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def is_local(request: Request) -> bool:
    """Whether the request came over loopback, was addressed to a loopback name and passed no proxy that says so.

    The Host header is looked at because of DNS rebinding: a stranger's page may let its own name point to 127.0.0.1.
    """
    if any(header in request.headers for header in _FORWARDED):
        return False
    client = request.client.host if request.client else ""
    return _is_loopback(client) and _names_loopback(request.headers.get("host", ""))


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def _names_loopback(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname or "", parts.port  # both raise on nonsense
    except ValueError:
        return False
    if parts.netloc != host or "@" in host:
        return False
    return name == "localhost" or _is_loopback(name)


class LocalRoute(APIRoute):
    """A route that answers 403 to everybody who is not on this machine, and adds HEADERS to every answer."""

    def get_route_handler(self) -> Handler:
        """The route's handler behind the guard."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            local = is_local(request)
            response = await handler(request) if local else PlainTextResponse(REFUSAL, status_code=403)
            response.headers.update(HEADERS)
            return response

        return guarded
