"""Patches: round trip, order, and paths that must never be written (ATTACKS.md 34, 35, 65)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import UserError
from bot.core.patch import FileChange, Mode, Patch, check_path

NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
CHANGES = st.builds(FileChange, PATHS, st.none() | st.binary(max_size=50), st.sampled_from(Mode))


@given(st.lists(CHANGES, unique_by=lambda change: change.path, max_size=5))
def test_a_patch_survives_json(changes: list[FileChange]) -> None:
    patch = Patch("0" * 40, tuple(changes))
    assert Patch.from_json(patch.to_json()) == patch
    assert list(patch.paths) == sorted(patch.paths)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "./a",
        "a/.",
        ".git/config",
        "sub/.GIT/hooks/x",
        ".git./config",
        ".git ::$INDEX_ALLOCATION/config",
        "git~1/config",
        ".g\u200cit/config",
        "a\\b",
        "a\nb",
        "a\0b",
        "x" * 5000,
    ],
)
def test_unsafe_paths_are_refused(path: str) -> None:
    with pytest.raises(UserError):
        check_path(path)
    with pytest.raises(UserError):
        Patch("0" * 40, (FileChange(path, b""),))


@pytest.mark.parametrize("path", ["a.py", "src/ünï/x.py", ".gitignore", ".github/x.yml", "git/x", "a b/c", "..a/b"])
def test_ordinary_paths_pass(path: str) -> None:
    check_path(path)


def test_a_path_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match="twice"):
        Patch("0" * 40, (FileChange("a", b"1"), FileChange("a", None)))
