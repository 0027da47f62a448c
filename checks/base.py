"""What a Check is: it applies to a project or not, gives a command, and parses what the command said.

checks.runner runs them in a sandbox Session; members stand in one explicit dict there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from bot.core.findings import Finding
from bot.sandbox.protocol import Result
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
