"""Do the files parse: Python by the target's own interpreter, JSON, TOML and YAML beside it. A member of CHECKS.

Everything is read inside the sandbox by bot/toolchains/inside/fettle_syntax.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bot.core.findings import Finding
from bot.sandbox.protocol import Result
from bot.toolchains.base import Project
from bot.toolchains.python_tools import LIB
from checks.base import CheckFailed, Command, ended, operands, relative


class PythonSyntax:
    """Implements checks.base.Check."""

    name = "syntax"

    def applies(self, project: Project) -> bool:
        """Every Python project."""
        return project.toolchain == "python"

    def command(self, project: Project, paths: Sequence[str]) -> Command:
        """The script over `paths`, or over every file of a kind that it knows."""
        return Command(("python", "-I", f"{LIB}/fettle_syntax.py", *operands(paths)))

    def parse(self, result: Result, outputs: Mapping[str, bytes]) -> list[Finding]:
        """One finding for each file that does not parse."""
        ended(result, 0)
        try:
            problems = json.loads(result.stdout.data)["problems"]
            return [
                Finding.of(self.name, "syntax-error", relative(one["path"]), int(one["line"]), str(one["message"]))
                for one in problems
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckFailed(f"its output cannot be read ({type(error).__name__})") from error
