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
from bot.core.run import Ending, JournalEntry, Run, Subject
from bot.repair.base import Fixer
from bot.run.forge import Forge
from bot.run.lease import LEASE_SECONDS, CancelAsked, Lease, LeaseGone
from bot.run.progress import RETRY_ENDS, TAKEN_ENDS, tries
from bot.run.stages.conclude import conclude, over
from bot.run.stages.edit import edit
from bot.run.stages.plan import plan
from bot.run.stages.publish import publish
from bot.run.stages.validate import validate
from bot.run.work import Work
from bot.store import LeaseLost
from bot.toolchains.base import Toolchain

RETRIES, TAKEOVERS = 8, 5
LONGEST_WAIT = 300.0  # seconds between two tries, unless GitHub asks for more
WAITING = "waiting"  # holds the lease of a Run that waits to be tried again


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The pipeline of one process. `forge_for` says where a Run's repository lives."""

    services: Services
    forge_for: Callable[[Run], Forge]
    ladder: Sequence[Fixer]
    toolchains: Mapping[str, Toolchain]

    async def start(
        self,
        *,
        repository_id: int,
        installation_id: int,
        repository: str,
        subject: Subject,
        asked_by: str,
        run_id: str = "",
    ) -> tuple[Run, bool]:
        """Queue a Run; returns (the one in its way, False) when the subject has an active one, or the id is known."""
        now = self.services.clock()
        wanted = Run(
            id=run_id or secrets.token_hex(6),
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

        Raises Retry when the same stage should run again later, and keeps everybody away until then; any other
        exception is a bug and leaves the Run where it was, its lease given back.
        """
        runs, owner = self.services.store.runs, self._visitor()
        run = await runs.acquire(run_id, owner, LEASE_SECONDS)
        if run is None:
            return None
        try:
            if run.state not in WORKING:
                return None
            return await self._save(run, await self._one_stage(run, owner), owner)
        except (LeaseGone, LeaseLost):
            return None
        except Retry as error:
            # Neither the sweep nor a stray job may come before the time that GitHub named.
            await runs.release(run_id, owner)
            await runs.acquire(run_id, WAITING, error.seconds)
            raise
        finally:
            await runs.release(run_id, owner)

    async def cancel(self, run_id: str, why: str) -> Run | None:
        """Ask the Run to stop; whoever works on it notices within a second, and it does not wait for a retry."""
        runs = self.services.store.runs
        run = await runs.request_cancel(run_id, why)
        if run is not None:
            await runs.release(run_id, WAITING)
            await self.services.store.journal.append(run_id, "cancel.asked", {"why": why})
        return run

    async def end_review(self, run_id: str, *, merged: bool, by: str) -> None:
        """The pull request was merged (done) or closed (cancelled); once, however often it is said.

        Raises Retry while the Run is not in review yet.
        """
        runs, owner = self.services.store.runs, self._visitor()
        run = await runs.acquire(run_id, owner, LEASE_SECONDS)
        if run is None:
            raise Retry("the run is still being worked on", 5.0)
        try:
            if run.state in WORKING:
                raise Retry("the run has not said yet that its pull request is open", 5.0)
            if run.state is State.IN_REVIEW:
                move, ending = (Move.FINISH, Ending.MERGED) if merged else (Move.CANCEL, Ending.CANCELLED)
                reason = "" if merged else f"@{by} closed the pull request."
                over = replace(run, state=after(run.state, move), ending=ending, reason=reason)
                saved, work = await self._save(run, over, owner), self.work(run)
                await work.forge.show(saved, await work.progress(saved))
        finally:
            await runs.release(run_id, owner)

    async def crashed(self, run_id: str, sentence: str) -> None:
        """After a bug: let the Run end visibly with `sentence` at its next advance."""
        runs, owner = self.services.store.runs, self._visitor()
        run = await runs.acquire(run_id, owner, LEASE_SECONDS)
        if run is None:
            return
        try:
            if run.state in WORKING:
                await self._save(run, _stopped(run, sentence), owner)
        finally:
            await runs.release(run_id, owner)

    def work(self, run: Run) -> Work:
        """What this Run's stages work with."""
        return Work(self.services, self.forge_for(run), self.ladder, self.toolchains, run.id)

    def _visitor(self) -> str:
        # A name of its own for each visit: a process that hung may come back to a Run whose lease it has lost.
        return f"{self.services.owner}:{secrets.token_hex(3)}"

    async def _one_stage(self, run: Run, owner: str) -> Run:
        work, lease = self.work(run), Lease(self.services.store, run.id, owner)
        entries = await work.entries()
        run = replace(run, cost_usd=round(sum(entry.cost_usd for entry in entries), 6))
        await work.note("taken", owner=owner)
        if (lost := tries(entries, "taken", TAKEN_ENDS)) >= TAKEOVERS:
            return _stopped(run, f"Given up: {lost} workers in a row died while {run.state.value} this run.")
        if run.cancel and run.ending is None and not _is_publishing(run, entries):
            run = replace(run, ending=Ending.CANCELLED, reason=run.cancel)
        try:
            if run.ending is not None:
                return await lease.keep(conclude(work, run), cancellable=False)
            return await lease.keep(self._stage(work, run), cancellable=run.state is not State.PUBLISHING)
        except CancelAsked as asked:
            return replace(run, ending=Ending.CANCELLED, reason=str(asked))
        except (UserError, Infrastructure) as error:
            await work.note("error", sentence=str(error))
            return _stopped(run, str(error))
        except Retry as error:
            return await self._again(work, run, error, tries(entries, "retry", RETRY_ENDS) + 1)

    async def _again(self, work: Work, run: Run, error: Retry, tried: int) -> Run:
        if tried >= RETRIES:
            await work.note("retry", why=str(error))
            return _stopped(run, f"Given up after {tried} tries: {error}")
        # Twice as long each time, or an outage of two minutes would end every run.
        seconds = max(error.seconds, min(error.seconds * 2 ** (tried - 1), LONGEST_WAIT))
        await work.note("retry", why=str(error), seconds=seconds)
        raise Retry(str(error), seconds) from error

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
        return moved

    async def _save(self, run: Run, moved: Run, owner: str) -> Run:
        saved = await self.services.store.runs.save(moved, owner=owner, expected=run.state)
        append = self.services.store.journal.append
        if run.state is not moved.state:
            data: dict[str, object] = {"from": run.state.value, "to": moved.state.value, "reason": moved.reason}
            await append(run.id, "state", data)
        elif moved.ending is not None and run.ending is not moved.ending:
            await append(run.id, "ending", {"ending": moved.ending.value, "reason": moved.reason})
        elif (run.rung, run.tries) != (moved.rung, moved.tries):
            await append(run.id, "climbed", {"rung": moved.rung, "tries": moved.tries})
        return saved


def _stopped(run: Run, sentence: str) -> Run:
    """The Run with an error to say at its next advance; one that was already saying its last word is over now."""
    if run.ending is None:
        return replace(run, ending=Ending.ERROR, reason=sentence)
    return over(replace(run, reason=" ".join(part for part in (run.reason, f"({sentence})") if part)))


def _is_publishing(run: Run, entries: Sequence[JournalEntry]) -> bool:
    """Whether something may stand on GitHub already: then it is finished, since half of it helps nobody."""
    begun = any(entry.kind == "stage.started" and entry.data.get("stage") == "publish" for entry in entries)
    return run.state is State.PUBLISHING and begun


def ended(run: Run) -> bool:
    """Whether nobody will work on the Run again without being asked."""
    return run.state in ENDED or run.state is State.IN_REVIEW
