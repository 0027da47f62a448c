"""How calls of models fail: the exceptions, what a failed try was billed, and sentences without a key in them.

Used by bot.services.llm, which hands litellm in: this module does not import it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from bot.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call without a usable answer was billed, by the provider's own count."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0


class ModelUnavailable(UserError):
    """The provider did not answer after a few tries: rate limit, overload, no connection, no answer in time.

    `lost` is what the last try was billed all the same.
    """

    lost = Usage()


class ModelStumbled(ModelUnavailable):
    """A try failed and was billed: it may be asked again, but that must be paid for anew."""


class ModelRefused(UserError):
    """The provider will never answer this: no or wrong key, unknown model, bad request, no credit, context too long."""


class NoAnswer(Exception):
    """An answer without a choice in it, as overloaded servers send; `usage` says whether it was billed."""

    def __init__(self, usage: Any) -> None:
        super().__init__("an answer without a choice")
        self.usage = usage


def temporary(litellm: Any, error: Exception) -> bool:
    """True when the same call may well succeed a little later."""
    if _keyless(error):
        return False
    if isinstance(error, NoAnswer | TimeoutError | litellm.Timeout | litellm.APIConnectionError):
        return True
    if isinstance(error, litellm.RateLimitError):
        return "insufficient_quota" not in str(error)
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and (status >= 500 or status in (408, 409, 425, 429))


def unavailable(model: str, litellm: Any, error: Exception, tries: int) -> str:
    """The sentence for a temporary failure that stayed for so many tries."""
    match error:
        case litellm.RateLimitError():
            why = "it limits the rate of our requests"
        case TimeoutError() | litellm.Timeout():
            why = "it gave no answer in time"
        case NoAnswer():
            why = "its answer was empty"
        case _ if isinstance(error, litellm.APIConnectionError) or "Connection error" in str(error):
            why = "the connection failed"  # litellm makes some of these an answer of 500
        case _:
            why = f"its server answered {getattr(error, 'status_code', 'an error')}"
    return f"The model {model} is not available: {why} ({tries} {'try' if tries == 1 else 'tries'})."


def refused(model: str, litellm: Any, error: Exception) -> Exception:
    """The error to raise for good: ModelRefused, or `error` itself when it is nothing that a provider says."""
    status = getattr(error, "status_code", None)
    match error:
        case _ if status in (401, 403) or _keyless(error):
            why = "its key is missing, wrong or not allowed to use it"
        case litellm.RateLimitError():
            why = "its account has no credit left"
        case litellm.ContextWindowExceededError():
            why = "the conversation is longer than it can read"
        case litellm.NotFoundError():
            why = "its provider does not know a model of that name"
        case litellm.BadRequestError() if "LLM Provider NOT provided" in str(error):
            why = "litellm knows no provider of that name (names look like `openai/gpt-5-mini`)"
        case _ if isinstance(status, int):
            why = f"its provider does not accept the request: {_redacted(_words(error))}"
        case _:
            return error
    return ModelRefused(f"The model {model} refused: {why}.")


def _keyless(error: Exception) -> bool:
    # litellm makes a missing key an answer of 500.
    return re.search(r"api_key.*must be set|Missing credentials", str(error)) is not None


def _words(error: Exception) -> str:
    body = getattr(error, "body", None)
    return str(body.get("message", "")) if isinstance(body, dict) else str(error)


def _redacted(text: str) -> str:
    """The first words of a provider's error, with nothing in them that is, or looks like, a key."""
    for name, value in os.environ.items():
        if len(value) >= 6 and re.search(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", name, re.IGNORECASE):
            text = text.replace(value, "***")
    text = re.sub(r"\b[\w-]*[*]{2,}[\w-]*|\b(?:sk|pk|key|Bearer)[-_ ][\w.-]{6,}|[\w+/=-]{32,}", "***", text)
    return " ".join(text.split())[:200].rstrip(".")


def retry_after(error: Exception) -> float | None:
    """Seconds that the provider asked to wait, None when it did not."""
    headers = getattr(error, "litellm_response_headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None


def billed(usage: Any) -> tuple[int, int]:
    """Tokens in and out of a provider's `usage`, an object or a dict of any shape; what is no count is 0."""
    read = usage.get if isinstance(usage, dict) else lambda name: getattr(usage, name, 0)
    counts = (read("prompt_tokens"), read("completion_tokens"))
    into, out = (count if isinstance(count, int) and count > 0 else 0 for count in counts)
    return into, out


def reported_usage(error: BaseException | None) -> Any:
    """The `usage` that a failed try's answer reports; litellm keeps the answer somewhere in the chain of causes."""
    for _ in range(10):
        if error is None or isinstance(error, NoAnswer):
            break
        try:
            body = json.loads(getattr(getattr(error, "response", None), "content", b"") or b"null")
        except (ValueError, TypeError, RecursionError):
            body = None
        if isinstance(body, dict) and isinstance(body.get("usage"), dict):
            return body["usage"]
        error = error.__cause__ or error.__context__
    return error.usage if isinstance(error, NoAnswer) else None
