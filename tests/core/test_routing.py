"""Which model works on which attempt, by tables and properties."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import UserError
from bot.core.policy.verdict import Refused
from bot.core.routing import CHEAP_TRIES, POLICIES, Candidate, Mode, Policy, Price, allowed, attempts, order, parse

MINI = Candidate("openai/gpt-5-mini", Price(0.25, 2.0))
FULL = Candidate("openai/gpt-5", Price(1.25, 10.0))
OPUS = Candidate("anthropic/claude-opus-4-5", Price(5.0, 25.0))
LOCAL = Candidate("ollama/qwen3", Price(0.0, 0.0))
UNKNOWN = Candidate("openai/mine")
EVERYONE = (OPUS, FULL, MINI, LOCAL, UNKNOWN)

some = st.lists(st.sampled_from(EVERYONE), min_size=1, max_size=5, unique=True)
policies = st.builds(
    Policy,
    st.none() | st.floats(0, 0.2),
    st.none() | st.integers(0, 60),
    st.none() | st.floats(0, 10),
    st.lists(st.sampled_from(["openai/*", "*opus*", "*"]), max_size=2).map(tuple),
)

NAMES = {
    "openai/gpt-5-mini": (Candidate("openai/gpt-5-mini"),),
    " ollama/qwen3:8b , openai/x@1,": (Candidate("ollama/qwen3:8b"), Candidate("openai/x@1")),
    "openai/mine=0.25/2": (Candidate("openai/mine", Price(0.25, 2.0)),),
    "openai/mine = 0/0": (Candidate("openai/mine", Price(0.0, 0.0)),),
}


@pytest.mark.parametrize(("text", "candidates"), NAMES.items(), ids=NAMES)
def test_a_list_of_models_is_read(text: str, candidates: tuple[Candidate, ...]) -> None:
    assert parse(text) == candidates


WRONG = {
    "": "names no model",
    " , ": "names no model",
    "a=1": "does not state a price: write NAME=IN/OUT",
    "a=1/x": "does not state a price",
    "a=-1/2": "does not state a price",
    "a=nan/2": "does not state a price",
    "a=1/inf": "does not state a price",
    "=1/2": "does not state a price",
    "a,b,a=1/2": "names a twice",
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.items(), ids=WRONG)
def test_another_text_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UserError):
        assert parse(text)


ALLOWED = {
    Mode.OPS: (LOCAL, UNKNOWN),
    Mode.NORMAL: (FULL, MINI, LOCAL, UNKNOWN),
    Mode.CODE: EVERYONE,
    Mode.DEEP: EVERYONE,
}


@pytest.mark.parametrize(("mode", "fit"), ALLOWED.items(), ids=ALLOWED)
def test_modes_allow_what_their_ceiling_allows(mode: Mode, fit: tuple[Candidate, ...]) -> None:
    assert allowed(POLICIES[mode], EVERYONE, token_cap=1) == fit


def test_a_ceiling_refuses_with_the_figures() -> None:
    assert allowed(POLICIES[Mode.OPS], (OPUS, MINI), token_cap=1) == Refused(
        "No model is allowed: anthropic/claude-opus-4-5 costs $0.025 for 1,000 tokens, the ceiling is $0.001; "
        "openai/gpt-5-mini costs $0.002 for 1,000 tokens, the ceiling is $0.001."
    )


def test_an_unknown_price_needs_a_stated_one_or_a_token_cap() -> None:
    assert allowed(Policy(), (UNKNOWN,), token_cap=0) == Refused(
        "No model is allowed: the price of openai/mine is not known: state it, or a cap on its tokens."
    )
    assert allowed(Policy(), (UNKNOWN,), token_cap=1) == (UNKNOWN,)
    assert allowed(Policy(), parse("openai/mine=1/2"), token_cap=0) == parse("openai/mine=1/2")


def test_a_policy_may_prefer_and_choose_models() -> None:
    policy = Policy(models=("anthropic/*", "openai/gpt-5*"))

    assert allowed(policy, EVERYONE, token_cap=1) == (OPUS, FULL, MINI)
    assert allowed(policy, (LOCAL,), token_cap=1) == Refused(
        "No model is allowed: none is like anthropic/*, openai/gpt-5*."
    )


@given(policies, some, st.integers(0, 1))
def test_what_is_allowed_keeps_every_limit(policy: Policy, candidates: list[Candidate], token_cap: int) -> None:
    fit = allowed(policy, candidates, token_cap=token_cap)

    if isinstance(fit, Refused):
        assert fit.reason.endswith(".")
        return
    assert fit
    assert set(fit) <= set(candidates)
    for one in fit:
        assert token_cap or one.price is not None
        assert one.price is None or policy.per_1k_usd is None or one.price.per_1k <= policy.per_1k_usd


def test_cheap_tries_come_first_then_the_next_stronger() -> None:
    turns = [order((OPUS, FULL, MINI), attempt)[0] for attempt in range(6)]

    assert turns == [MINI, MINI, FULL, OPUS, OPUS, OPUS]
    assert attempts(3) == 4
    assert attempts(1) == CHEAP_TRIES


def test_who_steps_in_goes_by_preference() -> None:
    assert order((OPUS, LOCAL, FULL), 0) == (LOCAL, OPUS, FULL)


def test_an_unknown_price_does_not_count_as_cheap() -> None:
    assert order((UNKNOWN, OPUS), 0)[0] == OPUS


@given(some, st.integers(0, 20))
def test_every_candidate_has_its_place_once(candidates: list[Candidate], attempt: int) -> None:
    turn = order(candidates, attempt)

    assert sorted(turn, key=str) == sorted(candidates, key=str)
    assert turn[0] is order(candidates, attempt)[0]


@given(some)
def test_attempts_give_each_model_its_turn(candidates: list[Candidate]) -> None:
    turns = {order(candidates, attempt)[0] for attempt in range(attempts(len(candidates)))}

    assert turns == set(candidates)


@given(policies, st.none() | st.floats(0, 1), st.none() | st.integers(0, 99), st.none() | st.floats(0, 10))
def test_a_repository_only_tightens(
    policy: Policy, per_1k_usd: float | None, steps: int | None, cost_usd: float | None
) -> None:
    tighter = policy.tighter(per_1k_usd=per_1k_usd, steps=steps, cost_usd=cost_usd)

    for name in ("per_1k_usd", "steps", "cost_usd"):
        before, after = getattr(policy, name), getattr(tighter, name)
        assert before is None or (after is not None and after <= before)


def test_a_model_may_have_fewer_steps_than_the_policy() -> None:
    policy = Policy(steps=50, model_steps=(("ollama/*", 20), ("*", 99)))

    assert policy.steps_for("ollama/qwen3") == 20
    assert policy.steps_for("openai/gpt-5") == 50
    assert Policy(model_steps=(("ollama/*", 20),)).steps_for("openai/gpt-5") is None
