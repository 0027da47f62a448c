"""Records what the real tools say of the JavaScript samples: run `python -m tests.checks.record_javascript`."""

import asyncio
import json
from pathlib import Path

from bot.sandbox.protocol import Result
from checks import CHECKS, javascript_tests
from checks.runner import run_command
from tests.checks.javascript_lab import CHECKED, SAMPLES, NodeLab
from tests.checks.lab import Bench

GOLDEN = Path(__file__).parent / "golden"


def _keep(to: str, result: Result, **more: str) -> None:
    kept = {"exit": result.exit, "stdout": result.stdout.text, "stderr": result.stderr.text, **more}
    (GOLDEN / to).write_text(json.dumps(kept, indent=1) + "\n")


async def _tests(bench: Bench, name: str) -> None:
    await bench.session.write("out/report", b"")
    command = javascript_tests.command(bench.project, (), "out", 60.0)
    assert command
    result, outputs = await run_command(bench.session, bench.environment, command)
    _keep(f"javascript-{name}.json", result, report=outputs["out/report"].decode())


async def _check(bench: Bench, name: str) -> None:
    result, _ = await run_command(bench.session, bench.environment, CHECKS[name].command(bench.project, ()))
    _keep(f"check-{name}.json", result)


async def main() -> None:
    lab = NodeLab()
    try:
        for name, files in SAMPLES.items():
            async with lab.open(files) as bench:
                await _tests(bench, name)
        async with lab.open(CHECKED) as bench:
            for name in ("javascript-syntax", "tsc", "eslint"):
                await _check(bench, name)
    finally:
        lab.lab.close()


if __name__ == "__main__":
    asyncio.run(main())
