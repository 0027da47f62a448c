"""From webhook sent to pull request opened: warm, a mechanical fix, against the embedded GitHub. By stage.

Warm means: the repository was mirrored and its environment installed by an earlier run, and a new commit came since,
so that nothing about the commit itself is cached. The peer is the same road's first run, cold, in this very process.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from benchmarks.figures import Figure
from bot.commands.demo import Stage, open_stage
from bot.core.run import Run
from bot.core.settings import load
from bot.core.telemetry import configure
from bot.run.pipeline import ended
from bot.run.progress import stage_lines

SEED = """
repositories:
  - name: acme/bench
    collaborators: {ada: write}
    files:
      report.py: "def report(rows):\\n    return list(rows)\\n"
      test_report.py: "from report import report\\n\\n\\ndef test_report():\\n    assert report('ab') == ['a', 'b']\\n"
"""
LINTED = "import json\nimport os\n\n\ndef report(rows):\n    # {number}\n    return list(rows)\n"
PATIENCE = 120.0


def run(arguments: list[str]) -> Iterable[Figure]:
    """Figures in seconds: the whole way and each stage, medians of the warm runs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks label_to_pr")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    configure("ERROR", "console")
    cold, *warm = asyncio.run(_measure(rounds + 1))
    whole = statistics.median(total for total, _ in warm)
    yield Figure(
        "webhook to pull request, warm (median)", whole, "s", "under 4 s", whole / cold[0], "the first run, cold"
    )
    yield Figure("webhook to pull request, warm (slowest)", max(total for total, _ in warm), "s")
    yield Figure("webhook to pull request, cold", cold[0], "s")
    for stage in warm[0][1]:
        yield Figure(f"stage {stage}, warm (median)", statistics.median(stages[stage] for _, stages in warm), "s")


async def _measure(rounds: int) -> list[tuple[float, dict[str, float]]]:
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as seed:
        seed.write(SEED)
        seed.flush()
        async with open_stage(load({}), Path(seed.name)) as stage:
            return [measured async for measured in _rounds(stage, rounds)]


async def _rounds(stage: Stage, rounds: int) -> AsyncIterator[tuple[float, dict[str, float]]]:
    repository = stage.github.repo("acme/bench")
    for number in range(rounds):
        await repository.push({"report.py": LINTED.format(number=number)}, by="ada")
        await stage.github.drain()
        started = time.monotonic()
        repository.open_issue(f"Lint: unused imports ({number})", author="ada", labels=["autofix"])
        while len(repository.pulls()) <= number:
            if time.monotonic() - started > PATIENCE:
                raise SystemExit(f"round {number} opened no pull request within {PATIENCE:g} s")
            await asyncio.sleep(0.005)
        seconds = time.monotonic() - started
        entries = await stage.services.store.journal.read((await _settled(stage)).id)
        yield seconds, {line.name: line.seconds or 0.0 for line in stage_lines(entries)}


async def _settled(stage: Stage) -> Run:
    while True:
        (newest,) = await stage.services.store.runs.list(limit=1)
        if ended(newest):
            return newest
        await asyncio.sleep(0.02)
