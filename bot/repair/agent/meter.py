"""What the agent has spent and may still spend. Asked before every model call, told after it. Used by asking.py."""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.repair.agent.stops import LimitsExceeded, StopReason
from bot.repair.base import Allowance
from bot.services.llm import Completion, Usage

ANSWER_TOKENS = 8_192
"""The longest answer that is asked for."""

LEAST_ANSWER = 256
"""No call is made when limits leave less than this for its answer."""

_MARGIN = 1.1  # what tokenizers differ by, before a provider's own count and after it


class Meter:
    """Spending against an Allowance: model steps, tokens in and out, US dollars, wall seconds since it was made."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        self.allowance = allowance
        self.steps = 0
        self.tokens = 0
        self.cost_usd = 0.0
        self._ratio = 1.0
        self._clock = clock
        self._began = clock()

    @property
    def seconds_left(self) -> float:
        """Wall seconds left, never negative."""
        return max(0.0, self.allowance.seconds - (self._clock() - self._began))

    @property
    def steps_left(self) -> int:
        """Model calls left."""
        return self.allowance.steps - self.steps

    @property
    def money_left(self) -> float:
        """US dollars left, never negative."""
        return max(0.0, self.allowance.cost_usd - self.cost_usd)

    def reserve(self, tokens_in: int, price: float | None) -> int:
        """Say how many tokens the next answer may have; raises LimitsExceeded when a cap leaves no room for a call.

        `price` is what the call costs at least, in US dollars, or None when that is not known: then a cap on tokens
        must stand in for the cap on money.
        """
        cap = self.allowance
        if self.steps_left <= 0:
            raise LimitsExceeded(StopReason.STEPS, f"{self.steps} model calls, the cap is {cap.steps}")
        if self.seconds_left <= 0:
            raise LimitsExceeded(StopReason.TIME, f"the cap is {cap.seconds:.0f} seconds")
        if price is None and cap.tokens <= 0:
            raise LimitsExceeded(StopReason.UNPRICED, "The model's price is not known: state a cap on its tokens")
        if self.cost_usd >= cap.cost_usd or self.cost_usd + (price or 0.0) > cap.cost_usd:
            spent = f"${self.cost_usd:.4f} spent, the next call costs about ${price or 0:.4f}"
            raise LimitsExceeded(StopReason.MONEY, f"{spent}, the cap is ${cap.cost_usd:.2f}")
        room = cap.tokens - self.tokens - tokens_in
        if room < LEAST_ANSWER:
            spent = f"{self.tokens:,} spent, the next call needs about {tokens_in + LEAST_ANSWER:,}"
            raise LimitsExceeded(StopReason.TOKENS, f"{spent}, the cap is {cap.tokens:,}")
        return min(ANSWER_TOKENS, room)

    def expect(self, counted: int) -> int:
        """About how many tokens those counted by our tokenizer are, by the provider's count of the last call's."""
        return int(counted * self._ratio)

    def most(self, counted: int) -> int:
        """How many tokens those counted by our tokenizer are at worst."""
        return int(counted * max(1.0, self._ratio) * _MARGIN)

    def settle(self, completion: Completion, expected: int) -> None:
        """Count one answered call, whose messages were `expected` to be that many tokens."""
        if completion.tokens_in:
            self._ratio = max(0.5, self._ratio * completion.tokens_in / max(1, expected))
        self.steps += 1
        self.tokens += completion.tokens_in + completion.tokens_out
        self.cost_usd += completion.cost_usd

    def lose(self, usage: Usage) -> None:
        """Count one call that gave no answer and was billed all the same."""
        self.tokens += usage.tokens_in + usage.tokens_out
        self.cost_usd += usage.cost_usd

    @property
    def figures(self) -> str:
        """What was spent, in one line for people."""
        money = f", ${self.cost_usd:.4f}" if self.cost_usd else ""
        return f"{self.steps} {'step' if self.steps == 1 else 'steps'}, {self.tokens:,} tokens{money}"
