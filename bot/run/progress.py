"""What a Run's journal says about its progress: stages with durations, and what was tried. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bot.core.messages import StageLine
from bot.core.run import JournalEntry

STAGE_ORDER = ("plan", "edit", "validate", "publish")

RETRY_ENDS = frozenset({"state", "ending", "climbed"})
"""Entries that say that the Run got further: tries are counted anew."""

TAKEN_ENDS = RETRY_ENDS | {"retry"}
"""Entries by which a worker gives the Run back; a `taken` without one was a worker that died."""


def tries(entries: Iterable[JournalEntry], kind: str, ends: frozenset[str]) -> int:
    """How many entries of `kind` there are since the last one in `ends`."""
    count = 0
    for entry in entries:
        count = 0 if entry.kind in ends else count + (entry.kind == kind)
    return count


def stage_lines(entries: Iterable[JournalEntry]) -> tuple[StageLine, ...]:
    """Every stage that was entered, in the order of the road; repeated visits add up, an open one has no seconds."""
    seconds: dict[str, float] = {}
    running: str | None = None
    for entry in entries:
        if entry.kind == "stage.started":
            running = str(entry.data.get("stage"))
            seconds.setdefault(running, 0.0)
        elif entry.kind == "stage.finished":
            stage = str(entry.data.get("stage"))
            seconds[stage] = seconds.get(stage, 0.0) + _number(entry.data.get("seconds"))
            running = None
    known = [stage for stage in STAGE_ORDER if stage in seconds]
    return tuple(StageLine(stage, None if stage == running else seconds[stage]) for stage in known)


def tried_lines(entries: Iterable[JournalEntry]) -> tuple[str, ...]:
    """What the fixers say they tried, in order, and why their patches were not proven."""
    lines: list[str] = []
    for entry in entries:
        if entry.kind == "fixer.finished":
            tried = entry.data.get("tried")
            lines += [str(line) for line in tried] if isinstance(tried, list) else []
        elif entry.kind == "patch.rejected":
            lines.append(f"{entry.data.get('fixer')}: a patch was not proven ({entry.data.get('why')})")
    return tuple(dict.fromkeys(lines))


def summary_of(entries: Iterable[JournalEntry]) -> str:
    """The summary that came with the last proposed patch."""
    found = [entry.data for entry in entries if entry.kind == "fixer.finished" and entry.data.get("found")]
    return str(found[-1].get("summary", "")) if found else ""


def diff_of(entries: Iterable[JournalEntry]) -> str:
    """The unified diff of the last proposed patch, empty when there was none."""
    found = [entry.data for entry in entries if entry.kind == "run.diff"]
    return str(found[-1].get("diff", "")) if found else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
