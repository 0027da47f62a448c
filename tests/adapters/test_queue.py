"""The queue, over a real Valkey: what is enqueued runs, a Retry runs again, nothing is pickled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.core.errors import Infrastructure, Retry
from bot.embedded.valkey import EmbeddedValkey
from bot.services.queue import JobFunction, Queue, Tick, build_worker


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    valkey = await EmbeddedValkey.open(tmp_path)
    yield valkey.url
    await valkey.aclose()


@pytest.fixture
async def queue(url: str) -> AsyncIterator[Queue]:
    queue = await Queue.open(url)
    yield queue
    await queue.aclose()


async def drain(url: str, functions: Mapping[str, JobFunction], **context: Any) -> None:
    worker = build_worker(functions, redis_url=url, context=context, burst=True, handle_signals=False)
    async with asyncio.timeout(20):
        await worker.async_run()
        await worker.close()


async def test_jobs_run_with_their_arguments_and_the_context(url: str, queue: Queue) -> None:
    seen: list[object] = []

    async def deliver(ctx: dict[str, Any], *args: object) -> None:
        ctx["seen"].append(args)

    await queue.enqueue("deliver", "id-1", 2, None)
    await queue.enqueue_many("deliver", [("id-2",), ("id-3",)])
    await queue.enqueue_many("deliver", [])
    assert await queue.depth() == 3
    await drain(url, {"deliver": deliver}, seen=seen)

    assert sorted(seen, key=repr) == [("id-1", 2, None), ("id-2",), ("id-3",)]
    assert await queue.depth() == 0


async def test_calls_of_one_moment_all_arrive(url: str, queue: Queue) -> None:
    await asyncio.gather(*(queue.enqueue("deliver", number) for number in range(300)))

    assert await queue.depth() == 300


async def test_a_retry_runs_again_after_its_seconds(url: str, queue: Queue) -> None:
    tries: list[tuple[int, float]] = []

    async def advance(ctx: dict[str, Any]) -> None:
        tries.append((ctx["job_try"], time.monotonic()))
        if ctx["job_try"] < 8:  # more often than arq's own five
            raise Retry("not yet", 0.02)

    await queue.enqueue("advance")
    await drain(url, {"advance": advance})

    assert [number for number, _ in tries] == list(range(1, 9))
    assert tries[-1][1] - tries[0][1] > 7 * 0.02


async def test_a_crashed_job_is_gone_and_the_worker_lives(url: str, queue: Queue) -> None:
    seen: list[str] = []

    async def job(ctx: dict[str, Any], name: str) -> None:
        seen.append(name)
        if name == "bad":
            raise ValueError(object())

    await queue.enqueue("job", "bad")
    await queue.enqueue("job", "good", delay=0.05)
    await queue.enqueue("unknown")
    await drain(url, {"job": job})

    assert seen == ["bad", "good"]
    assert await queue.depth() == 0


async def test_a_delayed_job_waits_and_the_oldest_due_one_has_an_age(queue: Queue) -> None:
    assert await queue.oldest_age() == 0
    await queue.enqueue("later", delay=60)
    assert await queue.oldest_age() == 0

    await queue.enqueue("now")
    await asyncio.sleep(0.05)

    assert 0.04 < await queue.oldest_age() < 10


async def test_one_id_is_one_job(url: str, queue: Queue) -> None:
    seen: list[int] = []

    async def job(ctx: dict[str, Any], number: int) -> None:
        seen.append(number)

    for number in range(3):
        await queue.enqueue("job", number, job_id="same")
    await drain(url, {"job": job})

    assert seen == [2]


async def test_nothing_that_is_read_is_unpickled(url: str, queue: Queue) -> None:
    await queue.enqueue("job", "text")

    client = Redis.from_url(url)
    (key,) = [key async for key in client.scan_iter("arq:job:*")]
    stored = await client.get(key)
    await client.aclose()

    assert stored.startswith(b"{")
    assert b'"text"' in stored


async def test_a_tick_runs_by_itself(url: str, queue: Queue) -> None:
    ticked = asyncio.Event()

    async def sweep(ctx: dict[str, Any]) -> None:
        ticked.set()

    ticks = [Tick(sweep, at_start=True)]
    worker = build_worker({}, redis_url=url, ticks=ticks, handle_signals=False)
    running = asyncio.create_task(worker.async_run())
    async with asyncio.timeout(10):
        await ticked.wait()
    await worker.close()
    await asyncio.gather(running, return_exceptions=True)

    assert ticked.is_set()


async def test_beats_show_that_a_worker_is_alive(queue: Queue) -> None:
    assert await queue.worker_alive() is None
    await queue.beat("worker-1")
    await queue.beat("worker-2")

    alive = await queue.worker_alive()
    assert alive is not None
    assert abs(datetime.now(UTC) - alive) < timedelta(seconds=5)

    await queue.leave("worker-1")
    await queue.leave("worker-2")
    assert await queue.worker_alive() is None


async def test_without_a_server_the_sentence_says_what_to_do() -> None:
    with pytest.raises(Infrastructure, match="REDIS_URL"):
        await Queue.open("unix:///nowhere/socket")
