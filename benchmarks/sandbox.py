"""What the sandbox costs: a command in an open Session, a Session itself, a dropped change, and the doctor.

The bare subprocess is measured in the same run, interleaved, because this machine is never quiet.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from benchmarks.figures import Figure
from bot.sandbox.bubblewrap import Bubblewrap
from bot.sandbox.protocol import MIB, Session


async def _milliseconds(what: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await what()
    return (time.perf_counter() - began) * 1000


async def _bare() -> None:
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()


async def _commands(session: Session, rounds: int) -> list[Figure]:
    await session.run(["true"])
    bare, held = [], []
    for _ in range(rounds):
        bare.append(await _milliseconds(_bare))
        held.append(await _milliseconds(lambda: session.run(["true"])))
    base, value = statistics.median(bare), statistics.median(held)
    return [
        Figure("sandbox.bare_subprocess", base, "ms"),
        Figure("sandbox.command", value, "ms", "< 25 ms", value / base, "a bare subprocess"),
        Figure("sandbox.command_p95", sorted(held)[int(0.95 * len(held))], "ms"),
    ]


async def _sessions(sandbox: Bubblewrap, base: Path, rounds: int) -> Figure:
    async def open_and_close() -> None:
        await (await sandbox.open(base)).close()

    await open_and_close()
    times = [await _milliseconds(open_and_close) for _ in range(rounds)]
    return Figure("sandbox.open_close", statistics.median(times), "ms", "< 60 ms")


async def _tree(session: Session, rounds: int) -> list[Figure]:
    rollbacks, changes = [], []
    for _ in range(rounds):
        await session.run(["/bin/sh", "-c", "mkdir d; for i in $(seq 1000); do echo $i >d/$i; done"])
        changes.append(await _milliseconds(session.changes))
        rollbacks.append(await _milliseconds(session.rollback))
    flood = await session.run(["head", "-c", str(60 * MIB), "/dev/zero"])
    return [
        Figure("sandbox.changes_of_1000_files", statistics.median(changes), "ms"),
        Figure("sandbox.rollback_of_1000_files", statistics.median(rollbacks), "ms", "< 20 ms"),
        Figure("sandbox.output_drained", 60 / flood.seconds, "MiB/s"),
    ]


async def measure(rounds: int) -> list[Figure]:
    """All figures; `rounds` (at least 1) is how often each thing is done."""
    with tempfile.TemporaryDirectory(prefix="fettle-bench-") as folder:
        base = Path(folder)
        sandbox = Bubblewrap(base / "state")
        figures = [Figure("sandbox.doctor", await _milliseconds(sandbox.doctor), "ms", "< 1,000 ms")]
        figures.append(await _sessions(sandbox, base, rounds))
        async with await sandbox.open(base) as session:
            figures += await _commands(session, rounds)
            figures += await _tree(session, max(1, rounds // 5))
    return figures


def run(arguments: list[str]) -> Iterator[Figure]:
    """Called by `python -m benchmarks sandbox`; `--rounds N` (default 40)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sandbox", description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    yield from asyncio.run(measure(parser.parse_args(arguments).rounds))
