"""A Run and the words around it: its subject, its target, its outcome. Stored by bot.store, moved by bot.run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.core.findings import Finding, TestReport
from bot.core.machine import State
from bot.core.patch import Patch
from bot.core.proof import Proof


class SubjectKind(StrEnum):
    """What a Run is about."""

    ISSUE = "issue"
    LOCAL = "local"  # `fettle fix`: a local repository and a text


@dataclass(frozen=True, slots=True)
class Subject:
    """What a Run is about: the text is untrusted. `number` is 0 when the kind has none."""

    kind: SubjectKind
    number: int
    title: str
    body: str = ""
    author: str = ""

    @property
    def key(self) -> str:
        """The identity inside one repository: at most one active Run has it."""
        return f"{self.kind}:{self.number}"


class FixerName(StrEnum):
    """The rungs of the repair ladder, cheapest first."""

    MECHANICAL = "mechanical"
    SEARCH = "search"
    AGENT = "agent"


class TargetKind(StrEnum):
    """What must change for the Run to have succeeded."""

    TESTS = "tests"  # these failing tests must pass
    FINDINGS = "findings"  # these findings must go
    DESCRIBED = "described"  # only the text says it: nothing fails yet


@dataclass(frozen=True, slots=True)
class Target:
    """What the Run is to achieve, decided by the plan stage and bound to the base commit."""

    kind: TargetKind
    tests: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """What tests and checks said on the untouched base tree."""

    tests: TestReport
    findings: tuple[Finding, ...] = ()
    unheard: tuple[str, ...] = ()  # names of checks that could not say anything


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan stage's result: target and baseline for `base` (40 hex digits)."""

    base: str
    toolchain: str
    target: Target
    baseline: Baseline


class Ending(StrEnum):
    """Why a Run ended, for machines; `Run.reason` says it for people."""

    PUBLISHED = "published"
    MERGED = "merged"
    NEEDS_MODEL = "needs_model"
    NOTHING_FOUND = "nothing_found"
    NOT_PROVEN = "not_proven"
    REFUSED = "refused"
    BUDGET = "budget"
    CANCELLED = "cancelled"
    ERROR = "error"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt to change one repository for one subject. Times are aware UTC; money is US dollars.

    `rung` indexes the ladder of fixers; `patch` and `proof` are the present candidate, or after a failure the best one.
    `lease_until` in the past means nobody works on it.
    """

    id: str
    repository_id: int
    installation_id: int
    repository: str
    subject: Subject
    state: State
    asked_by: str
    created_at: datetime
    updated_at: datetime
    base: str = ""
    branch: str = ""
    head: str = ""
    rung: int = 0
    tries: int = 0
    fixer: FixerName | None = None
    plan: Plan | None = None
    patch: Patch | None = None
    proof: Proof | None = None
    pull_request: int | None = None
    ending: Ending | None = None
    reason: str = ""
    cost_usd: float = 0.0
    cancel: str = ""  # why cancelling was asked for; empty: it was not
    lease_owner: str = ""
    lease_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of a Run's append-only record. `seq` rises within the whole table; `data` is JSON-ready."""

    seq: int
    run_id: str
    at: datetime
    kind: str
    data: dict[str, object] = field(default_factory=dict)
    cost_usd: float = 0.0
    tokens: int = 0
