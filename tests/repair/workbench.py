"""Fixers at work: a tree, its environment, its real baseline in the real sandbox, and the Task that comes of it."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.core.findings import Finding
from bot.core.run import Baseline, Plan, Subject, SubjectKind, Target, TargetKind
from bot.repair.base import Allowance, Proposal, Rejected, Task
from bot.sandbox.bubblewrap import Bubblewrap
from bot.sandbox.protocol import Session
from bot.toolchains.base import Environment, Project
from bot.toolchains.python import PythonToolchain
from checks.runner import run_checks, run_tests

BASE = "b" * 40


@dataclass
class Journal:
    """Keeps notes in place of the journal table."""

    entries: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    async def __call__(self, kind: str, *, cost_usd: float = 0.0, tokens: int = 0, **data: object) -> None:
        self.entries.append((kind, data))


class Workbench:
    """Makes Tasks. `data` is a folder that the sandbox's uid can reach; `close` removes the trees."""

    def __init__(self, data: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="repair-", dir=data))
        self._folder.chmod(0o755)
        self.sandbox = Bubblewrap(data / "repair-state")
        self.toolchain = PythonToolchain(self.sandbox, data / "repair-cache")
        self.journal = Journal()

    def close(self) -> None:
        shutil.rmtree(self._folder)

    def tree(self, files: Mapping[str, str]) -> Path:
        root = self._folder / "tree"
        for name, text in files.items():
            (root / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            (root / name).write_text(text)
        return root

    async def task(
        self,
        files: Mapping[str, str],
        kind: TargetKind = TargetKind.TESTS,
        *,
        rules: Sequence[str] = (),
        rejected: Sequence[Rejected] = (),
        seconds: float = 60.0,
        baseline_seconds: float = 20.0,
    ) -> Task:
        """A Task whose target is every failing test, or every finding of `rules`, of the real baseline."""
        tree = self.tree(files)
        project = self.toolchain.detect(tree)
        assert project is not None
        environment = await self.toolchain.install(project, tree)
        baseline = await self._baseline(tree, project, environment, kind, baseline_seconds)
        target = Target(
            kind,
            tuple(sorted(baseline.tests.failing)) if kind is TargetKind.TESTS else (),
            tuple(one for one in baseline.findings if one.rule in rules),
        )

        async def open_session() -> Session:
            return await self.sandbox.open(tree, mounts=environment.mounts)

        return Task(
            subject=Subject(SubjectKind.LOCAL, 0, "It is broken"),
            plan=Plan(BASE, project.toolchain, target, baseline),
            base_tree=tree,
            project=project,
            environment=environment,
            open_session=open_session,
            note=self.journal,
            allowance=Allowance(seconds=seconds),
            rejected=tuple(rejected),
        )

    async def _baseline(
        self, tree: Path, project: Project, environment: Environment, kind: TargetKind, seconds: float
    ) -> Baseline:
        async with await self.sandbox.open(tree, mounts=environment.mounts) as session:
            tests = await run_tests(session, project, environment, timeout=seconds)
            findings: Sequence[Finding] = ()
            if kind is TargetKind.FINDINGS:
                findings = (await run_checks(session, project, environment)).findings
        return Baseline(tests, tuple(findings))


def text(proposal: Proposal, path: str) -> str:
    """The proposed content of `path`."""
    assert proposal.patch is not None, proposal.tried
    change = proposal.patch.get(path)
    assert change is not None
    assert change.content is not None
    return change.content.decode()
