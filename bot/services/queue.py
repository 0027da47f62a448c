"""The queue: arq behind a few functions; only this module and bot.worker know arq.

bot.app and bot.perform enqueue, bot.worker runs a worker that `build_worker` makes. Facts about arq 0.28 that shape it:

- a job id stays locked while the job waits and runs, and after its worker was killed until the timeout + 10 s: ids are
  unique by default, and whoever names one must name it anew for every attempt;
- the default serializer is pickle, which lets whoever writes to Redis run code: arguments are JSON here;
- the default poll delay of 0.5 s would be paid at every stage of a Run.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import arq
from arq.connections import ArqRedis, RedisSettings
from arq.constants import default_queue_name, job_key_prefix
from arq.cron import CronJob, cron
from arq.jobs import serialize_job
from arq.worker import Function, Worker, func
from redis.asyncio.retry import Retry as RedisRetry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from bot.core.batching import Batch
from bot.core.errors import Infrastructure, Retry

JobFunction = Callable[..., Awaitable[Any]]
"""A job body: `async (ctx: dict, *args)`; args are JSON values, the result is ignored."""

QueueError = (RedisError, OSError, TimeoutError)
"""What any call of `Queue` raises when Redis is away."""

POLL_SECONDS = 0.05
JOB_SECONDS = 900.0

_EXPIRES_MS = 86_400_000
_BEATS = "fettle:beats"
_BEATS_KEPT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Job:
    """One job to enqueue: the function's name, its JSON-ready arguments, an id of its own, `delay` in seconds."""

    name: str
    arguments: tuple[Any, ...]
    id: str
    delay: float = 0.0


