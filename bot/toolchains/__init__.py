"""Toolchains detect a kind of project and install its dependencies; the members stand in one explicit table."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from bot.core.errors import UserError
from bot.sandbox.protocol import Sandbox
from bot.toolchains.base import Project, Toolchain
from bot.toolchains.python import PythonToolchain

TOOLCHAINS: Mapping[str, Callable[[Sandbox, Path], Toolchain]] = MappingProxyType({"python": PythonToolchain})


def toolchains(sandbox: Sandbox, cache: Path) -> dict[str, Toolchain]:
    """Every toolchain by name, installing into `cache` through `sandbox`."""
    return {name: make(sandbox, cache / name) for name, make in TOOLCHAINS.items()}


def detect(members: Mapping[str, Toolchain], tree: Path) -> Project:
    """What `tree` is, asked of each member in order; raises UserError when none of them knows it."""
    for member in members.values():
        if (project := member.detect(tree)) is not None:
            return project
    raise UserError(f"The repository holds no project that Fettle knows ({', '.join(members)}).")
