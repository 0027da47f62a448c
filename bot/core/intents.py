"""Intents: data that says what to do. Handlers return them, bot.perform alone turns them into effects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.core.events import RepositoryRef
from bot.core.run import Subject


class Reaction(StrEnum):
    """What users of such bots know (CONVENTIONS.md), by GitHub's own names."""

    SEEN = "eyes"
    DONE = "rocket"
    ACCEPTED = "+1"
    REFUSED = "confused"


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start a Run for `subject`, unless one is active."""

    repository: RepositoryRef
    subject: Subject
    asked_by: str


@dataclass(frozen=True, slots=True)
class CancelRun:
    """Stop the active Run and say why."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class EndReview:
    """The Run's pull request was closed."""

    run_id: str
    merged: bool
    by: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A comment on issue or pull request `number`, written once, with a reaction on its first post when given."""

    repository: RepositoryRef
    number: int
    text: str
    reaction: Reaction | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """Remember these repositories as installed."""

    repositories: tuple[RepositoryRef, ...]


@dataclass(frozen=True, slots=True)
class Forget:
    """Repositories went: by id, or with `whole`, the installation's all."""

    installation_id: int
    repository_ids: tuple[int, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Suspend:
    """An installation was suspended, or is back."""

    installation_id: int
    suspended: bool


Intent = StartRun | CancelRun | EndReview | Reply | Register | Forget | Suspend
