"""Records what the real tools say of the samples in golden/: run `python -m tests.checks.record` after an upgrade."""

import asyncio
import json
from pathlib import Path

from bot.sandbox.protocol import Result
from checks import CHECKS, python_tests
from checks.runner import run_command
from tests.checks.lab import Bench, Lab
from tests.checks.samples import BROKEN, CALC, OUTCOMES, TYPED

GOLDEN = Path(__file__).parent / "golden"


def _kept(result: Result) -> str:
    return (
        json.dumps({"exit": result.exit, "stdout": result.stdout.text, "stderr": result.stderr.text}, indent=1) + "\n"
    )


async def _check(bench: Bench, name: str, to: str) -> None:
    result, _ = await run_command(bench.session, bench.environment, CHECKS[name].command(bench.project, ()))
    (GOLDEN / to).write_text(_kept(result))


async def _tests(bench: Bench) -> None:
    await bench.session.write("out/select.txt", b"")
    command = python_tests.pytest_command(bench.project, folder="out")
    result, outputs = await run_command(bench.session, bench.environment, command)
    (GOLDEN / "pytest.json").write_text(_kept(result))
    (GOLDEN / "pytest-report.jsonl").write_bytes(outputs["out/report.jsonl"])
    (GOLDEN / "pytest-junit.xml").write_bytes(outputs["out/junit.xml"])


async def main() -> None:
    lab = Lab()
    try:
        async with lab.open(CALC) as bench:
            await _check(bench, "ruff", "ruff.json")
        async with lab.open(TYPED) as bench:
            await _check(bench, "ruff", "ruff-own.json")
            await _check(bench, "mypy", "mypy.json")
        async with lab.open(BROKEN) as bench:
            await _check(bench, "syntax", "syntax.json")
        async with lab.open(OUTCOMES) as bench:
            await _tests(bench)
    finally:
        lab.close()


if __name__ == "__main__":
    asyncio.run(main())
