"""Mypy, where the target configures it. A member of CHECKS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bot.core.findings import Finding
from bot.sandbox.protocol import Result
from bot.toolchains.base import Project
from checks.base import CheckFailed, Command, ended, operands, relative


class Mypy:
    """Implements checks.base.Check."""

    name = "mypy"

    def applies(self, project: Project) -> bool:
        """Only projects that configure mypy: elsewhere its findings are nobody's rule."""
        return "mypy" in project.configures

    def command(self, project: Project, paths: Sequence[str]) -> Command:
        """Mypy over the whole project whatever `paths` are: a changed signature breaks its callers elsewhere."""
        # Isolated: a module of the project must not stand in for one that mypy itself imports.
        argv = ("python", "-I", "-m", "mypy", "--output", "json", "--no-error-summary", "--cache-dir", "/dev/null")
        targets = () if "mypy-files" in project.configures else operands(_targets(project))
        return Command((*argv, *targets), timeout=300.0)

    def parse(self, result: Result, outputs: Mapping[str, bytes]) -> list[Finding]:
        """Errors, without notes. Exit 2 with errors is a file that does not parse; without any, mypy failed."""
        ended(result, 0, 1, 2)
        findings = [finding for line in result.stdout.text.splitlines() if (finding := self._finding(line))]
        if result.exit and not findings:
            raise CheckFailed(" ".join((result.stderr.text + result.stdout.text).split())[-300:] or "it ended with 2")
        return findings

    def _finding(self, line: str) -> Finding | None:
        if not line.startswith("{"):
            return None
        try:
            item = json.loads(line)
            if item["severity"] != "error":
                return None
            return Finding.of(
                self.name, str(item["code"] or "error"), relative(item["file"]), int(item["line"]), str(item["message"])
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckFailed(f"its output cannot be read ({type(error).__name__})") from error


def _targets(project: Project) -> tuple[str, ...]:
    """The folders with the project's own code; the root alone when there is no other."""
    return tuple(root for root in project.source_roots if root != ".") or (".",)
