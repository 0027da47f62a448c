"""Words: what strangers wrote is never live in what we write (ATTACKS.md 43, 68, 69), and the sticky is honest."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import messages
from bot.core.machine import State
from bot.core.messages import Progress, StageLine, commit_message, echo, fenced, marker, pull_request_body, sticky
from bot.core.proof import Claim, ClaimName, Proof, Strength
from bot.core.run import Ending, FixerName, Run, Subject, SubjectKind

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RUN = Run(
    "abc123",
    7,
    8,
    "acme/calc",
    Subject(SubjectKind.ISSUE, 12, "add() is off", "body", "eve"),
    State.PLANNING,
    "ada",
    NOW,
    NOW,
)
PROOF = Proof(Strength.PROVEN, (Claim(ClaimName.FAILS_BEFORE, True, "1 test failed"),))


@pytest.mark.parametrize(
    "hostile",
    [
        "@everyone look",
        "closes #1",
        "![x](https://evil.example/beacon.png)",
        "[click](javascript:alert(1))",
        "<img src=x onerror=alert(1)>",
        "https://evil.example",
        "`code` **bold** | cell |",
        "line\nbreak\r\nand \u202e bidi \U000e0041 tag",
    ],
)
def test_echoed_text_is_dead(hostile: str) -> None:
    dead = echo(hostile)
    assert "\n" not in dead
    assert not re.search(r"(?<!\\)[`*<>\[\]|]", dead)
    assert not re.search(r"[@#]\w", dead)
    assert "https:" not in dead
    assert "javascript:" not in dead
    assert not re.search(r"[\u202a-\u202e\U000e0000-\U000e007f]", dead)


@given(st.text())
def test_echo_never_lets_a_mention_through(text: str) -> None:
    assert not re.search(r"[@#]\w", echo(text))


@given(st.text())
def test_a_fence_cannot_be_broken(text: str) -> None:
    lines = fenced(text).splitlines()
    assert lines[0] == lines[-1]
    assert lines[0] not in [line.strip() for line in lines[1:-1]]


@pytest.mark.parametrize(
    "title", ["x\n\nCo-authored-by: root <r@x>", "closes #99", "[skip ci] x", "@bob fix", "\x1b]8;;x"]
)
def test_a_title_cannot_forge_a_commit_message(title: str) -> None:
    text = commit_message(replace(RUN, subject=replace(RUN.subject, title=title)))
    head, _, trailers = text.partition("\n\n")
    assert "\n" not in head
    assert "#99" not in text
    assert "@bob" not in text
    assert "[skip ci]" not in text
    assert trailers.splitlines() == ["Co-authored-by: ada <ada@users.noreply.github.com>", "Fettle-Run: abc123"]


def test_the_pull_request_says_what_users_look_for() -> None:
    run = replace(RUN, proof=PROOF, fixer=FixerName.SEARCH, cost_usd=0.25)
    text = pull_request_body(run, "The sum was one too low.", ["calc.py"], Progress((StageLine("plan", 1.5),)))
    for part in (
        "Fixes #12",
        "The sum was one too low.",
        "`calc.py`",
        "target fails before",
        "$0.2500",
        "1.5 s",
        "To undo",
    ):
        assert part in text
    assert "Draft" not in text


def test_a_draft_says_what_is_missing() -> None:
    weak = Proof(Strength.WEAK, (Claim(ClaimName.POLICY_KEPT, False, "uv.lock decides what gets installed"),))
    text = pull_request_body(replace(RUN, proof=weak), "", [], Progress())
    assert "**Draft:** policy kept: uv.lock decides what gets installed" in text


@pytest.mark.parametrize("ending", [e for e in Ending if e not in (Ending.PUBLISHED, Ending.MERGED, Ending.UNDONE)])
def test_every_end_without_a_pull_request_says_why_and_what_to_do(ending: Ending) -> None:
    state = State.CANCELLED if ending is Ending.CANCELLED else State.FAILED
    text = sticky(replace(RUN, state=state, ending=ending, reason="This is why."), Progress(tried=("ruff: nothing",)))
    assert "This is why." in text
    assert "ruff: nothing" in text
    assert ending is Ending.CANCELLED or messages.what_to_do(replace(RUN, ending=ending)) in text
    assert marker("sticky:issue:12") in text
