"""The Run's state machine: an Enum and one transition table, pure. Only bot.run.pipeline moves along it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a Run is."""

    QUEUED = "queued"
    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    EDITING = "editing"
    VALIDATING = "validating"
    PUBLISHING = "publishing"
    IN_REVIEW = "in_review"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNDONE = "undone"


class Move(StrEnum):
    """What makes a Run change its state."""

    START = "start"
    PLAN = "plan"
    ASK = "ask"
    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    PROVE = "prove"
    PUBLISH = "publish"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"
    UNDO = "undo"


class ForbiddenMove(Exception):
    """The table has no such transition."""


_WORKING = (State.PLANNING, State.EDITING, State.VALIDATING, State.PUBLISHING)

TRANSITIONS: Mapping[tuple[State, Move], State] = MappingProxyType(
    {
        (State.QUEUED, Move.START): State.PLANNING,
        (State.PLANNING, Move.PLAN): State.EDITING,
        (State.PLANNING, Move.ASK): State.AWAITING_APPROVAL,
        (State.AWAITING_APPROVAL, Move.APPROVE): State.EDITING,
        (State.EDITING, Move.EDIT): State.VALIDATING,
        (State.VALIDATING, Move.REJECT): State.EDITING,
        (State.VALIDATING, Move.PROVE): State.PUBLISHING,
        (State.PUBLISHING, Move.PUBLISH): State.IN_REVIEW,
        (State.IN_REVIEW, Move.FINISH): State.DONE,
        (State.PUBLISHING, Move.FINISH): State.DONE,
        (State.IN_REVIEW, Move.UNDO): State.UNDONE,
        (State.DONE, Move.UNDO): State.UNDONE,
        **{(state, Move.FAIL): State.FAILED for state in (State.QUEUED, *_WORKING)},
        **{
            (state, Move.CANCEL): State.CANCELLED
            for state in (State.QUEUED, State.AWAITING_APPROVAL, State.IN_REVIEW, *_WORKING)
        },
    }
)

ENDED = frozenset({State.DONE, State.FAILED, State.CANCELLED, State.UNDONE})
"""States in which nobody works on the Run any more."""

WORKING = frozenset({State.QUEUED, *_WORKING})
"""States that a worker must carry on without being asked: the sweep looks for these."""

ACTIVE = frozenset({*WORKING, State.AWAITING_APPROVAL})
"""States in which a second run for the same subject must wait."""


def after(state: State, move: Move) -> State:
    """The state that `move` leads to from `state`; raises ForbiddenMove when the table has no such transition."""
    try:
        return TRANSITIONS[state, move]
    except KeyError:
        raise ForbiddenMove(f"A run that is {state} cannot {move}.") from None


def diagram() -> str:
    """The table as a mermaid state diagram; ARCHITECTURE.md holds exactly this text."""
    arrows = [f"    {start} --> {end}: {move}" for (start, move), end in TRANSITIONS.items()]
    ends = [f"    {state} --> [*]" for state in State if state in ENDED]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {State.QUEUED}", *arrows, *ends])
