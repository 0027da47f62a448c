"""A broken calculator in the real sandbox, and a model that does as it is told over real HTTP."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.core.findings import SuiteEnd, TestCase, TestOutcome, TestReport
from bot.core.run import Baseline, Plan, Subject, SubjectKind, Target, TargetKind
from bot.embedded.model import NAME, ScriptedModel
from bot.repair.agent.fixer import AgentFixer
from bot.repair.base import Allowance, Proposal, Task
from bot.sandbox.bubblewrap import Bubblewrap
from bot.sandbox.protocol import Session
from bot.services.llm import Models
from bot.toolchains.base import Environment, Project

BASE = "b" * 40
BROKEN = "def add(a, b):\n    return a - b\n"
FIXED = "def add(a, b):\n    return a + b\n"
TEST = "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
FAILING = "test_calc.py::test_add"
CANARY = "canary-7f3a91c2-do-not-leak"


@dataclass
class Journal:
    """Collects notes in place of the journal table."""

    entries: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, kind: str, *, cost_usd: float = 0.0, tokens: int = 0, **data: object) -> None:
        self.entries.append({"kind": kind, "cost_usd": cost_usd, "tokens": tokens, **data})

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["kind"] == kind]


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder that the sandbox's unprivileged user can read: pytest's own are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="fettle-agent-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def tree(room: Path) -> Path:
    tree = room / "tree"
    tree.mkdir(mode=0o755)
    for name, text in {"calc.py": BROKEN, "test_calc.py": TEST}.items():
        (tree / name).write_text(text)
    return tree


@pytest.fixture
async def session(room: Path, tree: Path) -> AsyncIterator[Session]:
    async with await Bubblewrap(room / "state").open(tree) as session:
        yield session


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as model:
        for name, value in {**model.environment(), "OPENAI_API_KEY": CANARY}.items():
            monkeypatch.setenv(name, value)
        yield model


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def task(room: Path, tree: Path, journal: Journal) -> Task:
    """The calculator's task, with an empty environment: the sandbox's own Python."""
    sandbox = Bubblewrap(room / "state")
    baseline = Baseline(
        TestReport(
            SuiteEnd.COMPLETED, (TestCase(FAILING, TestOutcome.FAILED, "assert -1 == 3\n where -1 = add(1, 2)"),)
        )
    )
    return Task(
        subject=Subject(SubjectKind.ISSUE, 7, "add() is wrong", "It subtracts. <!-- hidden -->", "mallory"),
        plan=Plan(BASE, "python", Target(TargetKind.TESTS, (FAILING,)), baseline),
        base_tree=tree,
        project=Project("python", "key", "3.11", test_roots=(".",), configures=frozenset({"ruff"})),
        environment=Environment("key"),
        open_session=lambda: sandbox.open(tree),
        note=journal,
        allowance=Allowance(seconds=60.0),
    )


Propose = Callable[..., Any]


@pytest.fixture
def propose(task: Task) -> Propose:
    """Let the fixer work on the task, changed by keywords."""

    async def propose(models: Models | None = None, **changes: Any) -> Proposal:
        fixer = AgentFixer(models or Models(NAME, timeout=10, tries=2, pause=0.01))
        return await fixer.propose(replace(task, **changes))

    return propose
