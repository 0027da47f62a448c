"""The TypeScript compiler, where the target configures and installs it. A member of CHECKS."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.core.findings import Finding
from bot.sandbox.protocol import Result
from bot.toolchains.base import Project
from checks.base import CheckFailed, Command, ended, relative

CONFIG = "tsconfig.json"
_ERROR = re.compile(r"(?:(?P<path>[^\s(][^(\n]*)\((?P<line>\d+),\d+\): )?error (?P<rule>TS\d+): (?P<message>.*)")
_ELSEWHERE = re.compile(r"\.\./|/|node_modules/")


class TypeScript:
    """Implements checks.base.Check."""

    name = "tsc"

    def applies(self, project: Project) -> bool:
        """Only projects with a tsconfig.json at the root and typescript among their dependencies."""
        return "typescript" in project.configures

    def command(self, project: Project, paths: Sequence[str]) -> Command:
        """The compiler over the whole project whatever `paths` are: a changed type breaks its users elsewhere."""
        # Incremental and composite projects would write what they know into the workspace.
        options = ("--noEmit", "--pretty", "false", "--incremental", "false", "--composite", "false")
        return Command(("tsc", "-p", CONFIG, *options), timeout=300.0)

    def parse(self, result: Result, outputs: Mapping[str, bytes]) -> list[Finding]:
        """Its errors; those without a file are told of tsconfig.json, those in installed packages are nobody's here."""
        # https://github.com/microsoft/TypeScript/blob/main/src/compiler/types.ts (ExitStatus)
        ended(result, 0, 1, 2)
        errors = [match for line in result.stdout.text.splitlines() if (match := _ERROR.fullmatch(line))]
        if bool(errors) != bool(result.exit):
            said = " ".join((result.stderr.text + result.stdout.text).split())[-300:]
            raise CheckFailed(f"it ended with {result.exit} and {len(errors)} errors: {said}")
        return [self._finding(match) for match in errors if not _ELSEWHERE.match(match["path"] or "")]

    def _finding(self, match: re.Match[str]) -> Finding:
        path = relative(match["path"] or CONFIG)
        return Finding.of(self.name, match["rule"], path, int(match["line"] or 0), match["message"])
