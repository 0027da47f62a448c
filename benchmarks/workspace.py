"""`workspace`: what a new commit costs to lay out from a warm mirror, against a full clone, over HTTP from one server.

The repository has about 10,000 objects and 3,000 files. Run by `python -m benchmarks workspace [--rounds N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import Figure
from bot.embedded.github import GitHub
from bot.embedded.handle import RepositoryHandle
from bot.services.git import Mirror, Workspace

FILES, FOLDERS, COMMITS, TOUCHED = 3000, 150, 60, 60


@dataclass(slots=True)
class _Seconds:
    """Every round's seconds, by what was timed."""

    clone: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    fetch: list[float] = field(default_factory=list)
    tree: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)


def run(arguments: list[str]) -> Iterable[Figure]:
    """Measure; yields medians in milliseconds and the ratio of a full clone to a warm checkout of a new commit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks workspace")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory(prefix="fettle-workspace-") as folder:
        objects, seconds = asyncio.run(_measure(Path(folder), rounds))
    clone, warm = statistics.median(seconds.clone), statistics.median(seconds.warm)
    yield Figure("workspace.objects", objects, "objects")
    yield Figure("workspace.clone", clone * 1000, "ms")
    yield Figure("workspace.cold", statistics.median(seconds.cold) * 1000, "ms")
    yield Figure("workspace.warm_fetch", statistics.median(seconds.fetch) * 1000, "ms")
    yield Figure("workspace.warm_tree", statistics.median(seconds.tree) * 1000, "ms")
    yield Figure("workspace.warm", warm * 1000, "ms", ">= 5 times faster than a clone", clone / warm, "git clone, time")


async def _measure(folder: Path, rounds: int) -> tuple[int, _Seconds]:
    """Rounds of clone, cold and warm, interleaved so that a busy machine is busy for all of them."""
    seconds = _Seconds()
    async with _serving(folder) as (repository, objects):
        mirror = Workspace(folder / "data", protocols=frozenset({"http"})).mirror("bench/warm")
        await _lay_out(mirror, repository.clone_url)
        for number in range(rounds):
            await repository.push({f"src/p{step}/f{number}.py": f"new = {number}\n" for step in range(5)})
            seconds.clone.append(await _timed(_clone(repository.clone_url, folder / "clone")))
            cold = Workspace(folder / "cold", protocols=frozenset({"http"})).mirror("bench/cold")
            seconds.cold.append(await _timed(_lay_out(cold, repository.clone_url)))
            seconds.fetch.append(await _timed(mirror.fetch(repository.clone_url)))
            seconds.tree.append(await _timed(_tree(mirror)))
            seconds.warm.append(seconds.fetch[-1] + seconds.tree[-1])
            for made in ("clone", "cold"):
                await asyncio.to_thread(shutil.rmtree, folder / made)
    return objects, seconds


@asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[tuple[RepositoryHandle, int]]:
    github = GitHub(folder / "github")
    try:
        await github.serve()
        repository = await github.create_repository("acme/large", files={"README.md": "# Large\n"})
        await _git("--git-dir", str(repository.record.git.path), "fast-import", "--quiet", stdin=_history())
        await _git("--git-dir", str(repository.record.git.path), "repack", "-adq")
        counted = await _git("--git-dir", str(repository.record.git.path), "count-objects", "-v")
        yield repository, int(counted.split(b"in-pack: ")[1].split()[0])
    finally:
        await github.aclose()


def _history() -> bytes:
    """A `fast-import` stream: one commit of every file, then commits that each touch some."""
    parts = [_commit(range(FILES), 0)]
    for number in range(1, COMMITS + 1):
        start = number * TOUCHED
        parts.append(_commit(((start + 37 * step) % FILES for step in range(TOUCHED)), number))
    return b"".join(parts)


def _commit(files: Iterable[int], number: int) -> bytes:
    head = f"commit refs/heads/main\ncommitter Ada <ada@example.com> {1700000000 + number} +0000\ndata 1\nc\n"
    start = "" if number else "from refs/heads/main^0\n"
    return "".join([head, start, *(_file(index, number) for index in sorted(set(files)))]).encode()


def _file(index: int, number: int) -> str:
    text = "".join(f"def f{line}(x):\n    return x + {index * line + number}\n\n" for line in range(30))
    return f"M 100644 inline src/p{index % FOLDERS}/f{index}.py\ndata {len(text)}\n{text}\n"


async def _lay_out(mirror: Mirror, url: str) -> None:
    await mirror.fetch(url)
    await _tree(mirror)


async def _tree(mirror: Mirror) -> None:
    await mirror.base_tree(await mirror.resolve())


async def _clone(url: str, target: Path) -> None:
    await _git("clone", "--quiet", url, str(target))


async def _timed(work: Awaitable[None]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def _git(*arguments: str, stdin: bytes = b"") -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("git", *arguments, stdin=pipe, stdout=pipe)
    output, _ = await process.communicate(stdin)
    if process.returncode:
        raise RuntimeError(f"git {arguments[0]} ended with {process.returncode}")
    return output
