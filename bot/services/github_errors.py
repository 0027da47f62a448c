"""The one place where an answer of GitHub becomes one of the fates of core.errors. Called from services.github.

401                  Unauthorized(Forbidden)    the token or key is not accepted
403, 451             Forbidden(UserError)       what the App may not do, in GitHub's words
404, 410             NotFound(UserError)
other 4xx            Unprocessable(UserError)   409 and 422 above all, in GitHub's words
403 or 429 for rates Retry(seconds from the headers)
408, 5xx             Retry
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from bot.core.errors import FettleError, Retry, UserError

_LONGEST_WAIT = 3600.0


class Forbidden(UserError):
    """The App's credentials or permissions do not allow the call."""


class Unauthorized(Forbidden):
    """GitHub does not accept the token or key itself."""


class NotFound(UserError):
    """What was asked for does not exist, or the App cannot see it."""


class Unprocessable(UserError):
    """GitHub understood the call and refused it: it exists already, has moved on, or is malformed."""


def fate(status: int, headers: Mapping[str, str], body: bytes, what: str) -> FettleError:
    """The error for an answer with `status` of at least 400; `what` names the call, such as `POST /repos/a/b/pulls`.

    `headers` must look names up without regard to case.
    """
    message = _message(body)
    if status == 429 or (status == 403 and _is_rate(headers, message)):
        return Retry(f"GitHub limits the rate of calls ({what}).", _wait(headers))
    if status == 408 or status >= 500:
        return Retry(f"GitHub answered {status} ({what}).", _wait(headers, 15.0))
    match status:
        case 401:
            return Unauthorized("GitHub does not accept the App's credentials: check its id and private key.")
        case 403 | 451:
            return Forbidden(f"GitHub does not allow this ({what}): {message}")
        case 404 | 410:
            return NotFound(f"GitHub found nothing ({what}): {message}")
        case _:
            return Unprocessable(f"GitHub refused this ({what}): {message}")


def _message(body: bytes) -> str:
    """GitHub's own words: the message, and what it says about each field."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return "no reason given"
    if not isinstance(data, dict):
        return "no reason given"
    errors = data.get("errors")
    details = [_detail(error) for error in errors[:5]] if isinstance(errors, list) else []
    return "; ".join([str(data.get("message") or "no reason given"), *filter(None, details)])[:500]


def _detail(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or " ".join(str(error[key]) for key in ("field", "code") if key in error))


def _is_rate(headers: Mapping[str, str], message: str) -> bool:
    words = message.lower()
    return (
        "retry-after" in headers
        or headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in words
        or "abuse detection" in words
    )


def _wait(headers: Mapping[str, str], default: float = 60.0) -> float:
    """Seconds until GitHub wants to hear from us again, between 1 and 3,600."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdigit():
        seconds = float(after)
    elif reset.isdigit() and headers.get("x-ratelimit-remaining") == "0":
        seconds = int(reset) - time.time() + 1
    else:
        seconds = default
    return min(max(seconds, 1.0), _LONGEST_WAIT)
