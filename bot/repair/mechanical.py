"""The first rung: what a tool or a rule knows. Safe fixes of linters, missing imports, missing dependencies."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from bot.core.errors import UserError
from bot.core.findings import Finding, SuiteEnd, TestReport
from bot.core.patch import FileChange, Mode, Patch
from bot.core.run import FixerName, TargetKind
from bot.repair import dependencies, imports
from bot.repair.base import Proposal, Task
from bot.repair.collect import collect
from bot.repair.search.source import Source, Unsupported, editable
from bot.sandbox.protocol import Session
from checks.base import CheckFailed
from checks.ruff import Ruff, fix_command, format_command
from checks.runner import run_command, run_tests

MOST_FILES = 500
TEST_SECONDS = 120.0
_RULE = re.compile(r"[A-Z]+\d+")
UNDEFINED = "F821"


class MechanicalFixer:
    """Implements base.Fixer without a search and without a model."""

    name = FixerName.MECHANICAL

    async def propose(self, task: Task) -> Proposal:
        """What is fixable by rule for the target's findings or failing tests; nothing for a described target."""
        if task.project.toolchain != "python" or task.plan.target.kind is TargetKind.DESCRIBED:
            return Proposal(None)
        async with await task.open_session() as session:
            work = _Work(task, session)
            if task.plan.target.kind is TargetKind.FINDINGS:
                proposal = await work.findings()
            else:
                proposal = await work.tests()
        await task.note("fixer.mechanical", found=proposal.patch is not None, tried=list(proposal.tried))
        return proposal


