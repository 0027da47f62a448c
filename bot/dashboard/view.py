"""A Run as its page shows it: header, stages, proof, patch, what was tried. Pure; made by pages.py and events.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from bot.core.machine import ENDED, State
from bot.core.run import JournalEntry, Run, SubjectKind
from bot.dashboard.diff import Diff, read_diff
from bot.dashboard.lines import Line, Tone, line_of, money, seconds_text
from bot.dashboard.reading import settled
from bot.run.progress import STAGE_ORDER, diff_of, stage_lines, summary_of, tried_lines

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class StageView:
    """One step of the timeline. `status` is waiting, running or finished; `since` is when a running one began."""

    name: str
    status: str
    took: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses at GitHub; empty where there is nothing to link to."""

    repository: str = ""
    issue: str = ""
    pull_request: str = ""
    branch: str = ""


@dataclass(frozen=True, slots=True)
class RunView:
    """Everything that the page of one Run shows."""

    run: Run
    state: str
    tone: Tone
    live: bool
    age: str
    cost: str
    links: Links
    stages: tuple[StageView, ...]
    lines: tuple[Line, ...]
    diff: Diff | None
    summary: str
    tried: tuple[str, ...]

    @property
    def last_seq(self) -> int:
        """The newest journal entry on the page: the live stream carries on after it."""
        return self.lines[-1].seq if self.lines else 0


def view_of(run: Run, entries: Sequence[JournalEntry], *, server_url: str, now: datetime) -> RunView:
    """Put together the page of `run` from it and its whole journal."""
    diff = diff_of(entries)
    return RunView(
        run=run,
        state=state_text(run.state),
        tone=tone_of(run.state),
        live=not settled(run),
        age=age_text((now - run.created_at).total_seconds()),
        cost=cost_text(run, entries),
        links=links_of(run, server_url),
        stages=stages_of(run, entries),
        lines=tuple(line_of(entry) for entry in entries),
        diff=read_diff(diff) if diff.strip() else None,
        summary=summary_of(entries),
        tried=tried_lines(entries),
    )


def state_text(state: State) -> str:
    """The state as people read it."""
    return state.value.replace("_", " ")


def tone_of(state: State) -> Tone:
    """The colour of a state."""
    if state in (State.DONE, State.IN_REVIEW):
        return Tone.GOOD
    if state is State.FAILED:
        return Tone.BAD
    return Tone.QUIET if state in ENDED or state is State.QUEUED else Tone.BUSY


def cost_text(run: Run, entries: Iterable[JournalEntry]) -> str:
    """What the Run has cost so far: the journal knows a model's call before the Run does."""
    return money(max(run.cost_usd, sum(entry.cost_usd for entry in entries)))


def age_text(seconds: float) -> str:
    """How long ago, in one unit: `just now`, `5 min ago`, `3 h ago`, `2 d ago`."""
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE:.0f} min ago"
    return f"{seconds // _HOUR:.0f} h ago" if seconds < _DAY else f"{seconds // _DAY:.0f} d ago"


def links_of(run: Run, server_url: str) -> Links:
    """Where the Run's repository, issue, pull request and branch are; a local Run links to nothing."""
    if run.subject.kind is SubjectKind.LOCAL:
        return Links()
    repository = f"{server_url}/{quote(run.repository)}"
    return Links(
        repository,
        f"{repository}/issues/{run.subject.number}" if run.subject.number else "",
        f"{repository}/pull/{run.pull_request}" if run.pull_request else "",
        f"{repository}/tree/{quote(run.branch)}" if run.branch else "",
    )


def stages_of(run: Run, entries: Iterable[JournalEntry]) -> tuple[StageView, ...]:
    """The four stages in the order of the road, whether reached or not; a settled Run has none running."""
    entries = list(entries)
    begun = {str(entry.data.get("stage")): entry.at for entry in entries if entry.kind == "stage.started"}
    reached = {stage.name: stage.seconds for stage in stage_lines(entries)}
    return tuple(_stage(run, name, reached, begun) for name in STAGE_ORDER)


def _stage(run: Run, name: str, reached: dict[str, float | None], begun: dict[str, datetime]) -> StageView:
    if name not in reached:
        return StageView(name, "waiting")
    seconds = reached[name]
    if seconds is not None:
        return StageView(name, "finished", seconds_text(seconds))
    return StageView(name, "stopped") if settled(run) else StageView(name, "running", since=begun[name].isoformat())
