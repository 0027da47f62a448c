"""Toolchains detect a kind of project and install its dependencies; the members stand in one explicit table."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from bot.core.errors import UserError
from bot.sandbox.protocol import Sandbox
from bot.toolchains.base import Project, Toolchain
from bot.toolchains.node import NodeToolchain
from bot.toolchains.python import PythonToolchain

TOOLCHAINS: Mapping[str, Callable[[Sandbox, Path], Toolchain]] = MappingProxyType(
    {"python": PythonToolchain, "node": NodeToolchain}
)


def toolchains(sandbox: Sandbox, cache: Path) -> dict[str, Toolchain]:
    """Every toolchain by name, installing into `cache` through `sandbox`."""
    return {name: make(sandbox, cache / name) for name, make in TOOLCHAINS.items()}


def detect(members: Mapping[str, Toolchain], tree: Path) -> Project:
    """What `tree` is; raises UserError when no member knows it.

    Where several do, the one with both tests and manifests wins, then the one with tests, then the one with manifests;
    among equals the first member (so Python before Node.js): a stray script or a package.json for a formatter does
    not make a project.
    """
    found = [project for member in members.values() if (project := member.detect(tree)) is not None]
    if not found:
        raise UserError(f"The repository holds no project that Fettle knows ({', '.join(members)}).")
    return max(found, key=lambda project: (bool(project.test_roots), bool(project.manifests)))
