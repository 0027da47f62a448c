"""The embedded Valkey is shared by the processes of one data folder, and outlives none of them and all of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.core.errors import Infrastructure
from bot.embedded.valkey import EmbeddedValkey
from bot.services.queue import Queue


@pytest.fixture
async def data_dir(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path
    last = await EmbeddedValkey.open(tmp_path)  # whatever a failed test left running ends here
    await last.aclose()


def _mode(path: Path) -> int:
    return path.stat().st_mode


async def answers(url: str) -> bool:
    try:
        queue = await Queue.open(url)
    except Infrastructure:
        return False
    await queue.aclose()
    return True


async def test_the_first_starts_it_and_the_last_stops_it(data_dir: Path) -> None:
    first = await EmbeddedValkey.open(data_dir)
    second = await EmbeddedValkey.open(data_dir)
    assert first.url == second.url
    assert await answers(first.url)

    await first.aclose()
    await first.aclose()
    assert await answers(second.url)

    await second.aclose()
    assert not await answers(second.url)


async def test_many_that_open_at_once_share_one(data_dir: Path) -> None:
    opened = await asyncio.gather(*(EmbeddedValkey.open(data_dir) for _ in range(6)))

    assert len({valkey.url for valkey in opened}) == 1
    await asyncio.gather(*(valkey.aclose() for valkey in opened))
    assert not await answers(opened[0].url)


async def test_it_is_private_and_listens_on_no_port(data_dir: Path) -> None:
    valkey = await EmbeddedValkey.open(data_dir)

    assert _mode(Path(valkey.url.removeprefix("unix://"))) & 0o077 == 0
    assert _mode(data_dir / "valkey") & 0o077 == 0
    client = Redis.from_url(valkey.url, decode_responses=True)
    assert await client.config_get("port", "save", "appendonly") == {"port": "0", "save": "", "appendonly": "no"}
    await client.aclose()
    await valkey.aclose()


async def test_a_deep_data_folder_gets_a_short_socket(data_dir: Path) -> None:
    deep = data_dir / ("deep" * 20) / ("deeper" * 10)
    first = await EmbeddedValkey.open(deep)
    second = await EmbeddedValkey.open(deep)

    assert first.url == second.url
    assert len(first.url) < 110
    assert await answers(first.url)
    await first.aclose()
    await second.aclose()


USES_IT = """
import asyncio, sys
from pathlib import Path
from bot.embedded.valkey import EmbeddedValkey
async def main():
    valkey = await EmbeddedValkey.open(Path(sys.argv[1]))
    print(valkey.url, flush=True)
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, told.set)
    try:
        await told.wait()
    finally:
        await valkey.aclose()
asyncio.run(main())
"""


async def other_process(data_dir: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        USES_IT,
        str(data_dir),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"unix://")
    return process


async def test_the_starter_may_leave_before_the_others(data_dir: Path) -> None:
    starter = await other_process(data_dir)
    mine = await EmbeddedValkey.open(data_dir)

    await starter.communicate(b"")

    assert starter.returncode == 0
    assert await answers(mine.url)
    await mine.aclose()
    assert not await answers(mine.url)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_a_signal_to_the_starters_whole_group_does_not_reach_it(data_dir: Path, number: signal.Signals) -> None:
    starter = await other_process(data_dir)
    mine = await EmbeddedValkey.open(data_dir)

    os.killpg(starter.pid, number)
    await asyncio.wait_for(starter.wait(), 20)

    assert await answers(mine.url)
    await mine.aclose()
    assert not await answers(mine.url)


async def test_what_a_killed_process_left_running_is_taken_over(data_dir: Path) -> None:
    starter = await other_process(data_dir)
    os.killpg(starter.pid, signal.SIGKILL)
    await starter.wait()

    valkey = await EmbeddedValkey.open(data_dir)
    assert await answers(valkey.url)
    await valkey.aclose()
    assert not await answers(valkey.url)


async def test_ensure_starts_a_killed_server_again_at_the_same_address(data_dir: Path) -> None:
    valkey = await EmbeddedValkey.open(data_dir)
    url = valkey.url
    os.kill(int((data_dir / "valkey" / "pid").read_text()), signal.SIGKILL)
    for _ in range(500):
        if not await answers(url):
            break
        await asyncio.sleep(0.01)

    await valkey.ensure()
    await valkey.ensure()

    assert valkey.url == url
    assert await answers(url)
    await valkey.aclose()
