"""What a patch may do: a table of edits and what follows from each (ATTACKS.md 44, 61, 62)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.events import Actor
from bot.core.patch import FileChange, Patch
from bot.core.policy import paths
from bot.core.policy.diff import PatchLimits, Severity, changed_lines, judge
from bot.core.policy.verdict import Allowed, Refused
from bot.core.policy.who import Permission, may_start

TEST = (
    b"import pytest\n\n\ndef test_a():\n    assert f() == 1\n    assert g() == 2\n\n\ndef test_b():\n    assert h()\n"
)


def severities(path: str, old: bytes | None, new: bytes | None) -> set[Severity]:
    return {concern.severity for concern in judge(Patch("0" * 40, (FileChange(path, new),)), {path: old})}


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("src/a.py", None),
        (".github/workflows/ci.yml", Severity.REFUSE),
        ("CODEOWNERS", Severity.REFUSE),
        ("docs/CODEOWNERS", Severity.REFUSE),
        (".gitattributes", Severity.REFUSE),
        ("sub/.gitmodules", Severity.REFUSE),
        (".gitlab-ci.yml", Severity.REFUSE),
        (".circleci/config.yml", Severity.REFUSE),
        (".pre-commit-config.yaml", Severity.REFUSE),
        ("uv.lock", Severity.DRAFT),
        ("web/package-lock.json", Severity.DRAFT),
        ("pyproject.toml", Severity.DRAFT),
        ("requirements-dev.txt", Severity.DRAFT),
        ("setup.py", Severity.DRAFT),
        ("tests/conftest.py", Severity.DRAFT),
        ("tox.ini", Severity.DRAFT),
        ("Makefile", Severity.DRAFT),
        ("docs/makefile.md", None),
    ],
)
def test_paths(path: str, severity: Severity | None) -> None:
    assert severities(path, None, b"x = 1\n") == ({severity} if severity else set())


@pytest.mark.parametrize(
    ("name", "new", "severity"),
    [
        ("unchanged in substance", TEST + b"\n\ndef test_c():\n    assert i()\n", None),
        ("deleted", None, Severity.REFUSE),
        ("test removed", TEST.partition(b"def test_b")[0], Severity.REFUSE),
        ("test renamed", TEST.replace(b"test_b", b"check_b"), Severity.REFUSE),
        ("assert removed", TEST.replace(b"    assert g() == 2\n", b""), Severity.REFUSE),
        ("assert emptied", TEST.replace(b"assert g() == 2", b"assert True"), Severity.REFUSE),
        ("skipped", TEST.replace(b"def test_b", b"@pytest.mark.skip\ndef test_b"), Severity.REFUSE),
        ("expected to fail", TEST.replace(b"def test_b", b"@pytest.mark.xfail\ndef test_b"), Severity.REFUSE),
        ("skips itself", TEST.replace(b"assert h()", b"pytest.skip('x')\n    assert h()"), Severity.REFUSE),
        (
            "module skipped",
            TEST.replace(b"\n\n\ndef test_a", b"\npytestmark = pytest.mark.skip\n\n\ndef test_a"),
            Severity.REFUSE,
        ),
        ("unreadable", b"def (", Severity.REFUSE),
        ("expectation changed", TEST.replace(b"== 2", b"== 3"), Severity.DRAFT),
    ],
)
def test_edits_of_a_test_file(name: str, new: bytes | None, severity: Severity | None) -> None:
    found = severities("tests/test_x.py", TEST, new)
    assert severity in found if severity else found == set(), name


def test_sizes() -> None:
    many = Patch("0" * 40, tuple(FileChange(f"f{n}", b"x\n") for n in range(4)))
    base = dict.fromkeys(many.paths)
    assert {concern.severity for concern in judge(many, base, PatchLimits(files=3))} == {Severity.REFUSE}
    assert {concern.severity for concern in judge(many, base, PatchLimits(lines=3))} == {Severity.REFUSE}
    assert {concern.severity for concern in judge(many, base, PatchLimits(file_bytes=1))} == {Severity.REFUSE}
    assert judge(many, base) == []


def test_a_binary_file_is_refused() -> None:
    assert severities("a.bin", None, b"\0\1") == {Severity.REFUSE}


@given(st.lists(st.sampled_from([b"a", b"b", b"c"])), st.lists(st.sampled_from([b"a", b"b", b"c"])))
def test_changed_lines_is_symmetric_and_zero_for_the_same(left: list[bytes], right: list[bytes]) -> None:
    one, two = b"\n".join(left), b"\n".join(right)
    assert changed_lines(one, one) == 0
    assert changed_lines(one, two) >= abs(len(one.splitlines()) - len(two.splitlines()))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/helpers.py", True),
        ("test_a.py", True),
        ("pkg/a_test.py", True),
        ("web/a.test.ts", True),
        ("src/testing_tools.py", False),
        ("src/contest.py", False),
        ("conftest.py", True),
    ],
)
def test_what_a_test_file_is(path: str, expected: bool) -> None:
    assert paths.is_test(path) is expected


@pytest.mark.parametrize("permission", Permission)
def test_who_may_start(permission: Permission) -> None:
    verdict = may_start(Actor("ada", 1, is_bot=False), permission)
    allowed = permission in (Permission.WRITE, Permission.MAINTAIN, Permission.ADMIN)
    assert isinstance(verdict, Allowed if allowed else Refused)


def test_a_bot_may_not_start() -> None:
    assert isinstance(may_start(Actor("x[bot]", 1, is_bot=True), Permission.ADMIN), Refused)
