"""Who pays for a model call, what may be spent, and whether one more call fits. Pure: bot.store.ledger keeps the sums.

Money is counted in whole billionths of a US dollar: sums are exact, and one token of the cheapest model is not nothing.
Days and months are those of UTC, taken when a call is reserved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from bot.core.policy.verdict import Refused

NANO = 1_000_000_000
"""Units of the ledger in a US dollar."""


class Scope(StrEnum):
    """What a cap is about."""

    RUN = "run"
    REPOSITORY_DAY = "repository_day"
    INSTALLATION_MONTH = "installation_month"


_WHO = {
    Scope.RUN: "this run may spend",
    Scope.REPOSITORY_DAY: "this repository may spend a day",
    Scope.INSTALLATION_MONTH: "this installation may spend a month",
}


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be spent, in US dollars; None is no cap."""

    run_usd: float | None = None
    repository_day_usd: float | None = None
    installation_month_usd: float | None = None

    def of(self, scope: Scope) -> float | None:
        """The cap of that scope."""
        match scope:
            case Scope.RUN:
                return self.run_usd
            case Scope.REPOSITORY_DAY:
                return self.repository_day_usd
            case Scope.INSTALLATION_MONTH:
                return self.installation_month_usd
            case _:
                assert_never(scope)


@dataclass(frozen=True, slots=True)
class Account:
    """What is summed up: a Run for ever, a repository for a day, an installation for a month."""

    scope: Scope
    subject: str
    period: str = ""


def account(scope: Scope, subject: int | str, at: datetime) -> Account:
    """The account of that subject (a Run's, repository's or installation's id) at that time (aware, UTC)."""
    match scope:
        case Scope.RUN:
            return Account(scope, str(subject))
        case Scope.REPOSITORY_DAY:
            return Account(scope, str(subject), f"{at:%Y-%m-%d}")
        case Scope.INSTALLATION_MONTH:
            return Account(scope, str(subject), f"{at:%Y-%m}")
        case _:
            assert_never(scope)


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose money a model call is: that of one Run, its repository and its installation."""

    run_id: str
    repository_id: int
    installation_id: int

    def accounts(self, at: datetime) -> tuple[Account, Account, Account]:
        """Its accounts at that time, widest first; every writer locks them in this order."""
        return (
            account(Scope.INSTALLATION_MONTH, self.installation_id, at),
            account(Scope.REPOSITORY_DAY, self.repository_id, at),
            account(Scope.RUN, self.run_id, at),
        )


@dataclass(frozen=True, slots=True)
class Quote:
    """What a call costs at worst, in US dollars: `input_usd` for what is sent, `token_usd` a token of its answer."""

    input_usd: float
    token_usd: float

    def of(self, tokens: int) -> float:
        """The price with an answer of that many tokens."""
        return self.input_usd + self.token_usd * tokens

    def room(self, usd: float, most: int) -> int:
        """The longest answer, of at most `most` tokens, that `usd` pays for; 0 when it does not pay for the input."""
        left = usd - self.input_usd + 1 / NANO  # a nanodollar more, or rounding would take a token away
        if left < 0 or self.token_usd * most <= left:
            return 0 if left < 0 else most
        return int(left / self.token_usd)


@dataclass(frozen=True, slots=True)
class Request:
    """A wish to spend: `usd` is the call's worst case, `least_usd` what a shorter answer would do with (default: all).

    `seconds` is how long the money is held without being settled: longer than the call may last.
    """

    payer: Payer
    caps: Caps
    usd: float
    least_usd: float | None = None
    seconds: float = 900.0


@dataclass(frozen=True, slots=True)
class Reserved:
    """Money that is held: `usd` is at most what was asked for. Settle or release it by `id`."""

    id: str
    usd: float


@dataclass(frozen=True, slots=True)
class Line:
    """One account at the moment of deciding, in nanodollars; `cap` None is no cap."""

    scope: Scope
    cap: int | None
    spent: int = 0
    held: int = 0

    @property
    def left(self) -> int | None:
        """What may still be reserved, never negative; None is any amount."""
        return None if self.cap is None else max(0, self.cap - self.spent - self.held)


def grant(wanted: int, least: int, lines: Iterable[Line]) -> int | Refused:
    """How many of the `wanted` nanodollars every line has left; Refused, with the figures, when below `least`.

    A call that costs nothing always fits: a free model may work on when the money is gone.
    """
    granted = wanted
    for line in lines:
        if line.left is None:
            continue
        if line.left < min(least, wanted):
            return Refused(_sentence(line, min(least, wanted)))
        granted = min(granted, line.left)
    return granted


def nano_up(usd: float) -> int:
    """US dollars as nanodollars, rounded up; raises ValueError for what is no amount (negative, infinite, NaN)."""
    return math.ceil(_amount(usd) * NANO)


def nano(usd: float) -> int:
    """US dollars as the nearest nanodollars; raises ValueError for what is no amount."""
    return round(_amount(usd) * NANO)


def _amount(usd: float) -> float:
    if not (usd >= 0 and math.isfinite(usd)):
        raise ValueError(f"{usd} is not an amount of money")
    return usd


def _sentence(line: Line, least: int) -> str:
    held = f" and ${line.held / NANO:.4f} is held by calls under way" if line.held else ""
    return (
        f"of the ${(line.cap or 0) / NANO:.2f} that {_WHO[line.scope]}, ${line.spent / NANO:.4f} is spent{held}; "
        f"the next call may cost ${least / NANO:.4f}"
    )
