"""Parsers on golden output of the real tools, and on output that no tool gives."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.findings import Finding
from bot.sandbox.protocol import Captured, Reason, Result
from bot.toolchains.base import Project
from checks import CHECKS
from checks.base import CheckFailed
from checks.ruff import fix_command, format_command

GOLDEN = Path(__file__).parent / "golden"
PLAIN = Project("python", "k")
OWN = Project("python", "k", configures=frozenset({"ruff", "mypy"}), source_roots=("src", "."))


def golden(name: str) -> Result:
    kept = json.loads((GOLDEN / name).read_text())
    return result(kept["stdout"], kept["exit"], kept["stderr"])


def result(stdout: str, code: int | None = 0, stderr: str = "", reason: Reason | None = None) -> Result:
    out, err = stdout.encode(), stderr.encode()
    reason = reason or (Reason.OK if code == 0 else Reason.NONZERO)
    return Result(reason, code, Captured(out, b"", len(out)), Captured(err, b"", len(err)))


def brief(findings: list[Finding]) -> list[tuple[str, str, int, bool]]:
    return [(finding.rule, finding.path, finding.line, finding.fixable) for finding in findings]


def test_ruff_says_what_is_fixable_safely() -> None:
    assert brief(CHECKS["ruff"].parse(golden("ruff.json"), {})) == [("F401", "calc.py", 1, True)]
    assert brief(CHECKS["ruff"].parse(golden("ruff-own.json"), {})) == [("B006", "src/typed/__init__.py", 5, False)]


def test_mypy_errors() -> None:
    assert brief(CHECKS["mypy"].parse(golden("mypy.json"), {})) == [
        ("return-value", "src/typed/__init__.py", 2, False),
        ("no-untyped-def", "src/typed/__init__.py", 5, False),
    ]


def test_syntax_of_every_kind() -> None:
    found = CHECKS["syntax"].parse(golden("syntax.json"), {})
    assert [(finding.path, finding.line) for finding in found] == [
        ("bad.json", 1), ("bad.py", 1), ("bad.toml", 1), ("bad.yml", 2), ("late.py", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("name", list(CHECKS))
@pytest.mark.parametrize(
    "said",
    [
        result("", None, reason=Reason.TIMEOUT),
        result("", None, reason=Reason.OOM),
        result("", 2, "configuration is broken"),
        result("", 139),
        result('{"severity": 1', 1),
        result("[1]", 1),
        result("{" * 50_000, 1),
        Result(Reason.NONZERO, 1, Captured(b"[", b"]", 10_000)),
    ],
)
def test_a_check_that_failed_is_never_clean(name: str, said: Result) -> None:
    with pytest.raises(CheckFailed):
        CHECKS[name].parse(said, {})


@settings(deadline=None)
@given(st.sampled_from(list(CHECKS)), st.text(), st.integers(0, 2))
def test_any_output_is_findings_or_a_failure(name: str, text: str, code: int) -> None:
    with contextlib.suppress(CheckFailed):
        CHECKS[name].parse(result(text, code), {})


def test_the_targets_configuration_comes_first() -> None:
    assert "--isolated" in CHECKS["ruff"].command(PLAIN, ()).argv
    assert "--isolated" not in CHECKS["ruff"].command(OWN, ()).argv
    assert CHECKS["ruff"].command(OWN, ["--fix", "a.py"]).argv[-2:] == ("./--fix", "./a.py")
    assert not CHECKS["mypy"].applies(PLAIN)
    assert CHECKS["mypy"].command(OWN, ["a.py"]).argv[-1] == "./src"


def test_mechanical_commands() -> None:
    argv = fix_command(PLAIN, rules=["F401", "F841"], paths=["a.py"]).argv
    assert {"--fix", "--no-unsafe-fixes"} <= set(argv)
    assert argv[argv.index("--select", argv.index("--fix")) + 1] == "F401,F841"
    assert argv[-1] == "./a.py"
    assert format_command(PLAIN) is None
    ruff = format_command(OWN)
    assert ruff is not None
    assert "format" in ruff.argv
