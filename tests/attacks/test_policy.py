"""Attacks on what a patch may do and on what is written about it (ATTACKS.md 44, 59, 61, 62, 68, 69)."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import messages
from bot.core.machine import State
from bot.core.messages import Progress
from bot.core.patch import FileChange, Mode, Patch
from bot.core.policy import paths
from bot.core.policy.diff import Severity, changed_lines, judge
from bot.core.proof import Claim, ClaimName, Proof, Strength
from bot.core.run import Ending, Run, Subject, SubjectKind
from bot.run.screen import screen_text, secrets, tellable, untold

BASE = "0" * 40
NOW = datetime(2026, 11, 20, tzinfo=UTC)
RUN = Run("abc", 7, 8, "acme/calc", Subject(SubjectKind.ISSUE, 12, "t"), State.FAILED, "ada", NOW, NOW)
KEY = "AKIAZ7VQ3XH5TBN2WRLM"
SUITE = b"""import pytest
from calc import add

WANTED = 3


def check(x):
    assert x == WANTED


def test_a():
    check(add(1, 2))


if True:
    def test_b():
        assert add(0, 0) == 0
"""


def worst(change: FileChange, old: bytes | None, tests: frozenset[str] = frozenset()) -> Severity | None:
    found = {concern.severity for concern in judge(Patch(BASE, (change,)), {change.path: old}, tests=tests)}
    return max(found, key=list(Severity).index, default=None)


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        (".GitHub/Workflows/CI.yml", Severity.REFUSE),
        (".github", Severity.REFUSE),
        ("sub/project/.gitlab-ci.yml", Severity.REFUSE),
        ("CI/Jenkinsfile", Severity.REFUSE),
        (".devcontainer/devcontainer.json", Severity.REFUSE),
        (".vscode/tasks.json", Severity.REFUSE),
        ("action.yml", Severity.REFUSE),
        ("codeowners", Severity.REFUSE),
        ("dev-requirements.txt", Severity.DRAFT),
        ("sub/Requirements.TXT", Severity.DRAFT),
        ("pylock.toml", Severity.DRAFT),
        (".pytest.ini", Severity.DRAFT),
        ("sitecustomize.py", Severity.DRAFT),
        ("src/hack.pth", Severity.DRAFT),
        ("build.rs", Severity.DRAFT),
        (".cargo/config.toml", Severity.DRAFT),
        ("src/github/workflows.py", None),
        ("docs/requirements.md", None),
    ],
)
def test_62_files_that_steer_machines(path: str, severity: Severity | None) -> None:
    assert worst(FileChange(path, b"x = 1\n"), None) is severity


@pytest.mark.parametrize(
    ("name", "new", "severity"),
    [
        ("helper emptied", SUITE.replace(b"    assert x == WANTED", b"    pass"), Severity.DRAFT),
        ("expectation moved", SUITE.replace(b"WANTED = 3", b"WANTED = 4"), Severity.DRAFT),
        ("subject shadowed", SUITE + b"\n\ndef add(a, b):\n    return 3\n", Severity.DRAFT),
        ("subject imported from elsewhere", SUITE + b"\nfrom fake import add\n", Severity.DRAFT),
        ("import taken out", SUITE.replace(b"import pytest\n", b""), Severity.DRAFT),
        ("not collected", SUITE + b"\n__test__ = False\n", Severity.DRAFT),
        ("nested test removed", SUITE.partition(b"if True")[0], Severity.REFUSE),
        ("too deep to read", b"x = " + b"(" * 9000, Severity.REFUSE),
        ("a test more", b"import json\n" + SUITE + b"\n\ndef test_c():\n    assert json\n", None),
        ("a class of tests more", SUITE + b"\n\nclass TestMore:\n    def test_c(self):\n        assert add\n", None),
    ],
)
def test_61_tests_weakened_from_beside(name: str, new: bytes, severity: Severity | None) -> None:
    assert worst(FileChange("tests/test_x.py", new), SUITE) is severity, name


def test_61_a_test_file_by_another_name_is_known_by_what_ran() -> None:
    change = FileChange("check_money.py", SUITE.partition(b"if True")[0])
    assert worst(change, SUITE) is None
    assert worst(change, SUITE, frozenset({"check_money.py"})) is Severity.REFUSE


@pytest.mark.parametrize("folder", ["Tests", "TEST", "spec", "__snapshots__"])
def test_61_folders_of_tests_in_any_case(folder: str) -> None:
    assert paths.is_test(f"pkg/{folder}/a.py")
    assert worst(FileChange(f"pkg/{folder}/a.py", None), b"x") is Severity.REFUSE


@pytest.mark.parametrize(
    "line",
    [
        b"import os  # noqa",
        b"x = f()  # type: ignore[misc]",
        b"# ruff: noqa",
        b"#pylint: disable=all",
        b"// eslint-disable",
    ],
)
def test_61_a_silenced_check_is_no_repaired_finding(line: bytes) -> None:
    assert worst(FileChange("a.py", line + b"\n"), b"import os\n") is Severity.DRAFT
    assert worst(FileChange("a.py", line + b"\ny = 1\n"), line + b"\n") is None


def test_44_new_executables_and_deletions_are_shown_to_a_person() -> None:
    assert worst(FileChange("run.sh", b"#!/bin/sh\n", Mode.EXECUTABLE), None) is Severity.DRAFT
    assert worst(FileChange("run.sh", b"#!/bin/sh\n", Mode.EXECUTABLE), b"#!/bin/bash\n") is None
    assert worst(FileChange("a.py", None), b"x = 1\n") is Severity.DRAFT


@pytest.mark.parametrize("lines", [[b"a", b"b"] * 20_000, [b"x"] * 40_000, [b"%d" % n for n in range(40_000)]])
def test_44_a_large_patch_is_measured_in_no_time(lines: list[bytes]) -> None:
    began = time.process_time()
    new = b"\n".join([b"first", *lines[::-1], b"last"])
    assert judge(Patch(BASE, (FileChange("a.py", new),)), {"a.py": b"\n".join(lines)}) is not None
    assert time.process_time() - began < 3


@given(st.lists(st.sampled_from([b"a", b"b", b"c"])), st.lists(st.sampled_from([b"a", b"b", b"c"])))
def test_44_changed_lines_never_misses_a_difference_in_number(left: list[bytes], right: list[bytes]) -> None:
    one, two = b"\n".join(left), b"\n".join(right)
    assert changed_lines(one, two) == changed_lines(two, one) or min(len(left), len(right)) > 0
    assert (changed_lines(one, two) == 0) == (one.splitlines() == two.splitlines())


def test_59_a_secret_reaches_neither_journal_nor_words() -> None:
    patch = Patch(BASE, (FileChange("a.py", b"x = 1\n"), FileChange("config.py", f"AWS_KEY = '{KEY}'\n".encode())))
    concerns = tuple(untold(patch, {}))
    assert [concern.path for concern in concerns] == ["config.py"]
    assert KEY not in str(concerns)
    assert tellable(patch, concerns).paths == ("a.py",)
    assert screen_text(f"one\nthe key is {KEY}\nthree").splitlines()[::2] == ["one", "three"]
    assert KEY not in screen_text(f"one\u2028two\x0c{KEY}\x85\nthree")
    assert secrets(Patch(BASE, (FileChange("a.py", b"x = 1\n"),)), {}) == []


def test_59_a_patch_that_is_too_large_is_not_written_down() -> None:
    many = Patch(BASE, tuple(FileChange(f"f{n}.py", b"x\n") for n in range(60)))
    assert tellable(many, tuple(untold(many, {}))).changes == ()
    large = Patch(BASE, (FileChange("a.py", b"x\n"), FileChange("b.py", b"x" * (2 << 20))))
    assert tellable(large, tuple(untold(large, {}))).paths == ("a.py",)


LIVE = re.compile(
    r"(?i)(?<![\w\\])[@#]\w|\bgh-\d|\b(?:https?|ftp|mailto|xmpp|javascript|data):|\bwww\.|(?<!\\)(?:\\\\)*[`<>\[\]&|*_~]"
)
HOSTILE = st.lists(
    st.sampled_from(
        ["@ada", "#1", "GH-1", "&#64;", "&commat;", "www.", "https://x", "mailto:a@b", "\\", "`", "<!--", "[skip ci]",
         "[skip", " ci]", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u202e", "\n", "\r", "\u2028", "\x85", "fixes ",
         "|", "é", "🙂"]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join)  # fmt: skip


@given(HOSTILE)
def test_68_nothing_untrusted_is_live_in_a_comment(text: str) -> None:
    shown = messages.echo(text, 1000)
    assert not LIVE.search(shown), ascii(shown)
    assert len(shown.splitlines()) <= 1


@given(HOSTILE)
def test_68_nothing_untrusted_is_live_in_a_commit_or_title(title: str) -> None:
    run = replace(RUN, subject=replace(RUN.subject, title=title))
    commit, pull = messages.commit_message(run), messages.pull_request_title(run)
    head, _, trailers = commit.partition("\n\n")
    assert trailers == "Co-authored-by: ada <ada@users.noreply.github.com>\nFettle-Run: abc\n"
    for line in (head.removeprefix("Fix #12"), pull):
        assert len(line.splitlines()) <= 1
        assert not re.search(r"(?i)(?<!\w)[@#]\w|\bgh-\d|https?:|\[(skip ci|ci skip|no ci|skip actions)\]", line), (
            ascii(line)
        )
    assert len(pull) > len("Fix:")


@pytest.mark.parametrize("title", ["", " \n ", "\u200b\u2060", "🙂🙂", "x" * 100_000, "#" * 300])
def test_69_odd_titles_have_words_and_an_end(title: str) -> None:
    run = replace(RUN, subject=replace(RUN.subject, title=title))
    assert 5 < len(messages.pull_request_title(run)) <= 120
    assert len(messages.commit_message(run).partition("\n")[0]) < 80


def test_69_the_marker_survives_whatever_was_tried() -> None:
    """GitHub's limit cuts at the end, where the marker stands: without it the comment would be written twice."""
    run = replace(RUN, ending=Ending.NOT_PROVEN, reason="_" * 5000)
    text = messages.sticky(run, Progress(tried=tuple("*" * 400 for _ in range(500))))
    assert len(text) < 60_000
    assert text.endswith(messages.marker("sticky:issue:12"))
    proof = Proof(Strength.WEAK, tuple(Claim(name, False, "|" * 900) for name in ClaimName))
    changed = [f"{n}{'/d' * 2000}" for n in range(50)]
    body = messages.pull_request_body(
        replace(run, proof=proof), "*" * 400 + "\n" * 9 + "_\n" * 900, changed, Progress()
    )
    assert len(body) < 60_000
    assert body.endswith(messages.marker("run:abc"))