class Queue:
    """The transport of jobs: it may lose everything, because the sweep enqueues again what the database knows."""

    def __init__(self, redis: ArqRedis, url: str) -> None:
        self.url = url
        self._redis = redis
        self._enqueue = Batch(self._enqueue_all)

    @classmethod
    async def open(cls, redis_url: str) -> Queue:
        """Connect to `redis://`, `rediss://` or `unix://`; raises Infrastructure when nobody answers."""
        redis = ArqRedis.from_url(redis_url, socket_connect_timeout=2, socket_timeout=5)
        queue = cls(redis, redis_url)
        try:
            await queue.ping()
        except QueueError as error:
            await redis.aclose()
            raise Infrastructure(
                f"The queue cannot be reached ({type(error).__name__}): check REDIS_URL and that Valkey is up."
            ) from error
        return queue

    async def aclose(self) -> None:
        """Send what was handed in and close the connections."""
        await self._enqueue.aclose()
        await self._redis.aclose()

    async def enqueue(self, job: str, *args: Any, job_id: str | None = None, delay: float = 0) -> None:
        """Enqueue `job(*args)` to start in `delay` seconds. Calls of the same moment share one round trip.

        A `job_id` that already waits is only moved to the new time; without one every call is a job of its own.
        """
        await self._enqueue(Job(job, args, job_id or uuid4().hex, delay))

    async def enqueue_many(self, job: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        """Enqueue one `job(*args)` for each tuple, in one round trip."""
        if not arguments:
            return
        await self._enqueue_all([Job(job, args, uuid4().hex) for args in arguments])

    async def depth(self) -> int:
        """How many jobs wait or run."""
        return int(await self._redis.zcard(default_queue_name))

    async def oldest_age(self) -> float:
        """Seconds since the oldest job was due; 0 when nothing is due."""
        first = await self._redis.zrange(default_queue_name, 0, 0, withscores=True)
        return max(0.0, time.time() - first[0][1] / 1000) if first else 0.0

    async def ping(self) -> None:
        """Raise one of QueueError unless Redis answers."""
        await self._redis.ping()

    async def beat(self, name: str) -> None:
        """Say that the worker `name` is alive; call it every 15 s or so."""
        now = time.time()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(_BEATS, {name: now})
            pipe.zremrangebyscore(_BEATS, "-inf", now - _BEATS_KEPT_SECONDS)
            await pipe.execute()

    async def worker_alive(self) -> datetime | None:
        """When a worker last said that it is alive (aware UTC); None when none did within the hour."""
        newest = await self._redis.zrange(_BEATS, 0, 0, desc=True, withscores=True)
        return datetime.fromtimestamp(newest[0][1], UTC) if newest else None

    async def leave(self, name: str) -> None:
        """Take back the beats of the worker `name`: it has stopped."""
        await self._redis.zrem(_BEATS, name)

    async def _enqueue_all(self, jobs: Sequence[Job]) -> list[None]:
        # What ArqRedis.enqueue_job writes, less its WATCH for a known id: ours are unique, one round trip is enough.
        now = time.time_ns() // 1_000_000
        async with self._redis.pipeline(transaction=True) as pipe:
            for job in jobs:
                body = serialize_job(job.name, job.arguments, {}, None, now, serializer=_dumps)
                pipe.psetex(job_key_prefix + job.id, _EXPIRES_MS + round(job.delay * 1000), body)
            pipe.zadd(default_queue_name, {job.id: now + round(job.delay * 1000) for job in jobs})
            await pipe.execute()
        return [None] * len(jobs)


@dataclass(frozen=True, slots=True)
class Tick:
    """A job that runs by the clock, once for all workers: at these seconds of these minutes (None: all) and hours."""

    function: JobFunction
    second: frozenset[int] = frozenset({0})
    minute: frozenset[int] | None = None
    hour: frozenset[int] | None = None
    at_start: bool = False


def build_worker(
    functions: Mapping[str, JobFunction],
    *,
    redis_url: str,
    ticks: Sequence[Tick] = (),
    context: Mapping[str, Any] | None = None,
    burst: bool = False,
    max_jobs: int = 4,
    job_seconds: float = JOB_SECONDS,
    drain_seconds: int = 25,
    handle_signals: bool = True,
) -> Worker:
    """An arq Worker: `run()` it, or `await async_run()` and then `await close()`. Every job gets `context` as `ctx`.

    A job that raises `bot.core.errors.Retry` runs again after its seconds. `burst` stops when the queue is empty.
    A signal lets running jobs end for `drain_seconds`, then cancels them: they run again elsewhere.
    """
    return Worker(
        functions=[_function(name, function) for name, function in functions.items()],
        cron_jobs=[_cron(tick) for tick in ticks],
        redis_settings=worker_settings(redis_url),
        ctx=dict(context or {}),
        burst=burst,
        max_jobs=max_jobs,
        job_timeout=job_seconds,
        job_completion_wait=drain_seconds,
        handle_signals=handle_signals,
        poll_delay=0.01 if burst else POLL_SECONDS,
        keep_result=0,  # results are in the database
        max_tries=1000,  # a Retry is a fate, not a failure: the job itself knows when to stop
        health_check_interval=60,
        job_serializer=_dumps,
        job_deserializer=json.loads,
        log_results=False,
        timezone=UTC,
    )


def worker_settings(redis_url: str) -> RedisSettings:
    """The worker's connection: it lives through a short absence of Redis, and gives up after about ten seconds."""
    settings = RedisSettings.from_dsn(redis_url)
    settings.retry = RedisRetry(ExponentialBackoff(cap=2, base=0.1), 8)
    settings.retry_on_error = [ConnectionError, TimeoutError, RedisConnectionError]
    settings.retry_on_timeout = True
    return settings


def _function(name: str, function: JobFunction) -> Function:
    return func(_with_fates(function), name=name)


def _cron(tick: Tick) -> CronJob:
    return cron(
        _with_fates(tick.function),
        name=f"cron:{tick.function.__name__}",
        second=set(tick.second),
        minute=None if tick.minute is None else set(tick.minute),
        hour=None if tick.hour is None else set(tick.hour),
        run_at_startup=tick.at_start,
    )


def _with_fates(function: JobFunction) -> Callable[..., Any]:
    @functools.wraps(function)
    async def run(ctx: dict[str, Any], *args: Any) -> None:
        try:
            await function(ctx, *args)
        except Retry as error:
            raise arq.Retry(defer=max(0.0, error.seconds)) from error

    return run


def _dumps(value: dict[str, Any]) -> bytes:
    # arq also puts a failed job's exception here, which JSON cannot hold.
    return json.dumps(value, default=repr).encode()
