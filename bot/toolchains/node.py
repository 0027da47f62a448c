"""The Node.js toolchain: detects a project and installs what it asks for, once per key. Called by the plan stage.

The installed packages are mounted read-only at /node_modules: Node.js looks for packages in every folder above a file,
the root of the file system last, for `require` and `import` alike, so nothing is written into the workspace.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path

from bot.core.errors import Infrastructure, UserError
from bot.sandbox.protocol import WORKSPACE, Mount, Sandbox
from bot.toolchains import node_install, node_tools
from bot.toolchains.base import Environment, Project
from bot.toolchains.files import TreeReader
from bot.toolchains.node_detect import NAME, Plan, plan
from bot.toolchains.node_tools import NodeBinary
from bot.toolchains.store import EnvironmentStore

MODULES = "/node_modules"
_WAIT_SECONDS = 2 * node_install.WALL_SECONDS


class NodeToolchain:
    """JavaScript and TypeScript projects. `cache` must be reachable for the sandbox's uid.

    `environ` holds the operator's registry settings, under the names that npm uses.
    """

    name = NAME

    def __init__(self, sandbox: Sandbox, cache: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._sandbox = sandbox
        self._environ = environ
        self._cache = cache
        self._store = EnvironmentStore(cache)
        self._node = node_tools.find()

    def detect(self, tree: Path) -> Project | None:
        """What `tree` is; None without a package.json at its root. Raises UserError for unreadable manifests."""
        found = self._plan(tree)
        return found.project if found else None

    async def install(self, project: Project, tree: Path) -> Environment:
        """Install what `project` asks for, once per key; concurrent calls for one key wait for the first.

        Raises UserError (with the package manager's words), Retry (registry unreachable, key being built) or
        Infrastructure.
        """
        started = time.monotonic()
        node = node_tools.required(self._node)
        found = await asyncio.to_thread(self._plan, tree)
        if found is None or found.project.key != project.key:
            raise UserError("The files that decide what is installed have changed since the project was detected.")
        tools = await self._tools(node)
        folder, built = await self._modules(found, tools) if found.installs else (None, False)
        return _environment(project.key, folder, tools, built, time.monotonic() - started)

    def _plan(self, tree: Path) -> Plan | None:
        return plan(TreeReader(tree), self._node.identity if self._node else "")

    async def _tools(self, node: NodeBinary) -> Path:
        try:
            await asyncio.to_thread(self._cache.mkdir, mode=0o755, parents=True, exist_ok=True)
            return await asyncio.to_thread(node_tools.provide, self._cache, node)
        except OSError as error:
            raise Infrastructure(f"Fettle's tools cannot be copied into the cache: {error}.") from error

    async def _modules(self, found: Plan, tools: Path) -> tuple[Path, bool]:
        """The folder of the environment, and whether this call built it."""
        key = found.project.key
        if (folder := self._store.find(key)) is None:
            async with self._store.exclusive(key, _WAIT_SECONDS):
                if (folder := self._store.find(key)) is None:
                    return await self._build(found, tools), True
        return folder, False

    async def _build(self, found: Plan, tools: Path) -> Path:
        await self._store.clear()
        folder = self._store.begin()
        empty = self._cache / "empty"
        empty.mkdir(mode=0o755, exist_ok=True)
        try:
            await node_install.build(self._sandbox, found, folder, node_install.Host(tools, empty, self._environ))
            if not stat.S_ISDIR((folder / "node_modules").lstat().st_mode):
                raise Infrastructure("The package manager left no plain folder node_modules.")
            return self._store.publish(folder, found.project.key)
        except BaseException:
            await self._store.discard(folder)
            raise


def _environment(key: str, folder: Path | None, tools: Path, built: bool, seconds: float) -> Environment:
    variables = {
        "PATH": f"{WORKSPACE}/node_modules/.bin:{MODULES}/.bin:{node_install.PATH}",
        "CI": "true",  # no watching, no new snapshots
        "NO_COLOR": "1",
        "NODE_DISABLE_COMPILE_CACHE": "1",
        "npm_config_update_notifier": "false",
    }
    modules = (Mount(folder / "node_modules", MODULES),) if folder else ()
    return Environment(key, (*modules, Mount(tools, node_tools.TARGET)), variables, built, seconds)
