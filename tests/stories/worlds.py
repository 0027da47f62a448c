"""Small repositories with one problem each, and what the stories ask about the outcome."""

from __future__ import annotations

from dataclasses import dataclass

from bot.embedded.github import GitHub
from bot.embedded.handle import RepositoryHandle
from tests.harness.bot import Bot

BOUND = {
    "calc.py": """
def clamp(value, low, high):
    if value < low:
        return low
    if value > high:
        return low
    return value
""",
    "test_calc.py": """
from calc import clamp


def test_below():
    assert clamp(-5, 0, 9) == 0


def test_within():
    assert clamp(4, 0, 9) == 4


def test_clamp_above():
    assert clamp(12, 0, 9) == 9
""",
}
LINT = {
    "report.py": """
import json
import os


def report(rows):
    return json.dumps(rows)
""",
    "test_report.py": """
from report import report


def test_report():
    assert report([1]) == "[1]"
""",
}
FEATURE = {
    "text.py": """
def shout(words):
    return words.upper()
""",
    "test_text.py": """
import text


def test_shout():
    assert text.shout("a") == "A"


def test_whisper():
    assert text.whisper("A B") == "(a b)"
""",
}


@dataclass(frozen=True)
class Outcome:
    """What the world shows of Fettle's work, for comparing before and after a repeated step."""

    comments: tuple[str, ...]
    pulls: tuple[tuple[int, str, str], ...]
    branches: tuple[str, ...]
    checks: tuple[tuple[str, str], ...]
    reactions: tuple[str, ...]


async def outcome(repo: RepositoryHandle, issue: int = 1) -> Outcome:
    """Everything that Fettle can have written about `issue`."""
    return Outcome(
        comments=tuple(comment.body for comment in repo.comments(issue)),
        pulls=tuple((pull.number, pull.title, pull.state) for pull in repo.pulls()),
        branches=tuple(sorted(await repo.refs())),
        checks=tuple((run.name, run.conclusion or run.status) for run in repo.check_runs()),
        reactions=tuple(sorted(reaction.content for reaction in repo.reactions(issue))),
    )


async def assert_nothing_new(gh: GitHub, bot: Bot, repo: RepositoryHandle) -> None:
    """Send every webhook again and let a sweep look: the world stays as it is."""
    before = await outcome(repo)
    for delivery in list(gh.deliveries):
        gh.redeliver(delivery)
    await bot.settle()
    await bot.another_worker()
    assert await outcome(repo) == before


async def repository(gh: GitHub, files: dict[str, str], name: str = "acme/calc") -> RepositoryHandle:
    """A repository in which `ada` may write and `mallory` may not."""
    repo = await gh.create_repository(name, files)
    repo.add_collaborator("ada", "write")
    gh.user("mallory")
    return repo
