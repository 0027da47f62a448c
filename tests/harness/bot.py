"""The bot of the stories: real services against the embedded GitHub, with workers that start, die and hurry on demand.

await bot.settle()          every webhook was handled and every job done; deferred ones did not have to wait
await bot.advance(3)        one worker does three stages and dies: nobody carries on
await bot.another_worker()  a sweep finds what was left, and a fresh worker goes on
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bot import jobs
from bot.commands.serving import build_app, listen
from bot.context import Services, open_services, owner_name
from bot.core.run import Run
from bot.core.settings import Settings
from bot.services.queue import build_worker
from bot.worker import FUNCTIONS, open_office
from tests.harness.clock import Clock

QUEUE = "arq:queue"
PATIENCE = 2.0  # seconds that this bot waits for an answer of GitHub


@dataclass
class Bot:
    """One Fettle: its services, its queue's Redis, the clock, and where it listens."""

    services: Services
    redis: Redis
    clock: Clock
    url: str
    github: Any

    async def settle(self) -> None:
        """Carry on until no webhook is on its way and no job is left; deferred jobs are due at once."""
        await self.github.drain()
        while await self.redis.zcard(QUEUE):
            await self._work()
            await self.github.drain()

    async def another_worker(self) -> None:
        """Sweep, as a fresh worker's cron would after the leases of the dead ran out, and settle."""
        self.clock.advance(60)
        office = open_office(replace(self.services, owner=owner_name()))
        await jobs.sweep({"office": office})
        await self.settle()

    async def recover(self) -> None:
        """Ask GitHub for what it could not deliver, as the cron does, and settle."""
        await jobs.recover({"office": open_office(self.services)})
        await self.settle()

    async def deliver(self) -> None:
        """Handle the webhooks, but let nobody work on the runs yet."""
        await self.github.drain()
        office = open_office(self.services)
        for delivery_id in await self.services.store.inbox.undone(0.0):
            await jobs.deliver({"office": office}, delivery_id)
        await self.redis.delete(QUEUE)

    async def advance(self, stages: int) -> Run:
        """Let one worker do so many stages of the newest run and then die, its jobs lost with it."""
        office = open_office(replace(self.services, owner=owner_name()))
        for _ in range(stages):
            await office.pipeline.advance((await self.run()).id)
        await self.redis.delete(QUEUE)
        return await self.run()

    async def runs(self) -> list[Run]:
        """Every run, newest first."""
        return await self.services.store.runs.list(limit=100)

    async def run(self) -> Run:
        """The newest run."""
        return (await self.runs())[0]

    async def journal(self, kind: str) -> list[dict[str, object]]:
        """What the newest run's journal says under `kind`."""
        entries = await self.services.store.journal.read((await self.run()).id)
        return [entry.data for entry in entries if entry.kind == kind]

    async def _work(self) -> None:
        worker = build_worker(
            FUNCTIONS,
            redis_url=self.services.redis_url,
            context={"office": open_office(replace(self.services, owner=owner_name()))},
            burst=True,
            handle_signals=False,
        )
        hurry = asyncio.create_task(self._hurry())
        try:
            await worker.async_run()
        finally:
            hurry.cancel()
            await asyncio.gather(hurry, return_exceptions=True)
            await worker.close()

    async def _hurry(self) -> None:
        """While nothing runs, let the time until the next deferred job pass at once."""
        while True:
            await asyncio.sleep(0.02)
            if [key async for key in self.redis.scan_iter("arq:in-progress:*", count=1000)]:
                continue
            now = time.time() * 1000
            waiting = await self.redis.zrangebyscore(QUEUE, now + 100, "+inf", withscores=True)
            if waiting:
                self.clock.advance((waiting[0][1] - now) / 1000)
                await self.redis.zadd(QUEUE, {waiting[0][0]: now})


@asynccontextmanager
async def open_bot(settings: Settings, github: Any, clock: Clock) -> AsyncIterator[Bot]:
    """A bot that listens on a free port of this machine."""
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings, clock=clock, github_timeout=PATIENCE))
        redis = Redis.from_url(services.redis_url)
        stack.push_async_callback(redis.aclose)
        await redis.flushdb()
        app = build_app(settings, clock, services.store, services.queue)
        url = await stack.enter_async_context(listen(app))
        yield Bot(services, redis, clock, url, github)


def reachable(path: Path) -> Path:
    """`path`, made so that the sandbox's uid can reach it."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
    return path
