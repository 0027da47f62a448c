"""What a Check is: it applies to a project or not, gives a command, and parses what the command said.

checks.runner runs them in a sandbox Session; the members stand in one explicit table in checks/__init__.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from bot.core.findings import Finding
from bot.sandbox.protocol import WORKSPACE, Reason, Result
from bot.toolchains.base import Project


@dataclass(frozen=True, slots=True)
class Command:
    """What to run inside the workspace, for how long (seconds), and which files to read back afterwards."""

    argv: tuple[str, ...]
    timeout: float = 120.0
    outputs: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class CheckFailed(Exception):
    """A check could not say anything (crashed, timed out, unreadable output); the text says why. Never "clean"."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What all checks said. `failed` holds (name, why) of those that could not say anything: not the same as clean."""

    findings: tuple[Finding, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


class Check(Protocol):
    """A linter, type checker or scanner whose result is a list of findings."""

    name: str

    def applies(self, project: Project) -> bool:
        """Whether this check has something to say about `project`."""
        ...

    def command(self, project: Project, paths: Sequence[str]) -> Command:
        """The command over `paths` (relative; empty means the whole project)."""
        ...

    def parse(self, result: Result, outputs: Mapping[str, bytes]) -> list[Finding]:
        """Findings in `result`; raises CheckFailed when the tool itself failed. The runner adds line sources."""
        ...


def ended(result: Result, *exits: int) -> None:
    """Raise CheckFailed unless the command ended by itself, whole, with one of `exits`."""
    if result.reason not in (Reason.OK, Reason.NONZERO):
        raise CheckFailed(f"it was stopped ({result.reason.value}) {result.detail}".strip())
    if result.exit not in exits:
        raise CheckFailed(f"it ended with {result.exit}: {' '.join(result.stderr.text.split())[-300:]}".strip())
    if result.stdout.cut:
        raise CheckFailed(f"it said too much ({result.stdout.total:,} bytes)")


def relative(path: str) -> str:
    """A path that a tool printed, relative to the workspace."""
    return path.removeprefix(WORKSPACE + "/").removeprefix("./")


def operands(paths: Sequence[str]) -> tuple[str, ...]:
    """Untrusted paths as arguments that no tool takes for options."""
    return tuple(f"./{path}" for path in paths)
