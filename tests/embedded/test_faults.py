"""The faults that exactly-once tests need: over a real connection and within the process."""

import time

import httpx
import pytest

from bot.embedded.faults import Dropped
from tests.embedded.conftest import World
from tests.embedded.test_tour import REPO


async def test_a_status_as_often_as_asked(world: World) -> None:
    fault = world.github.faults.add("POST", r"/issues$", status=500, count=2)
    async with world.bot() as client:
        codes = [(await client.post(f"{REPO}/issues", json={"title": "x"})).status_code for _ in range(3)]
        assert (await client.get(f"{REPO}/issues")).status_code == 200
    assert (codes, fault.hits, len(world.repo.issues())) == ([500, 500, 201], 2, 1)


async def test_a_rate_limit(world: World) -> None:
    world.github.faults.add("*", "/issues", status=403, retry_after=7, rate_limited=True)
    async with world.bot() as client:
        refused = await client.get(f"{REPO}/issues")
    assert (refused.status_code, refused.headers["retry-after"]) == (403, "7")
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert "rate limit" in refused.json()["message"]


async def test_a_delay_then_the_answer(world: World) -> None:
    world.github.faults.add("GET", "/issues", delay=0.05)
    async with world.bot() as client:
        started = time.monotonic()
        assert (await client.get(f"{REPO}/issues")).status_code == 200
    assert time.monotonic() - started >= 0.05


@pytest.mark.parametrize(("drop", "made"), [("before", 0), ("after", 1)])
async def test_a_dropped_connection(world: World, drop: str, made: int) -> None:
    server = await world.github.serve()
    world.github.faults.add("POST", r"/issues$", drop=drop)
    token = world.github.installation_token(world.installation)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{server.url}/api/v3", headers=headers) as client:
        with pytest.raises(httpx.TransportError):
            await client.post(f"{REPO}/issues", json={"title": "x"})
        assert len(world.repo.issues()) == made
        assert (await client.post(f"{REPO}/issues", json={"title": "x"})).status_code == 201
    await server.aclose()


async def test_a_dropped_connection_within_the_process(world: World) -> None:
    world.github.faults.add("POST", r"/issues$", drop="after", skip=1)
    async with world.bot() as client:
        assert (await client.post(f"{REPO}/issues", json={"title": "first"})).status_code == 201
        with pytest.raises(Dropped):
            await client.post(f"{REPO}/issues", json={"title": "second"})
    assert len(world.repo.issues()) == 2


async def test_faults_can_be_forgotten(world: World) -> None:
    world.github.faults.add("GET", "/issues", status=500, count=9)
    world.github.faults.clear()
    async with world.bot() as client:
        assert (await client.get(f"{REPO}/issues")).status_code == 200
