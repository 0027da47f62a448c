"""ESLint, where the target configures and installs it. A member of CHECKS.

Only its errors count: a warning is what a project has chosen to live with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bot.core.findings import Finding
from bot.sandbox.protocol import Result
from bot.toolchains.base import Project
from bot.toolchains.node_tools import LIB
from checks.base import CheckFailed, Command, ended, operands, relative

_SUFFIXES = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte")


class ESLint:
    """Implements checks.base.Check."""

    name = "eslint"

    def applies(self, project: Project) -> bool:
        """Only projects with a configuration at the root and eslint among their dependencies."""
        return "eslint" in project.configures

    def command(self, project: Project, paths: Sequence[str]) -> Command:
        """ESLint with our formatter over `paths` that it may know, or over the whole project."""
        known = [path for path in paths if path.endswith(_SUFFIXES)]
        options = ("--format", f"{LIB}/fettle_eslint.cjs", "--no-error-on-unmatched-pattern")
        # A pattern that matches nothing, where none of the paths is for it: without one it would take all.
        targets = operands(known) or (("./.fettle-none.js",) if paths else (".",))
        return Command(("eslint", *options, *targets), timeout=300.0)

    def parse(self, result: Result, outputs: Mapping[str, bytes]) -> list[Finding]:
        """Its errors; `fixable` are those that `--fix` mends."""
        ended(result, 0, 1)
        try:
            found = [self._finding(item) for item in json.loads(result.stdout.data)]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckFailed(f"its output cannot be read ({type(error).__name__})") from error
        if found and not result.exit:
            raise CheckFailed(f"it ended with 0 and {len(found)} findings")
        if result.exit and not found and "too many warnings" not in result.stderr.text:
            raise CheckFailed("it ended with 1 and no findings")
        return found

    def _finding(self, item: Mapping[str, object]) -> Finding:
        line = int(str(item["line"]))
        path, rule, message = (str(item[name]) for name in ("path", "rule", "message"))
        return Finding.of(self.name, rule, relative(path), line, message, fixable=item["fixable"] is True)
