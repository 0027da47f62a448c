"""Do the files parse: JavaScript by the machine's own Node.js, and JSON. A member of CHECKS.

Everything is read inside the sandbox by bot/toolchains/inside/fettle_syntax.mjs, in one process for all files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bot.core.findings import Finding
from bot.sandbox.protocol import Result
from bot.toolchains.base import Project
from bot.toolchains.node_tools import LIB
from checks.base import CheckFailed, Command, ended, operands, relative


class JavaScriptSyntax:
    """Implements checks.base.Check."""

    name = "javascript-syntax"

    def applies(self, project: Project) -> bool:
        """Every Node.js project."""
        return project.toolchain == "node"

    def command(self, project: Project, paths: Sequence[str]) -> Command:
        """The script over `paths`, or over every file of a kind that it knows; .js only where it is plain."""
        plain = () if "babel" not in project.configures else ("--no-js",)
        flags = ("--experimental-vm-modules", "--no-warnings")
        return Command(("node", *flags, f"{LIB}/fettle_syntax.mjs", *plain, *operands(paths)))

    def parse(self, result: Result, outputs: Mapping[str, bytes]) -> list[Finding]:
        """One finding for each file that does not parse."""
        ended(result, 0)
        try:
            problems = json.loads(result.stdout.data)["problems"]
            return [
                Finding.of(self.name, "syntax-error", relative(one["path"]), int(one["line"]), str(one["message"]))
                for one in problems
            ]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckFailed(f"its output cannot be read ({type(error).__name__})") from error
