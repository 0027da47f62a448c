"""A local repository as a forge (`fettle fix PATH`): the result is a branch, the words go to the terminal.

The user's work tree, index and current branch are never touched; the commit is made in our own mirror.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.core import messages
from bot.core.messages import Progress
from bot.core.run import Run
from bot.run.forge import BOT, Origin, Published, branch_name
from bot.services.git import LocalRepository, Workspace


@dataclass(frozen=True, slots=True)
class LocalForge:
    """One local repository. `tell` is called with the Run and its progress whenever they change."""

    repository: LocalRepository
    workspace: Workspace
    tell: Callable[[Run, Progress], None]

    async def origin(self, run: Run) -> Origin:
        """The repository's own git folder, read by the `file` protocol."""
        return Origin(self.repository.key, self.repository.url)

    async def announce(self, run: Run) -> None:
        """Nothing to announce: the person is looking at the terminal."""
        self.tell(run, Progress())

    async def show(self, run: Run, progress: Progress) -> None:
        """Tell the terminal."""
        self.tell(run, progress)

    async def publish(self, run: Run, summary: str, progress: Progress) -> Published:
        """Commit the Patch in the mirror and give the repository a branch at that commit."""
        if run.patch is None:
            raise AssertionError("only a run with a patch is published")
        mirror = self.workspace.mirror(self.repository.key)
        # The date is the run's, so a second call makes the very same commit.
        sha = await mirror.commit(run.patch, message=messages.commit_message(run), author=BOT, date=run.created_at)
        branch = await mirror.deliver(self.repository, sha, branch_name(run))
        return Published(branch, sha)

    async def keep(self, run: Run) -> Published:
        """Keep the unproven Patch on a branch too."""
        return await self.publish(run, "", Progress())

    async def conclude(self, run: Run, progress: Progress) -> None:
        """Tell the terminal."""
        self.tell(run, progress)
