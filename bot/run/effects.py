"""Exactly-once writes to GitHub (DESIGN.md decision 4): recorded before and after, looked for before a retry writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.store import EffectState
from bot.store.effects import Effects

T = TypeVar("T")
Result = dict[str, object]


async def once(
    effects: Effects,
    key: str,
    *,
    kind: str,
    find: Callable[[], Awaitable[T | None]],
    make: Callable[[], Awaitable[T]],
    result: Callable[[T], Result],
    run_id: str = "",
) -> Result:
    """Make a write unless it was made; returns its recorded result (JSON-ready).

    A key begun but not finished belongs to a worker that died, or to an answer that was lost: then `find` looks
    whether the write is there before `make` writes again.
    """
    effect = await effects.begin(key, run_id, kind)
    if effect.state is EffectState.DONE and effect.result is not None:
        return effect.result
    found = None if effect.created else await find()
    outcome = result(found if found is not None else await make())
    await effects.finish(key, outcome)
    return outcome
