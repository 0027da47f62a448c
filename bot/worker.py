"""The worker: which jobs there are, and the cron table. Started by bot.cli (`fettle work`, `fettle up`)."""

from __future__ import annotations

from collections.abc import Sequence

from arq import Worker

from bot import jobs
from bot.context import Services
from bot.core.run import Run
from bot.perform import Performer
from bot.repair.base import Fixer
from bot.repair.mechanical import MechanicalFixer
from bot.repair.search import SearchFixer
from bot.run.github_forge import GitHubForge
from bot.run.pipeline import Pipeline
from bot.run.work import SUITE_SECONDS
from bot.services.queue import Tick, build_worker
from bot.toolchains import toolchains

STAGE_SECONDS = 6 * SUITE_SECONDS
"""No stage lasts longer: validate runs the suite up to four times, and checks besides."""

FUNCTIONS = {"deliver": jobs.deliver, "advance": jobs.advance}

TICKS = (
    Tick(jobs.sweep, second=frozenset(range(0, 60, 10)), at_start=True),
    Tick(jobs.beat, second=frozenset(range(5, 60, 10)), at_start=True),
    Tick(jobs.recover, minute=frozenset(range(0, 60, 10)), at_start=True),
    Tick(jobs.prune, minute=frozenset({17})),
)


def ladder(services: Services) -> Sequence[Fixer]:
    """The rungs of this process, cheapest first; without a model there is no agent."""
    rungs: list[Fixer] = [MechanicalFixer(), SearchFixer()]
    if services.models:
        from bot.repair.agent.fixer import AgentFixer

        rungs.append(AgentFixer(services.models, services.settings.policy))
    return rungs


def open_office(services: Services) -> jobs.Office:
    """Put together what jobs work with; `services` must have GitHub and a queue."""
    github, queue = services.github, services.queue
    if github is None or queue is None:
        raise AssertionError("a worker has GitHub and a queue")

    def forge_for(run: Run) -> GitHubForge:
        return GitHubForge.of(services, github, run)

    pipeline = Pipeline(services, forge_for, ladder(services), toolchains(services.sandbox, services.settings.data_dir))
    return jobs.Office(pipeline, Performer(pipeline, queue), queue)


def worker(services: Services, *, redis_url: str, concurrency: int = 2, handle_signals: bool = True) -> Worker:
    """An arq worker over `services`, with the cron table, that does `concurrency` jobs side by side."""
    return build_worker(
        FUNCTIONS,
        redis_url=redis_url,
        ticks=TICKS,
        context={"office": open_office(services)},
        max_jobs=concurrency,
        job_seconds=STAGE_SECONDS,
        handle_signals=handle_signals,
    )