class _Work:
    """One attempt in one Session."""

    def __init__(self, task: Task, session: Session) -> None:
        self._task, self._session = task, session
        self._tried: list[str] = []

    # --- findings ---

    async def findings(self) -> Proposal:
        """Ruff's safe fixes for the target's rules in the target's files; imports for undefined names."""
        findings = [
            one for one in self._task.plan.target.findings if one.check == Ruff.name and _RULE.fullmatch(one.rule)
        ]
        if not findings:
            return Proposal(None, tried=("ruff: none of the findings is ruff's",))
        paths = tuple(sorted({one.path for one in findings}))
        formatted = await self._well_formatted(paths)
        await self._import_undefined(findings)
        rules = tuple(sorted({one.rule for one in findings}))
        await self._run_ruff(rules, paths)
        left = await self._left(rules, paths)
        changed = (await self._collected(paths)).paths
        self._say_unfixed(findings, left)
        if not changed:
            return Proposal(None, tried=tuple(self._tried))
        await self._format([path for path in changed if path in formatted])
        patch = await self._collected(paths)
        gone = _fewer(findings, left)
        if not gone or self._refused(patch):
            return Proposal(None, tried=(*self._tried, "ruff: its fixes do not settle the findings"))
        self._tried.append(f"ruff: fixed {_listed(gone)}")
        return Proposal(
            patch,
            f"Ruff reported {_listed(gone)} in {_some(patch.paths)}; these are its safe fixes.",
            tuple(self._tried),
        )

    async def _run_ruff(self, rules: Sequence[str], paths: Sequence[str]) -> None:
        command = fix_command(self._task.project, rules=rules, paths=paths)
        result, _ = await run_command(self._session, self._task.environment, command)
        if not result.ok:
            last = (result.stderr.text.strip().splitlines() or [result.reason.value])[-1]
            self._tried.append(f"ruff: it failed: {last[:200]}")

    async def _left(self, rules: Sequence[str], paths: Sequence[str]) -> Counter[str]:
        """How many findings of `rules` are left, by rule."""
        ruff = Ruff()
        result, outputs = await run_command(
            self._session, self._task.environment, ruff.command(self._task.project, paths)
        )
        try:
            found = ruff.parse(result, outputs)
        except CheckFailed as error:
            self._tried.append(f"ruff: {error}")
            return Counter(dict.fromkeys(rules, 1_000_000))
        return Counter(one.rule for one in found if one.rule in rules and one.path in paths)

    def _say_unfixed(self, findings: Sequence[Finding], left: Counter[str]) -> None:
        had = Counter(one.rule for one in findings)
        stuck = sorted(rule for rule, count in left.items() if count >= had[rule])
        if stuck:
            self._tried.append(f"ruff: no safe fix for {', '.join(stuck)}")

    async def _import_undefined(self, findings: Sequence[Finding]) -> None:
        undefined = [one for one in findings if one.rule == UNDEFINED]
        if not undefined:
            return
        sources = await self._sources()
        for path in sorted({one.path for one in undefined}):
            names = imports.missing_names("\n".join(one.message for one in undefined if one.path == path))
            for name in names:
                if path in sources and (wanted := self._statement(name, path, sources)):
                    await self._put(sources, path, imports.insert(sources[path], wanted))
                    self._tried.append(f"imports: added `{wanted}` to {path}")

    async def _well_formatted(self, paths: Sequence[str]) -> frozenset[str]:
        """Those of `paths` that the project's formatter would leave alone: only these are formatted after a fix."""
        good = []
        for path in paths:
            command = format_command(self._task.project, paths=[path])
            if command is None:
                return frozenset()
            argv = (*command.argv[:-1], "--check", command.argv[-1])
            result = await self._session.run(argv, env=dict(self._task.environment.variables), timeout=command.timeout)
            good += [path] if result.ok else []
        return frozenset(good)

    async def _format(self, paths: Sequence[str]) -> None:
        command = format_command(self._task.project, paths=paths) if paths else None
        if command is not None:
            await run_command(self._session, self._task.environment, command)

    async def _collected(self, paths: Iterable[str]) -> Patch:
        patch = (await collect(self._session, self._task.plan.base, self._task.base_tree)).patch
        return patch.without(set(patch.paths).difference(paths))

    # --- failing tests ---

    async def tests(self) -> Proposal:
        """A missing import that makes the target's tests pass, or a dependency that the manifest leaves out."""
        text = self._failures()
        names, modules = imports.missing_names(text), dependencies.missing_modules(text)
        if not names and not modules:
            return Proposal(None, tried=("mechanical: the failure names no missing import or dependency",))
        sources = await self._sources()
        for name in names:
            proposal = await self._imported(name, text, sources)
            if proposal:
                return proposal
        for module in modules:
            proposal = await self._depended(module, sources)
            if proposal:
                return proposal
        return Proposal(None, tried=tuple(self._tried))

    def _failures(self) -> str:
        report, target = self._task.plan.baseline.tests, self._task.plan.target
        messages = [case.message for case in report.cases if case.id in target.tests]
        return "\n".join([*messages, report.detail])

    async def _imported(self, name: str, text: str, sources: dict[str, Source]) -> Proposal | None:
        lacking = [path for path, source in sources.items() if name in imports.unbound(source)]
        lacking.sort(key=lambda path: path not in text)
        for path in lacking[:3]:
            wanted = self._statement(name, path, sources)
            if not wanted:
                self._tried.append(f"imports: nobody can say for certain where {name} in {path} comes from")
                continue
            content = imports.insert(sources[path], wanted)
            patch = Patch(self._task.plan.base, (FileChange(path, content, self._mode(path)),))
            if self._refused(patch):
                continue
            if await self._passes(path, content, sources[path].content):
                summary = f"{path} uses `{name}` without importing it; the patch adds `{wanted}`."
                return Proposal(patch, summary, (*self._tried, f"imports: added `{wanted}` to {path}"))
            self._tried.append(f"imports: `{wanted}` in {path} does not make the tests pass")
        if not lacking:
            self._tried.append(f"imports: no source file lacks {name}")
        return None

    def _statement(self, name: str, path: str, sources: dict[str, Source]) -> str:
        return imports.statement(name, path, sources, self._task.project.source_roots)

    async def _passes(self, path: str, content: bytes, before: bytes) -> bool:
        task = self._task
        await self._session.write(path, content)
        seconds = min(TEST_SECONDS, task.allowance.seconds)
        report = await run_tests(
            self._session, task.project, task.environment, tests=task.plan.target.tests, timeout=seconds
        )
        await self._session.write(path, before)
        return all(_passed(report, test) for test in task.plan.target.tests)

    async def _depended(self, module: str, sources: dict[str, Source]) -> Proposal | None:
        distribution = dependencies.DISTRIBUTIONS.get(module)
        own = any(module in path.removesuffix(".py").split("/") for path in sources)
        if distribution is None or own:
            self._tried.append(f"dependencies: nobody can say for certain which distribution gives {module}")
            return None
        if not any(module in _imported_modules(source) for source in sources.values()):
            self._tried.append(f"dependencies: only tests import {module}, so the project does not depend on it")
            return None
        for path in sorted(self._task.project.manifests, key=_manifest_order):
            content = await self._read(path)
            changed = dependencies.add(path, content.decode(), distribution) if content is not None else None
            if changed is None:
                continue
            patch = Patch(self._task.plan.base, (FileChange(path, changed.encode(), self._mode(path)),))
            if not self._refused(patch):
                return Proposal(patch, _dependency_summary(module, distribution, path), tuple(self._tried))
        self._tried.append(f"dependencies: no manifest where {distribution} could be added")
        return None

    # --- shared ---

    async def _sources(self) -> dict[str, Source]:
        found: dict[str, Source] = {}
        paths = await self._session.list("**/*.py")
        for path in [one for one in paths if editable(one, self._task.project.test_roots)][:MOST_FILES]:
            content = await self._read(path)
            try:
                found[path] = Source(path, content or b"")
            except Unsupported:
                continue
        return found

    async def _put(self, sources: dict[str, Source], path: str, content: bytes) -> None:
        sources[path] = Source(path, content)
        await self._session.write(path, content)

    async def _read(self, path: str) -> bytes | None:
        try:
            content = await self._session.read(path)
            content.decode()
        except (FileNotFoundError, UserError, UnicodeDecodeError):
            return None
        return content

    def _refused(self, patch: Patch) -> bool:
        return any(one.patch.changes == patch.changes for one in self._task.rejected)

    def _mode(self, path: str) -> Mode:
        return Mode.EXECUTABLE if Path(self._task.base_tree, path).lstat().st_mode & 0o100 else Mode.FILE


