"""A Session's changes become a Patch: caches stay behind, links never pass, modes stay."""

from pathlib import Path

import pytest

from bot.core.patch import FileChange, Mode
from bot.repair.collect import Collected, _collect, is_byproduct
from bot.sandbox.protocol import Change, ChangeKind

BASE = "a" * 40


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    files = {
        "calc.py": "old\n",
        "run.sh": "#!/bin/sh\n",
        "pkg/a.py": "a\n",
        "pkg/deep/b.py": "b\n",
        "dist/keep.js": "k\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "passwd").symlink_to("/etc/passwd")
    return tmp_path


def written(path: str, text: str = "new\n", *, executable: bool = False) -> Change:
    return Change(path, ChangeKind.WRITTEN, executable=executable, content=text.encode())


def deleted(path: str) -> Change:
    return Change(path, ChangeKind.DELETED)


def collected(tree: Path, *changes: Change) -> Collected:
    return _collect(changes, BASE, tree)


def test_written_and_deleted_files_become_changes(tree: Path) -> None:
    done = collected(tree, written("calc.py"), written("new/x.py"), deleted("pkg/a.py"))

    assert done.patch.base == BASE
    assert done.patch.changes == (
        FileChange("calc.py", b"new\n"),
        FileChange("new/x.py", b"new\n"),
        FileChange("pkg/a.py", None),
    )
    assert done.refused == ()


def test_what_equals_the_base_is_no_change(tree: Path) -> None:
    assert collected(tree, written("calc.py", "old\n"), deleted("never-there.py")).empty


def test_the_mode_of_the_base_stays(tree: Path) -> None:
    done = collected(tree, written("run.sh"), written("calc.py", executable=True), written("tool", executable=True))

    modes = {change.path: change.mode for change in done.patch.changes}
    assert modes == {"run.sh": Mode.EXECUTABLE, "calc.py": Mode.FILE, "tool": Mode.EXECUTABLE}


def test_a_deleted_folder_is_its_files(tree: Path) -> None:
    assert collected(tree, deleted("pkg"), deleted("pkg/a.py")).patch.paths == ("pkg/a.py", "pkg/deep/b.py")


@pytest.mark.parametrize(
    "path",
    [
        "pkg/__pycache__/a.cpython-311.pyc",
        ".pytest_cache/v/x",
        ".mypy_cache/x",
        ".ruff_cache/x",
        ".coverage",
        ".coverage.host.1",
        "build/lib/a.py",
        "calc.egg-info/PKG-INFO",
        "node_modules/x/index.js",
        ".venv/bin/python",
        ".git/config",
        "a.pyc",
    ],
)
def test_by_products_stay_behind(tree: Path, path: str) -> None:
    assert is_byproduct(path, tree)
    assert collected(tree, written(path)) == collected(tree)


@pytest.mark.parametrize("path", ["dist/new.js", "pkg/build/x.py", "coverage.py", "src/target/a.rs", "outline.py"])
def test_what_only_looks_like_output_stays_in(tree: Path, path: str) -> None:
    assert collected(tree, written(path)).patch.paths == (path,)


@pytest.mark.parametrize(
    "change",
    [
        Change("evil", ChangeKind.REFUSED, detail="a symbolic link"),
        written("../escape.py"),
        written("a/.git\u200c/config"),
        written("new\nline.py"),
        written("bad\udcff.py"),
        written("link/passwd"),
        written("passwd"),
        deleted("passwd"),
        deleted("link/hosts"),
    ],
    ids=lambda change: repr(change.path),
)
def test_links_and_unsafe_names_are_refused_aloud(tree: Path, change: Change) -> None:
    done = collected(tree, change, written("calc.py"))

    assert done.patch.paths == ("calc.py",)
    assert len(done.refused) == 1
    assert "root:" not in done.refused[0]
