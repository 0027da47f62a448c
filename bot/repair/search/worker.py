"""The host's end of the worker: starts it in a Session and understands what it says. Used by evaluate.

What comes back was said next to untrusted code, so every field is checked; at worst it leads to a Patch that validate
refuses.
"""

from __future__ import annotations

import base64
import json
import secrets
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot.core.errors import Infrastructure
from bot.repair.search.localise import Ran, Spectrum
from bot.sandbox.protocol import WORKSPACE, Reason, Result, Session

MODULES = ("channel", "suite", "tracing", "swap", "trials", "main")
MOST_UNPACKED = 64 << 20
# Rebuilds `inside` as a package in memory: nothing of ours is written into the workspace.
BOOT = """
import json, sys, types
package = types.ModuleType("fettle_inside")
package.__path__ = []
sys.modules["fettle_inside"] = package
job = json.loads(sys.stdin.buffer.readline())
for name, source in job.pop("modules"):
    module = types.ModuleType("fettle_inside." + name)
    module.__package__ = "fettle_inside"
    sys.modules[module.__name__] = module
    exec(compile(source, "<" + module.__name__ + ">", "exec"), module.__dict__)
sys.modules["fettle_inside.main"].run(job)
"""


class WorkerFailed(Exception):
    """The worker could not do its work; the text says why, for the list of what was tried."""


@dataclass(frozen=True, slots=True)
class Suite:
    """What the worker runs: `targets` must come to pass, `passing` must stay so.

    `files` are the editable ones, `paths` the test files to collect; all relative to `root`. `patience` says how many
    seconds each test may take, `test_seconds` those that it does not name, `suite_seconds` all passing ones together.
    """

    targets: tuple[str, ...]
    passing: tuple[str, ...]
    files: tuple[str, ...]
    paths: tuple[str, ...]
    start_seconds: float = 60.0
    test_seconds: float = 2.0
    suite_seconds: float = 30.0
    patience: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    root: str = WORKSPACE

    @property
    def seconds(self) -> float:
        """The longest that one trial may take, its imports left out."""
        return sum(self.patience.get(test, self.test_seconds) for test in (*self.targets, *self.passing))

    def job(self) -> dict[str, Any]:
        """What the worker's jobs have in common."""
        return {
            "root": self.root,
            "targets": self.targets,
            "passing": self.passing,
            "files": self.files,
            "paths": self.paths,
            "start_seconds": self.start_seconds,
            "test_seconds": self.test_seconds,
            "patience": dict(self.patience),
            "suite_seconds": self.suite_seconds,
        }


async def work(
    session: Session, variables: Mapping[str, str], job: Mapping[str, Any], seconds: float
) -> list[dict[str, Any]]:
    """Run one job for at most `seconds` and return the worker's messages; raises WorkerFailed and Infrastructure."""
    nonce = secrets.token_hex(8)
    inside = Path(__file__).with_name("inside")
    modules = [(name, (inside / f"{name}.py").read_text()) for name in MODULES]
    data = json.dumps({"modules": modules, "nonce": nonce, **job}).encode() + b"\n"
    env = {**variables, "PYTHONDONTWRITEBYTECODE": "1"}
    result = await session.run(("python", "-c", BOOT), env=env, cwd=job["root"], stdin=data, timeout=seconds)
    messages = list(_messages(result, nonce))
    failure = next((one for one in messages if "error" in one), None)
    if failure is not None:
        raise WorkerFailed(str(failure["error"])[:300])
    if not messages:
        raise _silent(result)
    return messages


def spectrum(messages: list[dict[str, Any]]) -> Spectrum:
    """The traced run in the worker's messages; raises WorkerFailed when it is not one."""
    try:
        packed = next(one["trace"] for one in messages if "trace" in one)
        unpacking = zlib.decompressobj()
        data = json.loads(unpacking.decompress(base64.b64decode(packed), MOST_UNPACKED))
        parts = data["messages"]
        tests = tuple(_ran(part) for part in parts if "test" in part)
        imported = next((_lines(part["imported"]) for part in parts if "imported" in part), None)
        if imported is None or parts[-1].get("done") != "traced":
            raise WorkerFailed(f"the tests could not be collected or traced ({str(parts[-1])[:200]})")
        return Spectrum(tests, imported)
    except (KeyError, TypeError, ValueError, StopIteration, IndexError, AttributeError, zlib.error) as error:
        raise WorkerFailed(f"the worker's trace makes no sense: {error!r}") from None


def _messages(result: Result, nonce: str) -> Iterator[dict[str, Any]]:
    for line in result.stdout.data.decode(errors="replace").splitlines():
        if not line.startswith(nonce):
            continue
        try:
            message = json.loads(line[len(nonce) :])
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message


def _silent(result: Result) -> Exception:
    if result.reason is Reason.INFRASTRUCTURE:
        return Infrastructure(f"The sandbox could not run the search worker: {result.detail}")
    last = result.stderr.text.strip().splitlines()[-1:] or [result.detail or str(result.exit)]
    return WorkerFailed(f"the worker ended without a word ({result.reason}: {last[0][:200]})")


def _ran(part: Mapping[str, Any]) -> Ran:
    raised = tuple((str(path), int(line)) for path, line in part["raised"])
    return Ran(str(part["test"]), str(part["outcome"]), float(part["seconds"]), _lines(part["lines"]), raised)


def _lines(data: Mapping[str, list[int]]) -> Mapping[str, frozenset[int]]:
    return MappingProxyType({str(path): frozenset(int(line) for line in lines) for path, lines in data.items()})
