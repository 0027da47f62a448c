"""Ruff: the target's own configuration when it has one, else a small pinned set of rules. A member of CHECKS.

The mechanical fixer uses `fix_command` and `format_command`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.core.findings import Finding
from bot.sandbox.protocol import Result
from bot.toolchains.base import Project
from bot.toolchains.python_tools import BIN
from checks.base import CheckFailed, Command, ended, operands, relative

# Syntax, imports, comparisons and names: what is wrong rather than a matter of taste. Ruff's own default selection
# moves between releases, so it is never relied upon.
PINNED_RULES = "E4,E7,E9,F"
_RUFF = f"{BIN}/ruff"


class Ruff:
    """Implements checks.base.Check."""

    name = "ruff"

    def applies(self, project: Project) -> bool:
        """Every Python project."""
        return project.toolchain == "python"

    def command(self, project: Project, paths: Sequence[str]) -> Command:
        """`ruff check` with JSON output over `paths`."""
        return Command((*_check(project), "--output-format", "json", *_targets(paths)))

    def parse(self, result: Result, outputs: Mapping[str, bytes]) -> list[Finding]:
        """Ruff's diagnostics; `fixable` are those with a fix that ruff calls safe."""
        ended(result, 0, 1)
        try:
            findings = [self._finding(item) for item in json.loads(result.stdout.data)]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CheckFailed(f"its output cannot be read ({type(error).__name__})") from error
        if bool(findings) != bool(result.exit):
            raise CheckFailed(f"it ended with {result.exit} and {len(findings)} findings")
        return findings

    def _finding(self, item: dict[str, Any]) -> Finding:
        fixable = (item.get("fix") or {}).get("applicability") == "safe"
        line = int((item.get("location") or {}).get("row") or 0)
        rule = str(item.get("code") or "invalid-syntax")
        return Finding.of(self.name, rule, relative(item["filename"]), line, str(item["message"]), fixable=fixable)


def fix_command(project: Project, *, rules: Sequence[str] = (), paths: Sequence[str] = ()) -> Command:
    """`ruff check --fix` with safe fixes only, for `rules` (codes; empty: all that are on) in `paths` (empty: all)."""
    chosen = ("--select", ",".join(rules)) if rules else ()
    return Command(
        (*_check(project), "--fix", "--no-unsafe-fixes", "--exit-zero", "--quiet", *chosen, *_targets(paths))
    )


def format_command(project: Project, *, paths: Sequence[str] = ()) -> Command | None:
    """The project's own formatter over `paths`: black or ruff where configured, None when it uses neither."""
    if "black" in project.configures:
        return Command(("python", "-m", "black", "--quiet", *_targets(paths)))
    if "ruff" in project.configures:
        return Command((_RUFF, "format", "--no-cache", "--quiet", *_targets(paths)))
    return None


def _check(project: Project) -> tuple[str, ...]:
    own = () if "ruff" in project.configures else ("--isolated", "--select", PINNED_RULES)
    return (_RUFF, "check", "--no-cache", *own)


def _targets(paths: Sequence[str]) -> tuple[str, ...]:
    # Ruff would check an excluded file when it is named.
    return ("--force-exclude", *operands(paths)) if paths else (".",)
