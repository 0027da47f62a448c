"""The job bodies and the one job-boundary try/except. Registered by bot.worker; arguments are ids, never payloads.

deliver   a stored delivery: event -> handler -> intents -> effects
advance   one stage of a Run
sweep     what nobody carries on: undone deliveries, runs without a lease; sees every few seconds
recover   webhooks that GitHub could not deliver
prune     old deliveries, unused base trees and old baselines
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any

import structlog

import handlers
from bot.core.errors import Retry, UserError
from bot.core.events import (
    Event,
    IssueClosed,
    IssueLabelled,
    IssueRef,
    IssueUnlabelled,
    Malformed,
    PullRequestClosed,
    RepositoriesChanged,
    parse,
)
from bot.core.machine import State
from bot.core.policy.who import Permission
from bot.core.run import Run, SubjectKind
from bot.core.view import RepoView
from bot.perform import Performer, advance_soon, run_id_of
from bot.run.baseline import baselines
from bot.run.pipeline import Pipeline, ended
from bot.services.github import NotFound, RepositoryClient
from bot.services.queue import Queue
from bot.store import Delivery

log = structlog.get_logger()

DELIVERY_PATIENCE = 20.0  # seconds a delivery may wait before the sweep enqueues it again
RUN_PATIENCE = 5.0
OUTAGE = timedelta(days=3)  # as long as GitHub remembers
KEEP_DELIVERIES = 30 * 86400.0
KEEP_RESERVATIONS = 86400.0
KEEP_BASELINES = 14 * 86400.0


@dataclass(frozen=True, slots=True)
class Office:
    """What jobs work with; arq hands it to each as `ctx["office"]`."""

    pipeline: Pipeline
    performer: Performer
    queue: Queue


Job = Callable[..., Coroutine[Any, Any, None]]


def boundary(job: Job) -> Job:
    """Sort what a job raises: Retry passes to the queue, everything else is logged once and ends here."""

    @wraps(job)
    async def bounded(ctx: Mapping[str, Any], *args: str) -> None:
        with structlog.contextvars.bound_contextvars(job=job.__name__, subject=args[0] if args else ""):
            try:
                await job(ctx["office"], *args)
            except Retry as error:
                log.info("job.retry", why=str(error), seconds=error.seconds)
                raise
            except Exception:
                log.exception("job.crashed")

    return bounded


@boundary
async def deliver(office: Office, delivery_id: str) -> None:
    """Handle one stored delivery; `done` is stamped only when every intent was performed."""
    inbox = office.pipeline.services.store.inbox
    delivery = await inbox.get(delivery_id)
    if delivery is None or delivery.done_at is not None:
        return
    await inbox.started(delivery_id)
    refusal = ""
    try:
        await _handle(office, delivery)
    except (UserError, Malformed) as error:
        # Nobody is waiting at this end, and the same payload would fail again.
        refusal = str(error)
        log.warning("delivery.refused", delivery=delivery_id, why=refusal)
    except Exception as error:
        await inbox.fail(delivery_id, type(error).__name__)
        raise
    await inbox.finish(delivery_id, refusal)


@boundary
async def advance(office: Office, run_id: str) -> None:
    """Do one stage of a Run and enqueue the next."""
    with structlog.contextvars.bound_contextvars(run=run_id):
        try:
            run = await office.pipeline.advance(run_id)
        except Retry:
            raise
        except Exception as error:
            await office.pipeline.crashed(run_id, f"Fettle failed ({type(error).__name__}); its log has run {run_id}.")
            await advance_soon(office.queue, run_id, delay=1.0)
            raise
        if run is not None and not ended(run):
            await advance_soon(office.queue, run_id)


@boundary
async def sweep(office: Office) -> None:
    """Enqueue again what is not done and what no worker holds: after a crash, a lost queue, a killed worker."""
    store, minute = office.pipeline.services.store, int(office.pipeline.services.clock().timestamp() // 60)
    # One job a minute for each: a long queue must not grow by what waits in it, and a dead worker's job id is locked.
    for delivery_id in await store.inbox.undone(DELIVERY_PATIENCE):
        await office.queue.enqueue("deliver", delivery_id, job_id=f"sweep:{delivery_id}:{minute}")
    for run_id in await store.runs.stale(idle_seconds=RUN_PATIENCE):
        await advance_soon(office.queue, run_id, job_id=f"sweep:{run_id}:{minute}")


@boundary
async def prune(office: Office) -> None:
    """Forget old deliveries, and base trees and baselines that no Run asked for lately."""
    await office.pipeline.services.store.inbox.prune(KEEP_DELIVERIES)
    await office.pipeline.services.store.ledger.prune(KEEP_RESERVATIONS)
    await office.pipeline.services.workspace.prune()
    await asyncio.to_thread(baselines(office.pipeline.services.settings).prune, KEEP_BASELINES)


@boundary
async def recover(office: Office) -> None:
    """Ask GitHub to send again what it could not deliver, as after an outage of ours; GitHub itself never does."""
    services = office.pipeline.services
    if services.github is None:
        return
    for failed in await services.github.failed_deliveries(services.clock() - OUTAGE):
        if await services.store.inbox.get(failed.guid) is None:
            log.info("delivery.recovered", delivery=failed.guid)
            await services.github.redeliver(failed.id)


@boundary
async def beat(office: Office) -> None:
    """Say that this worker lives; /healthz reads it."""
    await office.queue.beat(office.pipeline.services.owner)


async def _handle(office: Office, delivery: Delivery) -> None:
    event = parse(delivery.event, json.loads(delivery.payload))
    if event is None:
        return
    view = await _view(office, event, delivery.id)
    for place, intent in enumerate(handlers.handle(event, view)):
        log.info("intent", kind=type(intent).__name__, delivery=delivery.id)
        await office.performer.perform(intent, f"{delivery.id}:{place}")


async def _view(office: Office, event: Event, delivery_id: str) -> RepoView:
    """Fetch what the handler may look at; nothing is asked of GitHub for labels that are not ours."""
    label = office.pipeline.services.settings.trigger_label
    match event:
        case RepositoriesChanged():
            return RepoView(label)
        case PullRequestClosed():
            return RepoView(label, reviewed=await _reviewed(office, event))
        case IssueLabelled() | IssueUnlabelled() if event.label.casefold() != label.casefold():
            return RepoView(label)
        case IssueLabelled() | IssueUnlabelled():
            # Names of labels are alike on GitHub whatever their case: the handler compares with the one at hand.
            return await _issue_view(office, event, event.label, delivery_id)
        case IssueClosed():
            return await _issue_view(office, event, label, delivery_id)


async def _issue_view(
    office: Office, event: IssueLabelled | IssueUnlabelled | IssueClosed, label: str, delivery_id: str
) -> RepoView:
    services = office.pipeline.services
    key = f"{SubjectKind.ISSUE}:{event.issue.number}"
    active = await services.store.runs.active(event.repository.id, key)
    if active is not None and active.id == run_id_of(delivery_id, key):
        active = None  # this very delivery started it, and is handled again
    if services.github is None or (active is None and not isinstance(event, IssueLabelled)):
        return RepoView(label, active=active)
    if isinstance(event, IssueLabelled) and event.sender.login == await services.github.bot_login():
        return RepoView(label)  # our own label asks for nothing, and a refusal would be talking to ourselves
    client = services.github.repository(event.repository)
    try:
        now = await client.issue(event.issue.number)
    except NotFound:
        return RepoView(label, active=active)  # deleted or moved away: there is nothing to work for
    issue = IssueRef(now.number, now.title, now.body, now.author, now.is_open, now.labels)
    reviewed = await _in_review(client, await services.store.runs.latest(event.repository.id, key))
    permission = Permission.NONE
    if isinstance(event, IssueLabelled):
        permission = await client.permission(event.sender.login)
    return RepoView(label, issue=issue, permission=permission, active=active, reviewed=reviewed)


async def _in_review(client: RepositoryClient, latest: Run | None) -> Run | None:
    """`latest`, if its pull request is still open on GitHub: the news that it was closed may come later than this."""
    if latest is None or latest.state is not State.IN_REVIEW or latest.pull_request is None:
        return None
    return latest if (await client.get_pull(latest.pull_request)).is_open else None


async def _reviewed(office: Office, event: PullRequestClosed) -> Run | None:
    """The Run that opened the pull request; one that has not yet noted its number is known by its branch."""
    store = office.pipeline.services.store
    states = {State.IN_REVIEW, State.PUBLISHING}
    for run in await store.runs.list(limit=1000, repository_id=event.repository.id, states=states):
        if run.pull_request == event.number and run.branch == event.branch:
            return run
        if run.pull_request is None and event.branch:
            made = await store.effects.get(f"branch:{run.id}")
            if made is not None and (made.result or {}).get("branch") == event.branch:
                return run
    return None
