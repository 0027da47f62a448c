"""Where a Run's repository lives and where its result goes: GitHub, or a local repository (`fettle fix`).

The stages speak to this Protocol only, so the same pipeline serves both (bot.run.github_forge, bot.run.local_forge).
Every write is a reconciler: called twice, it finds what the first call made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr
from slugify import slugify

from bot.core.messages import Progress
from bot.core.run import Run
from bot.services.git import Person

BOT = Person("fettle[bot]", "fettle[bot]@users.noreply.github.com")
"""Who makes the commits in our mirrors; on GitHub the App itself does."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to fetch from: `key` names the mirror, `token` (if any) may read the repository."""

    key: str
    url: str
    token: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a Patch: its branch, its commit there, and the pull request's number (None: only a branch)."""

    branch: str
    head: str
    pull_request: int | None = None


class Forge(Protocol):
    """The repository's home."""

    async def origin(self, run: Run) -> Origin:
        """Where the Run's repository is fetched from."""
        ...

    async def announce(self, run: Run) -> None:
        """Show that the request was seen."""
        ...

    async def show(self, run: Run, progress: Progress) -> None:
        """Bring the one progress comment up to date."""
        ...

    async def publish(self, run: Run, summary: str, progress: Progress) -> Published:
        """Branch, commit, pull request and check run for `run.patch`: exactly one of each, however often called."""
        ...

    async def keep(self, run: Run) -> Published:
        """Put the unproven `run.patch` on a branch, without a pull request."""
        ...

    async def conclude(self, run: Run, progress: Progress) -> None:
        """Say the last word on the Run."""
        ...


def branch_name(run: Run) -> str:
    """`fettle/issue-12-slug`, or without an issue `fettle/fix-slug`; the slug is ASCII and at most 40 characters."""
    slug = slugify(run.subject.title, max_length=40, word_boundary=True) or "what-fails"
    return f"fettle/issue-{run.subject.number}-{slug}" if run.subject.number else f"fettle/fix-{slug}"
