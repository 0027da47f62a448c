"""Language models, by litellm's names: the one module that knows litellm. Used by bot.repair.agent.

Keys stay in this process, in the variables that litellm itself reads (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`, ...), and
never in a text: a provider's own words about a failed login hold half of the key, so they are not repeated.
litellm takes seconds and 180 MB to import: it is imported by the first call, in a thread, so that leases are renewed
meanwhile; a process that never calls a model never pays.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.core.budget import Quote
from bot.core.routing import Candidate, Price
from bot.services.failures import (
    ModelRefused,
    ModelStumbled,
    ModelUnavailable,
    NoAnswer,
    Usage,
    billed,
    refused,
    reported_usage,
    retry_after,
    temporary,
    unavailable,
)

__all__ = [
    "Completion",
    "Message",
    "ModelRefused",
    "ModelStumbled",
    "ModelUnavailable",
    "Models",
    "ToolCall",
    "Usage",
]

Message: TypeAlias = Mapping[str, Any]
"""One chat message, or one tool's schema, in OpenAI's form."""


_CHARS_A_TOKEN = 3.5  # code; only for what the tokenizer does not count
_COUNTABLE = 200_000  # characters: the tokenizer takes long for one endless word
_REMEMBERED = 4_096


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
    `price` is stated by the operator and goes before litellm's.
    """

    def __init__(
        self,
        model: str,
        *,
        timeout: float = 180.0,
        api_base: str | None = None,
        tries: int = 4,
        pause: float = 1.0,
        price: Price | None = None,
    ) -> None:
        self.model = model
        self._timeout = timeout
        self._api_base = api_base
        self._tries = tries
        self._pause = pause
        self._stated = price
        self._counts: dict[bytes, int] = {}

    async def warm(self) -> None:
        """Import litellm now (seconds, in a thread), so that the first call need not."""
        await asyncio.to_thread(_litellm)

    async def price(self, tokens_in: int, tokens_out: int, *, cache_written: int = 0) -> float | None:
        """What that many tokens cost in US dollars, or None when the model's price is not known."""
        if self._stated is not None:
            return (tokens_in * self._stated.input_usd + tokens_out * self._stated.output_usd) / 1_000_000
        litellm = await asyncio.to_thread(_litellm)
        tokens = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}
        try:
            costs = litellm.cost_per_token(model=self.model, **tokens, cache_creation_input_tokens=cache_written)
        except Exception:
            return None
        return float(sum(costs))

    async def quote(self, tokens_in: int) -> Quote | None:
        """The worst case of a call that sends so much, or None when the price is not known.

        Some providers take more for what they put into their cache: all of the input may be put there.
        """
        plain, answered = await self.price(tokens_in, 0), await self.price(tokens_in, 1_000)
        if plain is None or answered is None:
            return None
        written = await self.price(tokens_in, 0, cache_written=tokens_in)
        return Quote(max(plain, written or 0.0), (answered - plain) / 1_000)

    async def candidate(self) -> Candidate:
        """The model as bot.core.routing sees it."""
        quote = await self.quote(1_000)
        price = None if quote is None else Price(quote.input_usd * 1_000, quote.token_usd * 1_000_000)
        return Candidate(self.model, price)

    async def count(self, parts: Sequence[Message]) -> int:
        """How many tokens those messages and tool schemas are, by litellm's counter; what it cannot count is estimated.

        Each part is counted once: a conversation that grows costs no more time at its end.
        """
        litellm = await asyncio.to_thread(_litellm)
        return sum(self._tokens(litellm, json.dumps(part, ensure_ascii=False)) for part in parts)

    async def complete(
        self, messages: Sequence[Message], tools: Sequence[Message], *, max_tokens: int, seconds: float = 600.0
    ) -> Completion:
        """Ask for one answer of at most `max_tokens`, within `seconds` over all tries.

        Raises ModelUnavailable when temporary failures used up the tries or the time, ModelStumbled when a try failed
        and was billed, ModelRefused at once for others.
        """
        litellm = await asyncio.to_thread(_litellm)
        ends = time.monotonic() + seconds
        for attempt in range(1, self._tries + 1):
            try:
                return await self._once(litellm, messages, tools, max_tokens, ends - time.monotonic())
            except Exception as error:
                wait = self._wait(litellm, error, attempt)
                lost = await self._lost(error)
                final = attempt == self._tries or time.monotonic() + wait >= ends
                if not final:
                    await asyncio.sleep(wait)
                if final or lost != Usage():
                    kind = ModelUnavailable if final else ModelStumbled
                    failure = kind(unavailable(self.model, litellm, error, attempt))
                    failure.lost = lost
                    raise failure from None
        raise AssertionError("unreachable: the last try returns or raises")

    async def _once(
        self, litellm: Any, messages: Sequence[Message], tools: Sequence[Message], max_tokens: int, left: float
    ) -> Completion:
        timeout = max(0.001, min(self._timeout, left))
        async with asyncio.timeout(timeout):
            answer = await litellm.acompletion(
                model=self.model,
                messages=_marked(messages) if "claude" in self.model else [dict(message) for message in messages],
                tools=[dict(tool) for tool in tools] or None,
                max_tokens=max_tokens,
                timeout=timeout,
                api_base=self._api_base,
                num_retries=0,
                max_retries=0,
            )
        if not answer.choices:
            raise NoAnswer(getattr(answer, "usage", None))
        return _completion(answer, self._cost(litellm, answer))

    def _cost(self, litellm: Any, answer: Any) -> float | None:
        if self._stated is not None:
            tokens_in, tokens_out = billed(getattr(answer, "usage", None))
            return (tokens_in * self._stated.input_usd + tokens_out * self._stated.output_usd) / 1_000_000
        try:
            # By our name for the model: the answer's own may have a date that the price list does not know.
            return float(litellm.completion_cost(completion_response=answer, model=self.model))
        except Exception:
            return None

    async def _lost(self, error: Exception) -> Usage:
        """What a failed try was billed, when the provider says so."""
        tokens_in, tokens_out = billed(reported_usage(error))
        return Usage(tokens_in, tokens_out, await self.price(tokens_in, tokens_out) or 0.0)

    def _tokens(self, litellm: Any, text: str) -> int:
        key = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        if key not in self._counts:
            if len(self._counts) >= _REMEMBERED:
                self._counts.clear()
            self._counts[key] = _counted(litellm, self.model, text)
        return self._counts[key]

    def _wait(self, litellm: Any, error: Exception, attempt: int) -> float:
        """Seconds to wait before the next try; raises ModelRefused (or the error, when it is a bug) for no next try."""
        if not temporary(litellm, error):
            raise refused(self.model, litellm, error) from None
        asked = retry_after(error)
        # Jitter keeps several workers from coming back in step.
        return asked if asked is not None else self._pause * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311


