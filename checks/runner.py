"""Runs checks and tests in an open Session. Called by the plan and validate stages and by the fixers.

A check that fails itself is reported as failed, never taken for clean.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from bot.core.errors import UserError
from bot.core.findings import Finding, SuiteEnd, TestReport
from bot.sandbox.protocol import MIB, Result, Session
from bot.toolchains.base import Environment, Project
from checks import CHECKS, javascript_tests, python_tests
from checks.base import Check, CheckFailed, CheckReport, Command

MAX_SOURCES = 2_000
MAX_REPORT_BYTES = 64 * MIB


@dataclass(frozen=True, slots=True)
class TestRunner:
    """How the tests of one toolchain are run.

    `command` gets the project, tests (ids or paths), the folder for reports and seconds, and is None when the project
    names no runner that we know; `inputs` gives the files that the command reads from its folder, by name; `parse` gets
    the reports in the order of the command's outputs; `litter` names what a run leaves in the workspace besides.
    """

    __test__ = False

    command: Callable[[Project, Sequence[str], str, float], Command | None]
    inputs: Callable[[Sequence[str]], Mapping[str, bytes]]
    parse: Callable[[Project, Sequence[str], Result, Sequence[bytes | None]], TestReport]
    litter: Callable[[Project], Sequence[str]]


TEST_RUNNERS: Mapping[str, TestRunner] = MappingProxyType(
    {
        "python": TestRunner(
            command=lambda project, tests, folder, timeout: python_tests.pytest_command(
                project, tests, folder=folder, timeout=timeout
            ),
            inputs=lambda tests: {"select.txt": python_tests.selection(tests).encode()},
            parse=lambda _, __, result, reports: python_tests.parse(result, reports[0] or b"", reports[1]),
            litter=lambda _: (),
        ),
        "node": TestRunner(
            command=javascript_tests.command,
            inputs=lambda _: {"report": b""},
            parse=lambda project, tests, result, reports: javascript_tests.parse(project, tests, result, reports[0]),
            litter=javascript_tests.litter,
        ),
    }
)


async def run_checks(
    session: Session,
    project: Project,
    environment: Environment,
    *,
    paths: Sequence[str] = (),
    members: Mapping[str, Check] = CHECKS,
) -> CheckReport:
    """Everything that the applicable members say about `paths` (empty: the whole project), in the order of members."""
    applicable = [check for check in members.values() if check.applies(project)]
    said = await asyncio.gather(*(_one(session, project, environment, check, paths) for check in applicable))
    findings = [finding for found, _ in said for finding in found]
    failed = tuple((check.name, why) for check, (_, why) in zip(applicable, said, strict=True) if why)
    return CheckReport(tuple(await _with_sources(session, findings)), failed)


async def run_tests(
    session: Session,
    project: Project,
    environment: Environment,
    *,
    tests: Sequence[str] = (),
    timeout: float = 900.0,
) -> TestReport:
    """Run `tests` (the runner's own ids, or paths; empty: the whole suite) for at most `timeout` seconds.

    Raises Infrastructure when the sandbox failed; everything else that can go wrong is a SuiteEnd.
    """
    runner = TEST_RUNNERS[project.toolchain]
    folder = f".fettle-{secrets.token_hex(8)}"  # unknown beforehand: no earlier run can have left a report there
    command = runner.command(project, tests, folder, timeout)
    if command is None:
        return TestReport(SuiteEnd.NO_TESTS, detail=" ".join(project.notes) or "The project names no test runner.")
    for name, data in runner.inputs(tests).items():
        await session.write(f"{folder}/{name}", data)
    result, outputs = await run_command(session, environment, command, max_bytes=MAX_REPORT_BYTES)
    await _clean(session, folder, runner.litter(project))
    reports = [outputs.get(path) for path in command.outputs]
    return await asyncio.to_thread(runner.parse, project, tests, result, reports)


async def _clean(session: Session, folder: str, litter: Sequence[str]) -> None:
    await session.run(["rm", "-rf", folder, *litter])
    for above in dict.fromkeys(path.rpartition("/")[0] for path in litter):
        await session.run(["rmdir", "--ignore-fail-on-non-empty", above])


async def run_command(
    session: Session, environment: Environment, command: Command, *, max_bytes: int = 4 * MIB
) -> tuple[Result, dict[str, bytes]]:
    """Run `command` with the environment's variables; its outputs that are regular files of at most `max_bytes`."""
    variables = {**environment.variables, **command.variables}
    result = await session.run(command.argv, env=variables, timeout=command.timeout)
    read = {path: await _read(session, path, max_bytes) for path in command.outputs}
    return result, {path: data for path, data in read.items() if data is not None}


async def _one(
    session: Session, project: Project, environment: Environment, check: Check, paths: Sequence[str]
) -> tuple[list[Finding], str]:
    try:
        result, outputs = await run_command(session, environment, check.command(project, paths))
        return check.parse(result, outputs), ""
    except CheckFailed as error:
        return [], str(error)[:500] or "it failed without a word"


async def _with_sources(session: Session, findings: Sequence[Finding]) -> list[Finding]:
    """The findings with fingerprints made of their lines' text, so that they survive moved lines."""
    texts: dict[str, list[str]] = {}
    for path in list(dict.fromkeys(finding.path for finding in findings))[:MAX_SOURCES]:
        data = await _read(session, path, 4 * MIB)
        # As the tools count lines; str.splitlines also splits at form feeds.
        texts[path] = (data or b"").decode(errors="replace").replace("\r\n", "\n").split("\n")
    return [_sourced(finding, texts.get(finding.path, [])) for finding in findings]


def _sourced(finding: Finding, lines: Sequence[str]) -> Finding:
    source = lines[finding.line - 1] if 0 < finding.line <= len(lines) else ""
    made = Finding.of(finding.check, finding.rule, finding.path, finding.line, finding.message, source=source)
    return replace(finding, fingerprint=made.fingerprint)


async def _read(session: Session, path: str, max_bytes: int) -> bytes | None:
    try:
        return await session.read(path, max_bytes)
    except (FileNotFoundError, UserError):
        return None
