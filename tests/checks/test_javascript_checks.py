"""The JavaScript checks on golden output of the real tools. (What holds for every check is in test_parsers.)"""

import json
from pathlib import Path

import pytest

from bot.sandbox.protocol import Captured, Reason, Result
from bot.toolchains.base import Project
from checks import CHECKS
from checks.base import CheckFailed

GOLDEN = Path(__file__).parent / "golden"
NODE = Project("node", "k")
FULL = Project("node", "k", configures=frozenset({"typescript", "eslint", "babel"}))


def said(stdout: str, code: int) -> Result:
    out = stdout.encode()
    return Result(Reason.NONZERO if code else Reason.OK, code, Captured(out, b"", len(out)))


def found(name: str) -> list[tuple[str, str, int, bool]]:
    kept = json.loads((GOLDEN / f"check-{name}.json").read_text())
    findings = CHECKS[name].parse(said(kept["stdout"], kept["exit"]), {})
    return [(one.rule, one.path, one.line, one.fixable) for one in findings]


def test_eslint_tells_errors_and_what_it_can_mend() -> None:
    assert found("eslint")[-2:] == [("no-unused-vars", "lint.js", 1, False), ("semi", "lint.js", 3, True)]


def test_the_compilers_errors() -> None:
    assert found("tsc") == [("TS2322", "typed.ts", 1, False), ("TS7006", "typed.ts", 4, False)]


def test_errors_in_installed_packages_are_nobodys() -> None:
    noise = "../node_modules/a/index.d.ts(1,2): error TS2304: Cannot find name 'x'.\n"
    assert CHECKS["tsc"].parse(said(noise, 2), {}) == []
    (one,) = CHECKS["tsc"].parse(said(noise + "error TS18003: No inputs were found.\n", 2), {})
    assert (one.rule, one.path, one.line) == ("TS18003", "tsconfig.json", 0)
    with pytest.raises(CheckFailed):
        CHECKS["tsc"].parse(said(noise, 0), {})


def test_syntax_of_modules_scripts_and_json() -> None:
    assert [(path, line) for _, path, line, _ in found("javascript-syntax")] == [
        ("broken/data.json", 1), ("broken/late.js", 2), ("broken/module.js", 3), ("broken/module.mjs", 2),
    ]  # fmt: skip


def test_only_what_the_target_configures() -> None:
    applying = {name for name, check in CHECKS.items() if check.applies(NODE)}
    assert applying == {"javascript-syntax"}
    assert {name for name, check in CHECKS.items() if check.applies(FULL)} == {"javascript-syntax", "tsc", "eslint"}
    assert not any(check.applies(Project("python", "k")) for name, check in CHECKS.items() if name in applying)


def test_commands() -> None:
    assert CHECKS["eslint"].command(FULL, ()).argv[-1] == "."
    assert CHECKS["eslint"].command(FULL, ["--fix", "-a.ts", "b.md"]).argv[-1] == "./-a.ts"
    assert CHECKS["eslint"].command(FULL, ["b.md"]).argv[-1] != "."
    assert "--no-js" in CHECKS["javascript-syntax"].command(FULL, ()).argv
    assert CHECKS["javascript-syntax"].command(NODE, ["--no-js"]).argv[-1] == "./--no-js"
