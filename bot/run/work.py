"""What a stage works with: services, the Run's forge, the ladder, and the journal with the Run's id bound."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.context import Services
from bot.core.errors import UserError
from bot.core.messages import Progress
from bot.core.run import JournalEntry, Run
from bot.repair.base import Fixer
from bot.run import progress
from bot.run.forge import Forge
from bot.sandbox.protocol import Limits, Session
from bot.services.git import Mirror
from bot.toolchains import detect
from bot.toolchains.base import Environment, Project, Toolchain

SUITE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Work:
    """One stage's view of the world."""

    services: Services
    forge: Forge
    ladder: Sequence[Fixer]
    toolchains: Mapping[str, Toolchain]
    run_id: str

    async def note(self, kind: str, *, cost_usd: float = 0.0, tokens: int = 0, **data: object) -> None:
        """Append to the Run's journal."""
        await self.services.store.journal.append(self.run_id, kind, data, cost_usd=cost_usd, tokens=tokens)

    async def entries(self) -> list[JournalEntry]:
        """The Run's whole journal."""
        found: list[JournalEntry] = []
        while page := await self.services.store.journal.read(self.run_id, after=found[-1].seq if found else 0):
            found += page
        return found

    async def progress(self, run: Run) -> Progress:
        """The Run's progress as its journal tells it."""
        entries = await self.entries()
        return Progress(progress.stage_lines(entries), progress.tried_lines(entries))

    @asynccontextmanager
    async def stage(self, name: str) -> AsyncIterator[None]:
        """Journal a stage's beginning and, when it ended by itself, its seconds."""
        started = time.monotonic()
        await self.note("stage.started", stage=name)
        yield
        seconds = time.monotonic() - started
        await self.note("stage.finished", stage=name, seconds=round(seconds, 3))
        await self.services.store.measures.observe(name, seconds)

    async def mirror(self, run: Run) -> Mirror:
        """The bare mirror of the Run's repository, with the Run's base in it: another machine may have planned."""
        origin = await self.forge.origin(run)
        mirror = self.services.workspace.mirror(origin.key)
        try:
            await mirror.resolve(run.base)
        except UserError:
            await mirror.fetch(origin.url, token=origin.token)
        return mirror

    async def open_session(self, tree: Path, environment: Environment) -> Session:
        """Open a run-stage Session (no network) over `tree` with `environment` mounted."""
        return await self.services.sandbox.open(
            tree, limits=Limits(wall_seconds=SUITE_SECONDS), mounts=environment.mounts, job=self.run_id
        )

    async def prepare(self, tree: Path) -> tuple[Project, Environment]:
        """Detect the kind of project in `tree` and install what it needs (cached); raises UserError when unknown."""
        project = detect(self.toolchains, tree)
        return project, await self.toolchains[project.toolchain].install(project, tree)

    async def stop_reason(self) -> str:
        """Why this Run should stop, or an empty string."""
        return await self.services.store.runs.cancel_reason(self.run_id)
