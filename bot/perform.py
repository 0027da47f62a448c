"""The one place where an Intent becomes an effect. Called from bot.jobs.deliver, once per intent and possibly again.

Every branch is safe to repeat: runs are unique per delivery and subject, replies are keyed by delivery and position.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import assert_never

from bot.core.intents import CancelRun, EndReview, Forget, Intent, Register, Reply, StartRun, Suspend
from bot.core.messages import marker
from bot.run.effects import once
from bot.run.pipeline import Pipeline
from bot.services.queue import Queue
from bot.store import Repository


@dataclass(frozen=True, slots=True)
class Performer:
    """Performs intents for one process. `key` names the delivery and the intent's place in it."""

    pipeline: Pipeline
    queue: Queue

    async def perform(self, intent: Intent, key: str) -> None:
        """Make `intent` so; raises Retry and UserError as the services do."""
        store = self.pipeline.services.store
        match intent:
            case StartRun():
                await self._start(intent, key)
            case CancelRun():
                if await self.pipeline.cancel(intent.run_id, intent.why):
                    await advance_soon(self.queue, intent.run_id)
            case EndReview():
                await self.pipeline.end_review(intent.run_id, merged=intent.merged, by=intent.by)
            case Reply():
                await self._reply(intent, key)
            case Register(repositories):
                await store.repositories.upsert(
                    [Repository(r.id, r.installation_id, r.full_name, r.default_branch, True) for r in repositories]
                )
            case Forget():
                await store.repositories.remove(intent.repository_ids)
                if intent.whole:
                    await store.repositories.forget_installation(intent.installation_id)
            case Suspend():
                await store.repositories.suspend(intent.installation_id, intent.suspended)
            case other:
                assert_never(other)

    async def _start(self, intent: StartRun, key: str) -> None:
        repository = intent.repository
        await self.pipeline.services.store.repositories.upsert(
            [
                Repository(
                    repository.id, repository.installation_id, repository.full_name, repository.default_branch, True
                )
            ]
        )
        run, _ = await self.pipeline.start(
            repository_id=repository.id,
            installation_id=repository.installation_id,
            repository=repository.full_name,
            subject=intent.subject,
            asked_by=intent.asked_by,
            run_id=run_id_of(key.rpartition(":")[0], intent.subject.key),
        )
        await advance_soon(self.queue, run.id)

    async def _reply(self, intent: Reply, key: str) -> None:
        github = self.pipeline.services.github
        if github is None:
            raise AssertionError("replies are for GitHub")
        client = github.repository(intent.repository)
        mark = marker(f"reply:{key}")
        await once(
            self.pipeline.services.store.effects,
            f"reply:{key}",
            kind="comment",
            find=lambda: client.find_comment(intent.number, mark),
            make=lambda: client.create_comment(intent.number, f"{intent.text}\n\n{mark}"),
            result=lambda comment: {"id": comment.id},
            leased=False,
        )
        if intent.reaction is not None:
            await client.add_reaction(intent.reaction, issue=intent.number)


def run_id_of(delivery_id: str, subject_key: str) -> str:
    """The id of the Run that a delivery starts: a delivery that is handled again finds its own Run, ended or not."""
    return hashlib.sha256(f"{delivery_id}\0{subject_key}".encode()).hexdigest()[:12]


async def advance_soon(queue: Queue, run_id: str, delay: float = 0.0, *, job_id: str | None = None) -> None:
    """Enqueue the Run's next stage; ids are not used for long, since arq locks the id of a job whose worker died."""
    await queue.enqueue("advance", run_id, delay=delay, job_id=job_id)
