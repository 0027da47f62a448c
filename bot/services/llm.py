"""Language models, by litellm's names: the one module that knows litellm. Used by bot.repair.agent.

Keys stay in this process, in the variables that litellm itself reads (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, ...), and
never in a text: a provider's own words about a failed login hold half of the key, so they are not repeated.
litellm takes seconds and 180 MB to import: it is imported by the first call, in a thread, so that leases are renewed
meanwhile; a process that never calls a model never pays.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.core.errors import UserError

Message: TypeAlias = Mapping[str, Any]
"""One chat message, or one tool's schema, in OpenAI's form."""


class ModelUnavailable(UserError):
    """The provider did not answer after a few tries: rate limit, overload, no connection, no answer in time."""


class ModelRefused(UserError):
    """The provider will never answer this: no or wrong key, unknown model, bad request, no credit, context too long."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants called; `arguments` is the model's JSON text, which may be malformed."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. Tokens are the provider's count; `cached_tokens` are the part of `tokens_in` read from its cache.

    `cost_usd` is 0 when the price is not known (`price_known` is False): then only tokens can be capped.
    `finish` is the provider's word, such as `stop`, `tool_calls` or `length`.
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    tokens_in: int
    tokens_out: int
    cached_tokens: int
    cost_usd: float
    price_known: bool
    finish: str


class Models:
    """Answers of one model. `model` is litellm's name for it (`anthropic/...`, `openai/...`, `ollama/...`).

    `timeout` is seconds for one try, `tries` how often a temporary failure is tried in all, `pause` the first wait in
    seconds (doubled each time, with jitter; a provider's Retry-After goes first). `api_base` points at another server.
    """

    def __init__(
        self, model: str, *, timeout: float = 180.0, api_base: str | None = None, tries: int = 4, pause: float = 1.0
    ) -> None:
        self.model = model
        self._timeout = timeout
        self._api_base = api_base
        self._tries = tries
        self._pause = pause

    async def warm(self) -> None:
        """Import litellm now (seconds, in a thread), so that the first call need not."""
        await asyncio.to_thread(_litellm)

    async def price(self, tokens_in: int, tokens_out: int) -> float | None:
        """What that many tokens cost in US dollars, or None when the model's price is not known."""
        litellm = await asyncio.to_thread(_litellm)
        try:
            costs = litellm.cost_per_token(model=self.model, prompt_tokens=tokens_in, completion_tokens=tokens_out)
        except Exception:
            return None
        return float(sum(costs))

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Message], *, max_tokens: int, seconds: float = 600.0
    ) -> Completion:
        """Ask for one answer of at most `max_tokens`, within `seconds` over all tries.

        Raises ModelUnavailable when temporary failures used up the tries or the time, ModelRefused at once for others.
        """
        litellm = await asyncio.to_thread(_litellm)
        ends = time.monotonic() + seconds
        for attempt in range(1, self._tries + 1):
            try:
                return await self._once(litellm, messages, tools, max_tokens, ends - time.monotonic())
            except Exception as error:
                wait = self._wait(litellm, error, attempt)
                if attempt == self._tries or time.monotonic() + wait >= ends:
                    raise ModelUnavailable(_unavailable(self.model, litellm, error, attempt)) from None
                await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last try returns or raises")

    async def _once(
        self, litellm: Any, messages: Sequence[Message], tools: Sequence[Message], max_tokens: int, left: float
    ) -> Completion:
        timeout = max(0.001, min(self._timeout, left))
        async with asyncio.timeout(timeout):
            answer = await litellm.acompletion(
                model=self.model,
                messages=[dict(message) for message in messages],
                tools=[dict(tool) for tool in tools] or None,
                max_tokens=max_tokens,
                timeout=timeout,
                api_base=self._api_base,
                num_retries=0,
                max_retries=0,
            )
        return _completion(litellm, answer)

    def _wait(self, litellm: Any, error: Exception, attempt: int) -> float:
        """Seconds to wait before the next try; raises ModelRefused (or the error, when it is a bug) for no next try."""
        if not _temporary(litellm, error):
            raise _refused(self.model, litellm, error) from None
        asked = _retry_after(error)
        # Jitter keeps several workers from coming back in step.
        return asked if asked is not None else self._pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311


def _litellm() -> Any:
    # PRODUCTION keeps litellm from loading a `.env` file, which could be a stranger's; the price list is the packaged
    # one, or litellm looks for it on the network. This version sends no telemetry of its own.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm

    litellm.suppress_debug_info = True  # else it prints advertisements to stdout on errors
    litellm.drop_params = True  # a model that lacks a parameter is asked without it
    return litellm


def _completion(litellm: Any, answer: Any) -> Completion:
    choice = answer.choices[0]
    usage = getattr(answer, "usage", None)
    details = getattr(usage, "prompt_tokens_details", None)
    cost = _cost(litellm, answer)
    return Completion(
        text=choice.message.content or "",
        tool_calls=tuple(
            ToolCall(call.id or f"call_{index}", call.function.name or "", call.function.arguments or "")
            for index, call in enumerate(choice.message.tool_calls or ())
        ),
        tokens_in=getattr(usage, "prompt_tokens", 0) or 0,
        tokens_out=getattr(usage, "completion_tokens", 0) or 0,
        cached_tokens=getattr(details, "cached_tokens", 0) or 0,
        cost_usd=cost or 0.0,
        price_known=cost is not None,
        finish=choice.finish_reason or "",
    )


def _cost(litellm: Any, answer: Any) -> float | None:
    try:
        return float(litellm.completion_cost(completion_response=answer))
    except Exception:
        return None


def _temporary(litellm: Any, error: Exception) -> bool:
    if _keyless(error):
        return False
    if isinstance(error, TimeoutError | litellm.Timeout | litellm.APIConnectionError):
        return True
    if isinstance(error, litellm.RateLimitError):
        return "insufficient_quota" not in str(error)
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and (status >= 500 or status in (408, 409, 425, 429))


def _unavailable(model: str, litellm: Any, error: Exception, tries: int) -> str:
    match error:
        case litellm.RateLimitError():
            why = "it limits the rate of our requests"
        case TimeoutError() | litellm.Timeout():
            why = "it gave no answer in time"
        case _ if isinstance(error, litellm.APIConnectionError) or "Connection error" in str(error):
            why = "the connection failed"  # litellm makes some of these an answer of 500
        case _:
            why = f"its server answered {getattr(error, 'status_code', 'an error')}"
    return f"The model {model} is not available: {why} ({tries} {'try' if tries == 1 else 'tries'})."


def _refused(model: str, litellm: Any, error: Exception) -> Exception:
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


def _retry_after(error: Exception) -> float | None:
    headers = getattr(error, "litellm_response_headers", None) or {}
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:
        return None
