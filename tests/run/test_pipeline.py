"""The pipeline's own promises: one worker a run, waits respected, nothing for ever. A forge that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bot.context import Services, open_services
from bot.core.errors import Retry, UserError
from bot.core.machine import State
from bot.core.messages import Progress
from bot.core.run import Ending, Run, Subject, SubjectKind
from bot.core.settings import load
from bot.run.forge import Origin, Published
from bot.run.pipeline import LONGEST_WAIT, RETRIES, TAKEOVERS, Pipeline
from tests.harness.clock import Clock

SUBJECT = Subject(SubjectKind.ISSUE, 1, "clamp() is off")


def _nothing() -> None:
    return None


@dataclass
class Forge:
    """Runs `on_announce` and `on_conclude` when it is told to speak, and remembers what it said."""

    on_announce: Callable[[], object] = _nothing
    on_conclude: Callable[[], object] = _nothing
    said: list[tuple[str, State]] = field(default_factory=list)

    async def origin(self, run: Run) -> Origin:
        raise UserError("There is no such repository.")

    async def announce(self, run: Run) -> None:
        self.said.append(("announce", run.state))
        if asyncio.iscoroutine(doing := self.on_announce()):
            await doing

    async def show(self, run: Run, progress: Progress) -> None:
        return None

    async def publish(self, run: Run, summary: str, progress: Progress) -> Published:
        raise NotImplementedError

    async def keep(self, run: Run) -> Published:
        raise NotImplementedError

    async def conclude(self, run: Run, progress: Progress) -> None:
        self.said.append(("conclude", run.state))
        self.on_conclude()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def services(tmp_path: Path, clock: Clock) -> AsyncIterator[Services]:
    settings = load({}, FETTLE_DATA_DIR=tmp_path / "data")
    async with open_services(settings, clock=clock, local=True, owner="worker") as opened:
        yield opened


async def started(services: Services, forge: Forge) -> tuple[Pipeline, str]:
    pipeline = Pipeline(services, lambda run: forge, (), {})
    run, _ = await pipeline.start(
        repository_id=1, installation_id=1, repository="acme/calc", subject=SUBJECT, asked_by="ada"
    )
    return pipeline, run.id


async def stored(services: Services, run_id: str) -> Run:
    run = await services.store.runs.get(run_id)
    assert run is not None
    return run


def failing(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


async def test_two_workers_at_once_do_one_stage(services: Services) -> None:
    forge = Forge(on_announce=lambda: asyncio.sleep(0.05))
    pipeline, run_id = await started(services, forge)
    other = replace(pipeline, services=replace(services, owner="other"))

    done = await asyncio.gather(*(worker.advance(run_id) for worker in [pipeline, other] * 4))

    assert [run.state for run in done if run is not None] == [State.PLANNING]
    assert forge.said == [("announce", State.QUEUED)]


async def test_a_process_that_hung_and_comes_back_writes_nothing(services: Services, clock: Clock) -> None:
    """One process may take a run twice, when its lease ran out; the visit that hung does not count as the holder."""
    awake = asyncio.Event()
    forge = Forge(on_announce=awake.wait)
    pipeline, run_id = await started(services, forge)
    hung = asyncio.create_task(pipeline.advance(run_id))
    await asyncio.sleep(0.2)
    assert forge.said

    clock.advance(60)
    forge.on_announce = _nothing
    taken = await pipeline.advance(run_id)
    awake.set()

    assert taken is not None
    assert await hung is None
    held = await services.store.runs.acquire(run_id, "somebody", 30)
    assert held is not None


async def test_a_wait_is_respected_by_sweep_and_stray_jobs(services: Services, clock: Clock) -> None:
    forge = Forge(on_announce=failing(Retry("GitHub limits the rate of calls", 600)))
    pipeline, run_id = await started(services, forge)
    with pytest.raises(Retry):
        await pipeline.advance(run_id)

    clock.advance(590)
    assert await services.store.runs.stale(idle_seconds=5) == []
    assert await pipeline.advance(run_id) is None
    clock.advance(11)
    assert await services.store.runs.stale(idle_seconds=5) == [run_id]


async def test_tries_wait_longer_and_longer_and_then_end_visibly(services: Services, clock: Clock) -> None:
    forge = Forge(on_announce=failing(Retry("GitHub answered 500", 15)))
    pipeline, run_id = await started(services, forge)
    waits = []
    while (await stored(services, run_id)).ending is None:
        try:
            await pipeline.advance(run_id)
        except Retry as error:
            waits.append(error.seconds)
            clock.advance(error.seconds)
    await pipeline.advance(run_id)

    assert waits == [15, 30, 60, 120, 240, LONGEST_WAIT, LONGEST_WAIT]
    run = await stored(services, run_id)
    assert (run.state, run.reason) == (State.FAILED, f"Given up after {RETRIES} tries: GitHub answered 500")
    assert forge.said[-1] == ("conclude", State.FAILED)


async def test_the_last_word_has_tries_of_its_own(services: Services, clock: Clock) -> None:
    down = failing(Retry("GitHub answered 500", 15))
    forge = Forge(on_announce=down, on_conclude=down)
    pipeline, run_id = await started(services, forge)
    for _ in range(2 * RETRIES + 1):
        try:
            await pipeline.advance(run_id)
        except Retry as error:
            clock.advance(error.seconds)

    assert forge.said.count(("conclude", State.FAILED)) == RETRIES
    assert (await stored(services, run_id)).state is State.FAILED


async def test_a_cancel_does_not_wait_for_the_retry(services: Services) -> None:
    forge = Forge(on_announce=failing(Retry("GitHub limits the rate of calls", 3000)))
    pipeline, run_id = await started(services, forge)
    with pytest.raises(Retry):
        await pipeline.advance(run_id)

    await pipeline.cancel(run_id, "@ada closed the issue.")
    run = await pipeline.advance(run_id)

    assert run is not None
    assert (run.state, run.ending) == (State.CANCELLED, Ending.CANCELLED)


async def test_a_run_whose_workers_die_again_and_again_ends_visibly(services: Services, clock: Clock) -> None:
    forge = Forge(on_announce=asyncio.Event().wait)
    pipeline, run_id = await started(services, forge)
    for _ in range(TAKEOVERS):
        task = asyncio.create_task(pipeline.advance(run_id))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        clock.advance(60)

    await pipeline.advance(run_id)
    run = await pipeline.advance(run_id)

    assert run is not None
    assert (run.state, run.ending) == (State.FAILED, Ending.ERROR)
    assert "5 workers in a row died" in run.reason
    assert forge.said[-1] == ("conclude", State.FAILED)


async def test_an_issue_that_is_gone_does_not_keep_the_run_from_ending(services: Services) -> None:
    forge = Forge(on_conclude=failing(UserError("GitHub found nothing (POST /comments): Gone")))
    pipeline, run_id = await started(services, forge)
    await pipeline.cancel(run_id, "@ada closed the issue.")

    run = await pipeline.advance(run_id)

    assert run is not None
    assert (run.state, run.reason) == (State.CANCELLED, "@ada closed the issue.")
    kinds = [entry.kind for entry in await services.store.journal.read(run_id)]
    assert "word.lost" in kinds


async def test_a_crash_while_saying_the_last_word_ends_the_run(services: Services) -> None:
    forge = Forge(on_conclude=failing(ZeroDivisionError()))
    pipeline, run_id = await started(services, forge)
    await pipeline.cancel(run_id, "why")
    with pytest.raises(ZeroDivisionError):
        await pipeline.advance(run_id)
    await pipeline.crashed(run_id, "Fettle failed.")
    with pytest.raises(ZeroDivisionError):
        await pipeline.advance(run_id)
    await pipeline.crashed(run_id, "Fettle failed.")

    assert (await stored(services, run_id)).state is State.FAILED


async def test_money_spent_before_a_crash_is_on_the_run(services: Services) -> None:
    pipeline, run_id = await started(services, Forge())
    await services.store.journal.append(run_id, "agent.step", {}, cost_usd=0.25, tokens=10)

    await pipeline.advance(run_id)

    assert (await stored(services, run_id)).cost_usd == 0.25
