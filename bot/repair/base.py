"""What a Fixer is: one rung of the repair ladder. The edit stage climbs, validate decides what a Patch is worth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bot.core.budget import Caps, Payer, Request, Reserved
from bot.core.patch import Patch
from bot.core.policy.verdict import Refused
from bot.core.proof import Proof
from bot.core.run import FixerName, Plan, Subject
from bot.sandbox.protocol import Session
from bot.toolchains.base import Environment, Project


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one fixer may still spend: US dollars, tokens, model steps and wall seconds."""

    cost_usd: float = 1.0
    tokens: int = 400_000
    steps: int = 30
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Rejected:
    """An earlier Patch of this Run that validate refused, and why: a fixer must not propose it again."""

    fixer: FixerName
    patch: Patch
    proof: Proof


class Note(Protocol):
    """Writes one journal entry; a fixer's model calls carry their cost (US dollars) and tokens."""

    async def __call__(self, kind: str, *, cost_usd: float = 0.0, tokens: int = 0, **data: object) -> None:
        """Append `data` (JSON-ready) under `kind`."""
        ...


class Ledger(Protocol):
    """What decides whether a model call may be paid: bot.store.ledger."""

    async def reserve(self, request: Request) -> Reserved | Refused:
        """Hold the money of a call, or refuse with the sentence that gives the figures."""
        ...

    async def settle(self, reservation: str, cost_usd: float, tokens: int = 0) -> bool:
        """Book what the call did cost in place of what was held."""
        ...

    async def release(self, reservation: str) -> None:
        """Give back what was held for a call that cost nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Purse:
    """Out of which money a fixer pays: the ledger, whose money it is, and the caps on it."""

    ledger: Ledger
    payer: Payer
    caps: Caps


@dataclass(frozen=True, slots=True)
class Task:
    """What a fixer works on. `open_session` opens a run-stage Session over the base tree, environment mounted.

    `stop` says why to stop (cancelled, for instance) or returns an empty string; long work asks it now and then.
    Without a `purse` only the allowance caps what is spent, and Runs do not see each other's spending.
    """

    subject: Subject
    plan: Plan
    base_tree: Path
    project: Project
    environment: Environment
    open_session: Callable[[], Awaitable[Session]]
    note: Note
    allowance: Allowance = field(default_factory=Allowance)
    rejected: tuple[Rejected, ...] = ()
    stop: Callable[[], Awaitable[str]] | None = None
    purse: Purse | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a fixer came to. `patch` is None when it found nothing; `tried` says in short lines what it did.

    `summary` says in one or two sentences what was wrong and what changes (for the pull request's body).
    """

    patch: Patch | None
    summary: str = ""
    tried: tuple[str, ...] = ()
    cost_usd: float = 0.0
    tokens: int = 0


class Fixer(Protocol):
    """One rung."""

    name: FixerName

    async def propose(self, task: Task) -> Proposal:
        """Look for a Patch; never raises for "nothing found". Infrastructure and Retry pass through."""
        ...