def _passed(report: TestReport, test: str) -> bool:
    """Whether a test, or every test of a file that could not be imported before, passed."""
    if report.end is not SuiteEnd.COMPLETED:
        return False
    if test in report.passing:
        return True
    inside = [case.id for case in report.cases if case.id.startswith(f"{test}::")]
    return bool(inside) and report.passing.issuperset(inside)


def _imported_modules(source: Source) -> set[str]:
    text = source.content.decode()
    return set(re.findall(r"^\s*(?:import|from)\s+(\w+)", text, re.MULTILINE))


def _manifest_order(path: str) -> tuple[int, str]:
    order = ("pyproject.toml", "requirements.txt", "requirements.in")
    name = posixpath.basename(path)
    return (order.index(name) if name in order else len(order), path)


def _dependency_summary(module: str, distribution: str, path: str) -> str:
    return (
        f"The project imports `{module}` but {path} does not name {distribution}; the patch adds it. "
        "This changes what is installed: a lock file, where there is one, has to be made anew."
    )


def _fewer(findings: Sequence[Finding], left: Counter[str]) -> Counter[str]:
    return Counter(one.rule for one in findings) - left


def _listed(rules: Counter[str]) -> str:
    return ", ".join(f"{rule} ({count})" if count > 1 else rule for rule, count in sorted(rules.items()))


def _some(paths: Sequence[str]) -> str:
    return ", ".join(paths) if len(paths) <= 3 else f"{', '.join(paths[:3])} and {len(paths) - 3} more"