def _litellm() -> Any:
    # PRODUCTION keeps litellm from loading a `.env` file, which could be a stranger's; the price list is the packaged
    # one, or litellm looks for it on the network. This version sends no telemetry of its own.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm

    litellm.suppress_debug_info = True  # else it prints advertisements to stdout on errors
    litellm.disable_hf_tokenizer_download = True  # counting tokens needs no network
    litellm.drop_params = True  # a model that lacks a parameter is asked without it
    return litellm


def _completion(answer: Any, cost: float | None) -> Completion:
    choice = answer.choices[0]
    usage = getattr(answer, "usage", None)
    details = getattr(usage, "prompt_tokens_details", None)
    tokens_in, tokens_out = billed(usage)
    return Completion(
        text=choice.message.content or "",
        tool_calls=tuple(
            ToolCall(call.id or f"call_{index}", call.function.name or "", call.function.arguments or "")
            for index, call in enumerate(choice.message.tool_calls or ())
        ),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cached_tokens=getattr(details, "cached_tokens", 0) or 0,
        cost_usd=cost or 0.0,
        price_known=cost is not None,
        finish=choice.finish_reason or "",
    )


def _marked(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages with two marks for Anthropic's cache: after the task, which stays, and at the present end."""
    marked = [dict(message) for message in messages]
    ends = [index for index, message in enumerate(marked) if message["role"] in ("user", "tool")]
    for index in {*ends[:1], *ends[-1:]}:
        text = {"type": "text", "text": marked[index]["content"], "cache_control": {"type": "ephemeral"}}
        marked[index]["content"] = [text]
    return marked


def _counted(litellm: Any, model: str, text: str) -> int:
    try:
        if len(text) <= _COUNTABLE:
            return int(litellm.token_counter(model=model, text=text)) + 4  # what a message costs besides its text
    except Exception:  # noqa: S110 # a tokenizer that cannot be had is no reason to stop
        pass
    return int(len(text) / _CHARS_A_TOKEN) + 4
