"""Exactly-once writes to GitHub (DESIGN.md decision 4): recorded before and after, looked for before a retry writes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.core.errors import Retry, UserError
from bot.store import EffectState
from bot.store.effects import Effects

T = TypeVar("T")
Result = dict[str, object]

_SETTLED_SECONDS = 40.0  # longer than any one call to GitHub lasts


async def once(
    effects: Effects,
    key: str,
    *,
    kind: str,
    find: Callable[[], Awaitable[T | None]],
    make: Callable[[], Awaitable[T]],
    result: Callable[[T], Result],
    run_id: str = "",
    leased: bool = True,
) -> Result:
    """Make a write unless it was made; returns its recorded result (JSON-ready), the same to whoever asks.

    A key begun but not finished belongs to a worker that died, or to an answer that was lost: then `find` looks
    whether the write is there before `make` writes again. Without a lease (`leased` false) it may as well belong to a
    worker that is writing now, so the first who meets it raises Retry and looks later.
    """
    effect = await effects.begin(key, run_id, kind)
    if effect.state is EffectState.DONE and effect.result is not None:
        return effect.result
    if not (effect.created or leased) and (await effects.begin(f"{key}:wait", run_id, "wait")).created:
        raise Retry("another worker may be writing this", _SETTLED_SECONDS)
    outcome = result(await _found_or_made(find, make, look=not effect.created))
    await effects.finish(key, outcome)
    # Somebody who took over may have finished first: what is recorded counts, or two would go on with two commits.
    known = await effects.get(key)
    return outcome if known is None or known.result is None else known.result


async def _found_or_made(find: Callable[[], Awaitable[T | None]], make: Callable[[], Awaitable[T]], *, look: bool) -> T:
    if look and (found := await find()) is not None:
        return found
    try:
        return await make()
    except UserError:
        # Refused, perhaps because it is there: the worker that had the lease before may have been in the middle of it.
        found = await find()
        if found is None:
            raise
        return found
