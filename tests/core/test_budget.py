"""Whether one more call fits: a pure decision over the lines of every account."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.budget import NANO, Account, Caps, Line, Payer, Quote, Scope, account, grant, nano, nano_up
from bot.core.policy.verdict import Refused

NIGHT = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
amounts = st.integers(0, 10 * NANO)
lines = st.lists(st.builds(Line, st.sampled_from(Scope), st.none() | amounts, amounts, amounts), max_size=3)


@given(amounts, amounts, lines)
def test_a_grant_never_exceeds_what_any_line_has_left(wanted: int, least: int, lines: list[Line]) -> None:
    match grant(wanted, least, lines):
        case Refused(reason):
            assert any(line.left is not None and line.left < min(least, wanted) for line in lines)
            assert "may spend" in reason
        case granted:
            assert min(least, wanted) <= granted <= wanted
            for line in lines:
                assert line.cap is None or granted == 0 or line.spent + line.held + granted <= line.cap


@given(lines)
def test_what_costs_nothing_always_fits(lines: list[Line]) -> None:
    assert grant(0, 0, lines) == 0


def test_a_refusal_gives_the_figures() -> None:
    line = Line(Scope.REPOSITORY_DAY, cap=5 * NANO, spent=nano(4.98), held=nano(0.015))

    assert grant(nano(0.05), nano(0.01), [Line(Scope.RUN, None), line]) == Refused(
        "of the $5.00 that this repository may spend a day, $4.9800 is spent and $0.0150 is held by calls under way; "
        "the next call may cost $0.0100"
    )


def test_an_answer_is_shortened_to_what_is_left() -> None:
    assert grant(nano(0.05), nano(0.01), [Line(Scope.RUN, nano(1.0), nano(0.97))]) == nano(0.03)


@given(st.floats(0, 1e6))
def test_money_is_whole_and_reservations_round_up(usd: float) -> None:
    assert nano(usd) <= nano_up(usd) <= nano(usd) + 1
    assert nano(usd) / NANO == pytest.approx(usd, abs=1e-9)


@pytest.mark.parametrize("usd", [-0.01, math.inf, math.nan])
def test_what_is_no_amount_is_a_bug(usd: float) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        nano(usd)
    with pytest.raises(ValueError, match="not an amount"):
        nano_up(usd)


def test_accounts_end_with_their_period() -> None:
    assert Payer("run-1", 7, 9).accounts(NIGHT) == (
        Account(Scope.INSTALLATION_MONTH, "9", "2026-11"),
        Account(Scope.REPOSITORY_DAY, "7", "2026-11-30"),
        Account(Scope.RUN, "run-1", ""),
    )
    assert account(Scope.RUN, "run-1", NIGHT) == account(Scope.RUN, "run-1", datetime(2027, 1, 1, tzinfo=UTC))


def test_every_scope_has_its_cap() -> None:
    caps = Caps(1.0, 2.0, 3.0)

    assert [caps.of(scope) for scope in Scope] == [1.0, 2.0, 3.0]


@given(st.floats(0, 1), st.floats(0, 1e-3), st.integers(0, 10_000), st.floats(0, 10))
def test_an_answer_has_the_room_that_is_paid_for(input_usd: float, token_usd: float, most: int, usd: float) -> None:
    quote = Quote(input_usd, token_usd)
    room = quote.room(usd, most)

    assert 0 <= room <= most
    assert room == 0 or quote.of(room) <= usd + 1e-8
    assert quote.room(quote.of(most), most) in (most, most - 1)
