"""`fettle fix`: a proven branch, an honest 3, or one sentence and a 2; the user's files are never touched."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.commands.fix import exit_code, read_issue
from bot.core.errors import UserError
from bot.core.machine import State
from bot.core.proof import Proof, Strength
from bot.core.run import Ending, Run, Subject, SubjectKind
from tests.cli.conftest import CALC, Fettle, commit, git, make_repository

MENDED = CALC.replace("value > high:\n        return low", "value > high:\n        return high")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def every_file(path: Path) -> dict[str, str]:
    """Everything of a work tree, the index and HEAD included, by digest."""
    seen = [each for each in path.rglob("*") if each.is_file() and ".git" not in each.parts]
    seen += [path / ".git" / "index", path / ".git" / "HEAD"]
    return {str(each): hashlib.sha256(each.read_bytes()).hexdigest() for each in seen}


def test_a_failing_test_is_mended_on_a_branch_and_nothing_else_changes(fettle: Fettle, repository: Path) -> None:
    (repository / "calc.py").write_text(f"{CALC}x = 1\n")
    git(repository, "add", "calc.py")
    (repository / "calc.py").write_text(f"{CALC}x = 2\n")
    (repository / "untracked").write_text("mine")
    (repository / "sub").mkdir()
    before = every_file(repository)

    said = fettle("fix", repository / "sub", "--json")

    assert (said.code, said.json["ok"], said.json["ending"]) == (0, True, "published")
    assert said.json["proof"]["strength"] == "proven"
    assert "Uncommitted changes are not seen" in said.err
    assert every_file(repository) == before
    assert git(repository, "branch", "--show-current") == "main"
    assert git(repository, "show", f"{said.json['branch']}:calc.py") == MENDED.strip()


def test_what_is_printed_in_a_pipe_is_a_patch_that_git_takes(fettle: Fettle, repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")

    said = fettle("fix", repository, "--failing-tests")

    assert said.code == 0
    patch = repository.parent / "said"
    patch.write_text(said.out)
    git(repository, "apply", str(patch))
    assert (repository / "calc.py").read_text() == MENDED
    assert "proof: proven" in said.out


def test_what_nobody_finds_ends_with_3_and_what_was_tried(fettle: Fettle, repository: Path, tmp_path: Path) -> None:
    issue = tmp_path / "issue.md"
    issue.write_text("# whisper() is missing\n\nIt should exist.\n")

    said = fettle("fix", repository, "--issue", issue, "--json")

    assert (said.code, said.json["ok"], said.json["ending"]) == (3, False, "needs_model")
    assert said.json["title"] == "whisper() is missing"
    assert git(repository, "branch", "--list", "fettle/*") == ""


def test_the_time_is_bounded(fettle: Fettle, repository: Path) -> None:
    (repository / "test_calc.py").write_text("import time\n\n\ndef test_slow():\n    time.sleep(30)\n")
    commit(repository)

    said = fettle("fix", repository, "--max-seconds", "1", "--json")

    assert (said.code, said.json["ending"]) == (3, "cancelled")
    assert "--max-seconds 1" in said.json["reason"]


def test_where_nothing_fails_there_is_nothing_to_repair(fettle: Fettle, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "fine", {"calc.py": MENDED, "test_calc.py": "def test_fine():\n    pass\n"})

    assert fettle("fix", path).complains("No test fails at")
    said = fettle("fix", path, "--failing-tests", "--json")
    assert said.code == 2
    assert "leave out --failing-tests" in said.json["error"]


def test_what_holds_no_commit_is_refused(fettle: Fettle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "plain").mkdir()
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q")

    assert fettle("fix", tmp_path / "none").complains("There is no such folder")
    assert fettle("fix", tmp_path / "file").complains("This is a file")
    assert fettle("fix", tmp_path / "plain").complains("This is not a git repository")
    assert fettle("fix", tmp_path / "empty").complains("has no commit yet")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_repository_of_somebody_else(fettle: Fettle, repository: Path) -> None:
    (repository / ".git").chmod(0o555)
    assert fettle("fix", repository).complains("is not yours to write")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"a\0b", "NUL bytes"),
        (b"a" * 65537, "larger than 64 KiB"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_an_issue_file_of_no_use(fettle: Fettle, tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "issue"
    if content is not None:
        path.write_bytes(content)
    assert fettle("fix", tmp_path, "--issue", path).complains(said)


def test_an_issue_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Is a directory"):
        read_issue(tmp_path)
    with pytest.raises(UserError, match="NUL bytes"):
        read_issue(Path("/dev/zero"))


def test_an_issue_from_a_pipe(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, "# Ümlaut\n\nbody".encode())
    os.close(writer)
    assert read_issue(Path(f"/dev/fd/{reader}")) == Subject(SubjectKind.LOCAL, 0, "Ümlaut", "body")
    os.close(reader)


def test_an_issue_or_failing_tests(fettle: Fettle, repository: Path, tmp_path: Path) -> None:
    assert fettle("fix", repository, "--issue", tmp_path / "x", "--failing-tests").complains("not both")


@pytest.mark.parametrize(
    ("ending", "strength", "code"),
    [
        (Ending.PUBLISHED, Strength.PROVEN, 0),
        (Ending.PUBLISHED, Strength.UNPROVEN, 3),
        (Ending.PUBLISHED, None, 3),
        (Ending.NOT_PROVEN, Strength.UNPROVEN, 3),
        (Ending.NEEDS_MODEL, None, 3),
        (Ending.NOTHING_FOUND, None, 3),
        (Ending.CANCELLED, None, 3),
        (Ending.REFUSED, None, 3),
        (Ending.BUDGET, None, 3),
        (Ending.ERROR, None, 1),
        (Ending.ERROR, Strength.PROVEN, 1),
    ],
)
def test_exit_codes(ending: Ending, strength: Strength | None, code: int) -> None:
    run = Run("r", 1, 0, "x", Subject(SubjectKind.LOCAL, 0, ""), State.DONE, "", NOW, NOW, ending=ending)
    assert exit_code(replace(run, proof=None if strength is None else Proof(strength, ()))) == code
