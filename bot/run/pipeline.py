"""Start, advance, cancel and end a Run: the one place that moves it along the state machine.

`advance` does one stage under a lease and saves the new state by compare-and-swap, so two workers never both move one.
Called by bot.perform (start, cancel), bot.jobs (advance) and `fettle fix` (all of it, in one process).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from bot.context import Services
from bot.core.errors import Infrastructure, Retry, UserError
from bot.core.machine import ENDED, WORKING, Move, State, after
from bot.core.run import Ending, Run, Subject
from bot.repair.base import Fixer
from bot.run.forge import Forge
from bot.run.lease import LEASE_SECONDS, CancelAsked, Lease, LeaseGone
from bot.run.stages.conclude import conclude
from bot.run.stages.edit import edit
from bot.run.stages.plan import plan
from bot.run.stages.publish import publish
from bot.run.stages.validate import validate
from bot.run.work import Work
from bot.store import LeaseLost
from bot.toolchains.base import Toolchain

RETRIES, TAKEOVERS = 8, 5


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The pipeline of one process. `forge_for` says where a Run's repository lives."""

    services: Services
    forge_for: Callable[[Run], Forge]
    ladder: Sequence[Fixer]
    toolchains: Mapping[str, Toolchain]

    async def start(
        self, *, repository_id: int, installation_id: int, repository: str, subject: Subject, asked_by: str
    ) -> tuple[Run, bool]:
        """Queue a Run; returns the active one and False when the subject has one already."""
        now = self.services.clock()
        wanted = Run(
            id=secrets.token_hex(6),
            repository_id=repository_id,
            installation_id=installation_id,
            repository=repository,
            subject=subject,
            state=State.QUEUED,
            asked_by=asked_by,
            created_at=now,
            updated_at=now,
        )
        run, created = await self.services.store.runs.create(wanted)
        if created:
            await self.services.store.journal.append(run.id, "run.queued", {"asked_by": asked_by})
        return run, created

    async def advance(self, run_id: str) -> Run | None:
        """Do one stage. Returns the Run as saved, or None when it has ended or somebody else is working on it.

        Raises Retry when the same stage should run again later; any other exception is a bug and leaves the Run where
        it was, its lease given back.
        """
        runs, owner = self.services.store.runs, self.services.owner
        run = await runs.acquire(run_id, owner, LEASE_SECONDS)
        if run is None or run.state not in WORKING:
            if run is not None:
                await runs.release(run_id, owner)
            return None
        try:
            moved = await self._one_stage(run)
            return await self._save(run, moved)
        except (LeaseGone, LeaseLost):
            return None
        finally:
            await runs.release(run_id, owner)

    async def cancel(self, run_id: str, why: str) -> Run | None:
        """Ask the Run to stop; whoever works on it notices within a second."""
        run = await self.services.store.runs.request_cancel(run_id, why)
        if run is not None:
            await self.services.store.journal.append(run_id, "cancel.asked", {"why": why})
        return run

    async def end_review(self, run_id: str, *, merged: bool, by: str) -> None:
        """The pull request was merged (done) or closed (cancelled); once, however often it is said."""
        runs, owner = self.services.store.runs, self.services.owner
        run = await runs.acquire(run_id, owner, LEASE_SECONDS)
        if run is None:
            raise Retry("the run is still being worked on", 5.0)
        try:
            if run.state is State.IN_REVIEW:
                move, ending = (Move.FINISH, Ending.MERGED) if merged else (Move.CANCEL, Ending.CANCELLED)
                reason = "" if merged else f"@{by} closed the pull request."
                await self._save(run, replace(run, state=after(run.state, move), ending=ending, reason=reason))
        finally:
            await runs.release(run_id, owner)

    async def crashed(self, run_id: str, sentence: str) -> None:
        """After a bug: let the Run end visibly with `sentence` at its next advance."""
        runs, owner = self.services.store.runs, self.services.owner
        run = await runs.acquire(run_id, owner, LEASE_SECONDS)
        if run is None:
            return
        try:
            if run.state in WORKING:
                failed = replace(run, ending=Ending.ERROR, reason=sentence)
                # A second crash, while saying so, must not go round for ever.
                await self._save(run, replace(failed, state=State.FAILED) if run.ending else failed)
        finally:
            await runs.release(run_id, owner)

    def work(self, run: Run) -> Work:
        """What this Run's stages work with."""
        return Work(self.services, self.forge_for(run), self.ladder, self.toolchains, run.id)

    async def _one_stage(self, run: Run) -> Run:
        work, lease = self.work(run), Lease(self.services.store, run.id, self.services.owner)
        if run.cancel and run.ending is None:
            run = replace(run, ending=Ending.CANCELLED, reason=run.cancel)
        try:
            if run.ending is not None:
                return await lease.keep(conclude(work, run), cancellable=False)
            return await lease.keep(self._stage(work, run), cancellable=run.state is not State.PUBLISHING)
        except CancelAsked as asked:
            return replace(run, ending=Ending.CANCELLED, reason=str(asked))
        except (UserError, Infrastructure) as error:
            await work.note("error", sentence=str(error))
            if run.ending is not None:
                return replace(run, state=after(run.state, Move.FAIL), reason=f"{run.reason} ({error})")
            return replace(run, ending=Ending.ERROR, reason=str(error))
        except Retry as error:
            return await self._again(work, run, error)

    async def _again(self, work: Work, run: Run, error: Retry) -> Run:
        await work.note("retry", why=str(error), seconds=error.seconds)
        retries = sum(entry.kind == "retry" for entry in await work.entries())
        if retries < RETRIES:
            raise error
        if run.ending is not None:
            return replace(run, state=after(run.state, Move.FAIL))
        return replace(run, ending=Ending.ERROR, reason=f"Given up after {retries} tries: {error}")

    async def _stage(self, work: Work, run: Run) -> Run:
        match run.state:
            case State.QUEUED:
                await work.forge.announce(run)
                return replace(run, state=after(run.state, Move.START))
            case State.PLANNING:
                return await self._staged(work, run, "plan")
            case State.EDITING:
                return await self._staged(work, run, "edit")
            case State.VALIDATING:
                return await self._staged(work, run, "validate")
            case State.PUBLISHING:
                return await self._staged(work, run, "publish")
            case State.AWAITING_APPROVAL | State.IN_REVIEW | State.DONE | State.FAILED | State.CANCELLED | State.UNDONE:
                raise AssertionError(f"nobody works on a run that is {run.state}")
            case other:
                assert_never(other)

    async def _staged(self, work: Work, run: Run, name: str) -> Run:
        stages = {"plan": plan, "edit": edit, "validate": validate, "publish": publish}
        async with work.stage(name):
            moved = await stages[name](work, run)
        if moved.ending is None:
            await work.forge.show(moved, await work.progress(moved))
        elif moved.state in (State.IN_REVIEW, State.DONE):
            await work.forge.conclude(moved, await work.progress(moved))
        return moved

    async def _save(self, run: Run, moved: Run) -> Run:
        saved = await self.services.store.runs.save(moved, owner=self.services.owner, expected=run.state)
        if run.state is not moved.state:
            data: dict[str, object] = {"from": run.state.value, "to": moved.state.value, "reason": moved.reason}
            await self.services.store.journal.append(run.id, "state", data)
        return saved


def ended(run: Run) -> bool:
    """Whether nobody will work on the Run again without being asked."""
    return run.state in ENDED or run.state is State.IN_REVIEW
