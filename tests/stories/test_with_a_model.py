"""The agent rung: a scripted model, reached by litellm over real HTTP, writes what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.core.machine import State
from bot.core.run import Ending, FixerName
from bot.embedded.github import GitHub
from bot.embedded.model import ScriptedModel
from tests.harness.bot import Bot
from tests.stories.worlds import FEATURE, assert_nothing_new, repository

WHISPER = """
def shout(words):
    return words.upper()


def whisper(words):
    return f"({words.lower()})"
"""
WRONG = WHISPER.replace(".lower()", ".title()")
TITLE = "text.whisper() is missing"


@pytest.fixture
async def model(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedModel]:
    """A model server; its key and address are given by litellm's usual variables, as a user would."""
    async with ScriptedModel() as scripted:
        for name, value in scripted.environment().items():
            monkeypatch.setenv(name, value)
        yield scripted


@pytest.fixture
def model_settings(model: ScriptedModel) -> dict[str, Any]:
    return {"FETTLE_MODEL": model.environment()["FETTLE_MODEL"]}


async def test_a_model_writes_the_missing_function(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])
    model.will_write("text.py", WHISPER)
    model.will_submit("whisper() was missing; it now exists beside shout().")

    await bot.settle()

    (pull,) = repo.pulls()
    assert repo.closes(pull.number) == [issue.number]
    assert repo.checks(pull.number) == {"fettle": "success"}
    assert "whisper() was missing" in (pull.body or "").replace("\\", "")
    assert (await bot.run()).fixer is FixerName.AGENT
    assert len(model.requests) == 2

    await assert_nothing_new(gh, bot, repo)
    assert len(model.requests) == 2


async def test_a_failing_fix_leaves_its_patch(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])
    for _ in range(2):
        model.will_write("text.py", WRONG)
        model.will_submit("Like this?")

    await bot.settle()

    run = await bot.run()
    assert (run.state, run.ending) == (State.FAILED, Ending.NOT_PROVEN)
    assert repo.pulls() == []
    assert ".title()" in await repo.read("text.py", run.branch)
    (comment,) = repo.comments(issue.number)
    assert "target passes after: still failing" in comment.body.replace("\\", "")
    assert f"/tree/{run.branch}" in comment.body
    assert "The best patch is kept" in comment.body
    assert [reaction.content for reaction in repo.reactions(issue.number)] == ["eyes", "confused"]

    await assert_nothing_new(gh, bot, repo)


async def test_a_rejected_patch_goes_back_to_the_model_with_the_reason(
    gh: GitHub, bot: Bot, model: ScriptedModel
) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    model.will_write("text.py", WRONG)
    model.will_submit()
    model.will_write("text.py", WHISPER)
    model.will_submit()

    await bot.settle()

    assert len(repo.pulls()) == 1
    assert "still failing" in str(model.requests[2].body["messages"])

    await assert_nothing_new(gh, bot, repo)


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        (".github/workflows/ci.yml", "on: push\n", "is protected"),
        ("test_text.py", "def test_shout():\n    assert True\n", "would be removed"),
        ("config.py", "AWS_KEY = 'AKIAZ7VQ3XH5TBN2WRLM'\n", "seems to hold a secret"),
    ],
)
async def test_what_policy_refuses_reaches_no_branch(
    gh: GitHub, bot: Bot, model: ScriptedModel, path: str, content: str, reason: str
) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    for _ in range(2):
        model.will_write("text.py", WHISPER)
        model.will_write(path, content)
        model.will_submit()

    await bot.settle()

    run = await bot.run()
    assert (run.state, run.ending) == (State.FAILED, Ending.REFUSED)
    assert "best patch is kept" not in repo.comments(1)[0].body
    assert reason in run.reason
    assert "AKIAZ7VQ3XH5TBN2WRLM" not in repo.comments(1)[0].body
    assert list(await repo.refs()) == ["main"]
    assert repo.pulls() == []

    await assert_nothing_new(gh, bot, repo)


async def test_a_lock_file_makes_a_draft_that_says_so(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    model.will_write("text.py", WHISPER)
    model.will_write("conftest.py", "# nothing\n")
    model.will_submit()

    await bot.settle()

    (pull,) = repo.pulls()
    assert repo.pull(pull.number).draft
    assert "**Draft:**" in (pull.body or "")
    assert repo.checks(pull.number) == {"fettle": "neutral"}

    await assert_nothing_new(gh, bot, repo)


async def test_a_described_problem_is_only_ever_a_draft(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    files = {
        "text.py": FEATURE["text.py"],
        "test_text.py": FEATURE["test_text.py"].partition("\n\ndef test_whisper")[0] + "\n",
    }
    repo = await repository(gh, files)
    repo.open_issue("Please add a way to be quiet", author="ada", labels=["autofix"])
    model.will_write("text.py", WHISPER)
    model.will_write("test_whisper.py", "import text\n\n\ndef test_w():\n    assert text.whisper('A') == '(a)'\n")
    model.will_submit("whisper() is new.")

    await bot.settle()

    (pull,) = repo.pulls()
    assert repo.pull(pull.number).draft
    assert "came with the patch" in (pull.body or "")

    await assert_nothing_new(gh, bot, repo)


@pytest.mark.parametrize("trouble", ["malformed", "unknown tool", "empty", "429", "500", "drop"])
async def test_a_model_in_trouble_still_gets_there(gh: GitHub, bot: Bot, model: ScriptedModel, trouble: str) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    match trouble:
        case "malformed":
            model.will_call_raw("write", '{"path": "text.py", ')
        case "unknown tool":
            model.will_call("teleport", where="home")
        case "empty":
            model.will_say("")
        case "429":
            model.will_fail(429, retry_after=0.1)
        case "500":
            model.will_fail(500)
        case "drop":
            model.will_drop()
    model.will_write("text.py", WHISPER)
    model.will_submit()

    await bot.settle()

    assert len(repo.pulls()) == 1


async def test_a_model_that_is_down_for_good_ends_the_run_visibly(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    model.will_fail(401, times=50)

    await bot.settle()

    run = await bot.run()
    assert (run.state, run.ending) == (State.FAILED, Ending.NOTHING_FOUND)
    assert "agent: " in repo.comments(1)[0].body

    await assert_nothing_new(gh, bot, repo)
