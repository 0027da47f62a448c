"""A journal entry as a line that people read: the same for the page, for the live stream and for tests. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.core.run import JournalEntry
from bot.dashboard.visible import visible

LONGEST = 2000
MOST_DETAILS = 40


class Tone(StrEnum):
    """How a line is coloured; the words carry the meaning, the colour only helps."""

    PLAIN = "plain"
    QUIET = "quiet"
    BUSY = "busy"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a Run's journal, ready to be shown as text. `at` is aware UTC; `cost` is empty when it was free."""

    seq: int
    at: datetime
    kind: str
    text: str
    tone: Tone = Tone.PLAIN
    details: tuple[str, ...] = ()
    cost: str = ""

    def to_json(self) -> dict[str, object]:
        """A JSON-ready form, as the live stream sends it."""
        return {
            "seq": self.seq,
            "at": self.at.isoformat(timespec="seconds"),
            "clock": self.at.strftime("%H:%M:%S"),
            "kind": self.kind,
            "text": self.text,
            "tone": self.tone.value,
            "details": list(self.details),
            "cost": self.cost,
        }


Said = tuple[str, Tone, tuple[str, ...]]
Data = Mapping[str, object]


def line_of(entry: JournalEntry) -> Line:
    """The line of `entry`; a kind that nobody foresaw is shown with its data, never dropped."""
    say = _SAYINGS.get(entry.kind)
    text, tone, details = say(entry.data) if say else (entry.kind, Tone.QUIET, _pairs(entry.data))
    shown = tuple(_cut(detail) for detail in details[:MOST_DETAILS] if detail)
    if len(details) > MOST_DETAILS:
        shown += (f"… and {len(details) - MOST_DETAILS} more",)
    return Line(entry.seq, entry.at, _cut(entry.kind), _cut(text), tone, shown, _cost(entry))


