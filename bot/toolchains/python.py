"""The Python toolchain: detects a project and installs what it asks for, once per key. Called by the plan stage.

An environment is built by uv inside the sandbox, published whole into the cache, and from then on mounted read-only
at one constant path. The project's own code stays in the workspace and is found by PYTHONPATH, so a changed tree needs
no install; what a project generates when it is built (C extensions, a version file) is therefore missing.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

from bot.core.errors import Infrastructure, UserError
from bot.sandbox.protocol import WORKSPACE, Mount, Sandbox
from bot.toolchains import python_install, python_tools
from bot.toolchains.base import Environment, Project
from bot.toolchains.files import TreeReader
from bot.toolchains.python_detect import NAME, Plan, plan
from bot.toolchains.python_interpreters import Interpreter, available
from bot.toolchains.store import EnvironmentStore

# One build may take its whole wall time for each of the attempts before somebody who waits gives up.
_WAIT_SECONDS = 2 * python_install.WALL_SECONDS


class PythonToolchain:
    """Python projects. `cache` must be reachable for the sandbox's uid (every folder above it searchable).

    `environ` holds the operator's package index settings, under the names that pip and uv use.
    """

    name = NAME

    def __init__(
        self,
        sandbox: Sandbox,
        cache: Path,
        interpreters: tuple[Interpreter, ...] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._sandbox = sandbox
        self._environ = environ
        self._cache = cache
        self._store = EnvironmentStore(cache)
        self._interpreters = available() if interpreters is None else interpreters

    def detect(self, tree: Path) -> Project | None:
        """What `tree` is; None without any Python file. Raises UserError for manifests that cannot be read."""
        found = plan(TreeReader(tree), self._interpreters)
        return found.project if found else None

    async def install(self, project: Project, tree: Path) -> Environment:
        """Install what `project` asks for, once per key; concurrent calls for one key wait for the first.

        Raises UserError (with uv's last words), Retry (index unreachable, key being built) or Infrastructure.
        """
        started = time.monotonic()
        found = await asyncio.to_thread(plan, TreeReader(tree), self._interpreters)
        if found is None or found.project.key != project.key:
            raise UserError("The files that decide what is installed have changed since the project was detected.")
        tools = await self._tools()
        built = False
        if (folder := self._store.find(project.key)) is None:
            async with self._store.exclusive(project.key, _WAIT_SECONDS):
                if (folder := self._store.find(project.key)) is None:
                    folder, built = await self._build(found, tools), True
        return _environment(found, folder, tools, built, time.monotonic() - started)

    async def _tools(self) -> Path:
        try:
            return await asyncio.to_thread(python_tools.provide, self._cache, python_tools.binaries())
        except OSError as error:
            raise Infrastructure(f"Fettle's tools cannot be copied into the cache: {error}.") from error

    async def _build(self, found: Plan, tools: Path) -> Path:
        await self._store.clear()
        folder = self._store.begin()
        empty = self._cache / "empty"
        empty.mkdir(mode=0o755, exist_ok=True)
        try:
            host = python_install.Host(tools, empty, self._environ)
            await python_install.build(self._sandbox, found, folder, host)
            return self._store.publish(folder, found.project.key)
        except BaseException:
            await self._store.discard(folder)
            raise


def _environment(found: Plan, folder: Path, tools: Path, built: bool, seconds: float) -> Environment:
    roots = [WORKSPACE if root == "." else f"{WORKSPACE}/{root}" for root in found.project.source_roots]
    variables = {
        "PATH": f"{python_install.TARGET}/bin:{python_tools.BIN}:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": python_install.TARGET,
        "PYTHONPATH": ":".join([*roots, python_tools.LIB]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",  # two runs over the same tree must say the same
    }
    mounts = (
        Mount(folder, python_install.TARGET),
        Mount(tools, python_tools.TARGET),
        *python_install.interpreter_mounts(found),
    )
    return Environment(found.project.key, mounts, variables, built, seconds)
