"""A workbench for checks: tiny projects, detected, installed and opened in the real sandbox. Used by conftest."""

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.core.findings import TestReport
from bot.sandbox.bubblewrap import Bubblewrap
from bot.sandbox.protocol import Session
from bot.toolchains.base import Environment, Project
from bot.toolchains.python import PythonToolchain
from checks.base import CheckReport
from checks.runner import run_checks, run_tests


@dataclass(frozen=True)
class Bench:
    session: Session
    project: Project
    environment: Environment

    async def checks(self, *paths: str) -> CheckReport:
        return await run_checks(self.session, self.project, self.environment, paths=paths)

    async def tests(self, *tests: str, timeout: float = 60.0) -> TestReport:
        return await run_tests(self.session, self.project, self.environment, tests=tests, timeout=timeout)


class Lab:
    """Everything lies below one folder that the sandbox's uid can reach (pytest's tmp_path is private)."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fettle-lab-"))
        self.folder.chmod(0o755)
        self.sandbox = Bubblewrap(self.folder / "state")
        self.toolchain = PythonToolchain(self.sandbox, self.folder / "cache")
        self._names = itertools.count()

    def tree(self, files: Mapping[str, str]) -> Path:
        root = self.folder / f"tree-{next(self._names)}"
        root.mkdir(mode=0o755)
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        return root

    @asynccontextmanager
    async def open(self, files: Mapping[str, str]) -> AsyncIterator[Bench]:
        root = self.tree(files)
        project = self.toolchain.detect(root)
        assert project
        environment = await self.toolchain.install(project, root)
        async with await self.sandbox.open(root, mounts=environment.mounts) as session:
            yield Bench(session, project, environment)

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
