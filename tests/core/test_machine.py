"""The state machine: every pair is either in the table or forbidden, and every state can be left until it has ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.machine import ACTIVE, ENDED, TRANSITIONS, WORKING, ForbiddenMove, Move, State, after, diagram


@given(st.sampled_from(State), st.sampled_from(Move))
def test_a_move_follows_the_table_or_is_forbidden(state: State, move: Move) -> None:
    if (state, move) in TRANSITIONS:
        assert after(state, move) is TRANSITIONS[state, move]
    else:
        with pytest.raises(ForbiddenMove):
            after(state, move)


@given(st.lists(st.sampled_from(Move), max_size=40))
def test_no_walk_leaves_an_ended_run_except_to_undo_it(moves: list[Move]) -> None:
    state = State.QUEUED
    for move in moves:
        if (state, move) not in TRANSITIONS:
            continue
        following = after(state, move)
        assert state not in ENDED or following is State.UNDONE
        state = following


@pytest.mark.parametrize("state", sorted(WORKING))
def test_whatever_is_worked_on_can_fail_and_be_cancelled(state: State) -> None:
    assert after(state, Move.FAIL) is State.FAILED
    assert after(state, Move.CANCEL) is State.CANCELLED


def test_the_sets_of_states_do_not_overlap() -> None:
    assert not WORKING & ENDED
    assert WORKING < ACTIVE
    assert not ACTIVE & ENDED


def test_every_state_is_reached() -> None:
    assert {State.QUEUED, *TRANSITIONS.values()} == set(State)


def test_the_diagram_draws_every_transition() -> None:
    lines = diagram().splitlines()
    for (start, move), end in TRANSITIONS.items():
        assert f"    {start} --> {end}: {move}" in lines
