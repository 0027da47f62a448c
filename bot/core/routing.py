"""Which model works on an attempt: modes with their limits, the operator's list, cheap tries first. Pure.

`FETTLE_MODEL` is parsed here; bot.repair.agent.fixer asks for the order of models of each attempt. Two attempts of a
cheap model behind the gate find as much as one of a model nine times dearer (REPAIR.md), so the cheapest goes first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TypeVar

from bot.core.errors import UserError
from bot.core.policy.verdict import Refused

N = TypeVar("N", int, float)

CHEAP_TRIES = 2
"""Attempts of the cheapest allowed model before the next stronger one."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens in, and a million out."""

    input_usd: float
    output_usd: float

    @property
    def per_1k(self) -> float:
        """US dollars for a thousand of its dearer tokens: what a policy's ceiling is held against."""
        return max(self.input_usd, self.output_usd) / 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model by litellm's name; `price` is None when nobody has said it."""

    name: str
    price: Price | None = None


class Mode(StrEnum):
    """How much a Run may ask of models."""

    NORMAL = "normal"
    DEEP = "deep"
    CODE = "code"
    OPS = "ops"


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of one attempt; None is no limit. `per_1k_usd` caps the price of a thousand tokens, `cost_usd` the money.

    `models` are patterns (`openai/*`) in order of preference; empty takes the operator's list as it is. `model_steps`
    are (pattern, steps): the first that matches caps that model's steps below `steps`.
    """

    per_1k_usd: float | None = None
    steps: int | None = None
    cost_usd: float | None = None
    models: tuple[str, ...] = ()
    model_steps: tuple[tuple[str, int], ...] = ()

    def steps_for(self, model: str) -> int | None:
        """The cap on that model's steps."""
        own = next((steps for pattern, steps in self.model_steps if fnmatchcase(model, pattern)), None)
        return _lower(self.steps, own)

    def tighter(
        self, *, per_1k_usd: float | None = None, steps: int | None = None, cost_usd: float | None = None
    ) -> Policy:
        """The policy with those limits where they are lower: how a repository's configuration may change it."""
        return replace(
            self,
            per_1k_usd=_lower(self.per_1k_usd, per_1k_usd),
            steps=_lower(self.steps, steps),
            cost_usd=_lower(self.cost_usd, cost_usd),
        )


NO_LIMITS = Policy()
"""Any model of the operator's list, within the Run's own allowance."""

POLICIES: Mapping[Mode, Policy] = MappingProxyType(
    {
        Mode.NORMAL: Policy(per_1k_usd=0.01, steps=10, cost_usd=1.0),
        Mode.DEEP: Policy(per_1k_usd=0.10, steps=50, cost_usd=5.0),
        Mode.CODE: Policy(per_1k_usd=0.03, steps=20, cost_usd=2.0),
        Mode.OPS: Policy(per_1k_usd=0.001, steps=5, cost_usd=0.1),
    }
)
"""What each mode allows, before the operator's own caps."""


def parse(text: str) -> tuple[Candidate, ...]:
    """Read `FETTLE_MODEL`: names in order of preference, comma-separated, each with its price when litellm lacks it.

    `openai/mine=0.25/2` states US dollars for a million tokens in and out. Raises UserError with one sentence.
    """
    found = tuple(_parsed(part.strip()) for part in text.split(",") if part.strip())
    if not found:
        raise UserError("FETTLE_MODEL names no model.")
    names = [candidate.name for candidate in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"FETTLE_MODEL names {twice[:80]} twice.")
    return found


def allowed(policy: Policy, candidates: Sequence[Candidate], *, token_cap: int) -> tuple[Candidate, ...] | Refused:
    """The candidates that the policy allows, in order of preference; Refused, saying why of each, when none is.

    A model of unknown price needs a cap on tokens (`token_cap` above 0), because money cannot cap it.
    """
    wanted = _preferred(policy, candidates)
    if not wanted:
        return Refused(f"No model is allowed: none is like {', '.join(policy.models) or 'any'}.")
    reasons = [_against(policy, candidate, token_cap) for candidate in wanted]
    fit = tuple(candidate for candidate, reason in zip(wanted, reasons, strict=True) if not reason)
    return fit or Refused(f"No model is allowed: {'; '.join(reasons)}.")


def order(candidates: Sequence[Candidate], attempt: int) -> tuple[Candidate, ...]:
    """Who works on that attempt (from 0), then who steps in when it fails, most preferred first.

    `candidates` are allowed and in order of preference. Dearer stands for stronger; an unknown price counts as the
    dearest, because nobody has said that it is cheap.
    """
    ladder = sorted(candidates, key=lambda one: one.price.per_1k if one.price else math.inf)
    rung = max(0, min(attempt - CHEAP_TRIES + 1, len(ladder) - 1))
    return (ladder[rung], *(one for one in candidates if one is not ladder[rung]))


def attempts(models: int) -> int:
    """How many attempts take that many models each to its turn: the cheapest has two."""
    return CHEAP_TRIES + models - 1


def _parsed(part: str) -> Candidate:
    name, stated, price = part.partition("=")
    name = name.strip()
    if not stated:
        return Candidate(name)
    try:
        into, out = (float(figure) for figure in price.split("/"))
    except ValueError:
        into = out = math.nan
    if not name or not (0 <= into < math.inf and 0 <= out < math.inf):
        raise UserError(
            f"FETTLE_MODEL: {part[:80]!r} does not state a price: write NAME=IN/OUT, US dollars for a million tokens."
        )
    return Candidate(name, Price(into, out))


def _preferred(policy: Policy, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    if not policy.models:
        return tuple(candidates)
    found = [one for pattern in policy.models for one in candidates if fnmatchcase(one.name, pattern)]
    return tuple(dict.fromkeys(found))


def _against(policy: Policy, candidate: Candidate, token_cap: int) -> str:
    """Why the policy does not allow it; empty when it does."""
    name, price, ceiling = candidate.name[:80], candidate.price, policy.per_1k_usd
    if price is None:
        return "" if token_cap > 0 else f"the price of {name} is not known: state it, or a cap on its tokens"
    if ceiling is not None and price.per_1k > ceiling:
        return f"{name} costs ${price.per_1k:g} for 1,000 tokens, the ceiling is ${ceiling:g}"
    return ""


def _lower(one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