def seconds_text(seconds: float) -> str:
    """A duration for people: `0.42 s`, `12.3 s`, `3 min 05 s`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def money(usd: float) -> str:
    """US dollars for people: free is `$0`, and a tenth of a cent is still seen."""
    return "$0" if usd == 0 else f"${usd:.2f}" if usd >= 1 else f"${usd:.4f}"


def _cost(entry: JournalEntry) -> str:
    parts = [money(entry.cost_usd)] if entry.cost_usd else []
    parts += [f"{entry.tokens:,} tokens"] if entry.tokens else []
    return ", ".join(parts)


def _cut(text: str) -> str:
    return visible(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def _text(data: Data, key: str, default: str = "") -> str:
    value = data.get(key)
    return default if value is None else str(value)


def _texts(data: Data, key: str) -> tuple[str, ...]:
    value = data.get(key)
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


def _took(data: Data) -> str:
    seconds = data.get("seconds")
    return f" in {seconds_text(seconds)}" if isinstance(seconds, int | float) else ""


def _pairs(data: Data, *without: str) -> tuple[str, ...]:
    return tuple(f"{key}: {_plain(value)}" for key, value in data.items() if key not in without)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _stage_started(data: Data) -> Said:
    return f"Stage {_text(data, 'stage')} started", Tone.BUSY, ()


def _stage_finished(data: Data) -> Said:
    return f"Stage {_text(data, 'stage')} finished{_took(data)}", Tone.PLAIN, ()


def _state(data: Data) -> Said:
    came, to = _text(data, "from").replace("_", " "), _text(data, "to").replace("_", " ")
    tone = {"done": Tone.GOOD, "in review": Tone.GOOD, "failed": Tone.BAD, "cancelled": Tone.BAD}.get(to, Tone.PLAIN)
    return f"The run went from {came} to {to}", tone, (_text(data, "reason"),)


def _fixer_started(data: Data) -> Said:
    return f"Fixer {_text(data, 'fixer')} started", Tone.BUSY, ()


def _fixer_finished(data: Data) -> Said:
    found = bool(data.get("found"))
    text = f"Fixer {_text(data, 'fixer')} found {'a patch' if found else 'nothing'}{_took(data)}"
    return text, Tone.GOOD if found else Tone.PLAIN, (_text(data, "summary"), *_texts(data, "tried"))


def _agent_step(data: Data) -> Said:
    tool = _text(data, "tool")
    return f"Model step {_text(data, 'step', '?')}: {tool or 'no tool call'}{_took(data)}", Tone.QUIET, ()


def _agent_tool(data: Data) -> Said:
    failed = bool(data.get("failed"))
    text = f"Tool {_text(data, 'tool')} {'failed' if failed else 'ran'}{_took(data)}"
    return text, Tone.BAD if failed else Tone.QUIET, (_text(data, "about"),)


def _agent_stopped(data: Data) -> Said:
    return f"The model stopped: {_text(data, 'sentence')}", Tone.PLAIN, (_text(data, "figures"),)


def _check_finished(data: Data) -> Said:
    name = _text(data, "check") or _text(data, "name")
    return f"Check {name} finished{_took(data)}", Tone.PLAIN, _pairs(data, "check", "name", "seconds")


def _proof(data: Data) -> Said:
    strength = _text(data, "strength")
    tone = {"proven": Tone.GOOD, "unproven": Tone.BAD}.get(strength, Tone.PLAIN)
    claims = data.get("claims")
    found = [claim for claim in claims if isinstance(claim, Mapping)] if isinstance(claims, list | tuple) else []
    details = tuple(
        f"{'✓' if claim.get('held') else '✗'} {claim.get('name', '')}: {claim.get('detail', '')}" for claim in found
    )
    return f"The patch is {strength}", tone, details


def _rejected(data: Data) -> Said:
    return f"A patch of {_text(data, 'fixer')} was not proven", Tone.BAD, (_text(data, "why"),)


def _kept(data: Data) -> Said:
    return f"The best patch is kept on the branch {_text(data, 'branch')}", Tone.PLAIN, ()


def _diff(data: Data) -> Said:
    rows = _text(data, "diff").splitlines()
    added = sum(row.startswith("+") and not row.startswith("+++") for row in rows)
    removed = sum(row.startswith("-") and not row.startswith("---") for row in rows)
    return f"Patch proposed by {_text(data, 'fixer', 'a fixer')}: +{added} -{removed}", Tone.PLAIN, ()


def _effect(data: Data) -> Said:
    return f"Wrote to GitHub: {_text(data, 'kind')}", Tone.PLAIN, _pairs(data, "kind")


def _error(data: Data) -> Said:
    return f"Error: {_text(data, 'sentence')}", Tone.BAD, _pairs(data, "sentence")


def _retry(data: Data) -> Said:
    seconds = data.get("seconds")
    when = f" in {seconds_text(seconds)}" if isinstance(seconds, int | float) else ""
    return f"Trying again{when}: {_text(data, 'why')}", Tone.QUIET, ()


def _queued(data: Data) -> Said:
    return f"Asked for by {_text(data, 'asked_by', 'nobody known')}", Tone.PLAIN, ()


def _cancel(data: Data) -> Said:
    return f"Cancelling was asked for: {_text(data, 'why')}", Tone.BAD, ()


def _prepared(data: Data) -> Said:
    installed = "installed what it needs" if data.get("installed") else "everything it needs was installed already"
    return f"A {_text(data, 'toolchain')} project at {_text(data, 'base')[:12]}: {installed}", Tone.PLAIN, ()


def _baseline(data: Data) -> Said:
    source = "known from an earlier run" if data.get("cached") else f"measured, suite {_text(data, 'suite')}"
    return (
        f"Tests and checks on the base commit: {source}",
        Tone.PLAIN,
        (_text(data, "detail"), *_texts(data, "unheard")),
    )


def _target(data: Data) -> Said:
    counts = f"{_text(data, 'passing', '0')} tests pass, {_text(data, 'failing', '0')} fail"
    text = f"Target: {_text(data, 'target')}; on the base commit {counts}"
    return text, Tone.PLAIN, (*_texts(data, "tests"), *_texts(data, "findings"))


_SAYINGS: Mapping[str, Callable[[Data], Said]] = {
    "run.queued": _queued,
    "stage.started": _stage_started,
    "stage.finished": _stage_finished,
    "state": _state,
    "plan.prepared": _prepared,
    "plan.baseline": _baseline,
    "plan.target": _target,
    "fixer.started": _fixer_started,
    "fixer.finished": _fixer_finished,
    "agent.step": _agent_step,
    "agent.tool": _agent_tool,
    "agent.stopped": _agent_stopped,
    "check.finished": _check_finished,
    "run.diff": _diff,
    "proof": _proof,
    "patch.rejected": _rejected,
    "patch.kept": _kept,
    "effect": _effect,
    "error": _error,
    "retry": _retry,
    "cancel.asked": _cancel,
}
