"""What a Toolchain is: it detects a kind of project and installs its dependencies. Running tests is a Check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from bot.sandbox.protocol import Mount


@dataclass(frozen=True, slots=True)
class Project:
    """What was detected in a base tree, as data. Paths are relative and posix.

    `manifests` are the files that decide what gets installed; `key` is the hash of what they ask for, of the
    interpreter and of our pinned tools: the same key never installs twice. `source_roots` go on the import path, in
    order. `configures` names the tools that the project itself configures (such as `ruff`, `mypy`, `black`, `pytest`;
    and `mypy-files` when mypy is told what to check). `notes` says in a sentence each what could not be understood.
    `test_command` is how the project itself runs its tests, paths after `--`; empty: the toolchain's own way, if any.
    """

    toolchain: str
    key: str
    version: str = ""
    manifests: tuple[str, ...] = ()
    source_roots: tuple[str, ...] = (".",)
    test_roots: tuple[str, ...] = ()
    configures: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    test_command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """An installed environment: what to mount into a run-stage Session and which variables to set there."""

    key: str
    mounts: tuple[Mount, ...] = ()
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    installed: bool = False  # True when this call installed it, False when it came from the cache
    seconds: float = 0.0


class Toolchain(Protocol):
    """One kind of project."""

    name: str

    def detect(self, tree: Path) -> Project | None:
        """Say what `tree` (untrusted, read without following links) is, or None when it is of another kind."""
        ...

    async def install(self, project: Project, tree: Path) -> Environment:
        """Install what `project` asks for, inside the sandbox, once per key.

        Raises UserError (one sentence, with the tool's own last words) when the project cannot be installed and
        Infrastructure when this machine cannot.
        """
        ...
