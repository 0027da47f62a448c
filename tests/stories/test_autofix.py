"""A label starts a run, and what comes of it: by each rung that needs no model, or an honest "needs a model"."""

from __future__ import annotations

from bot.core.machine import State
from bot.core.run import Ending
from bot.embedded.github import GitHub
from tests.harness.bot import Bot
from tests.stories.worlds import BOUND, FEATURE, LINT, assert_nothing_new, repository


async def test_a_lint_issue_becomes_a_pull_request(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    issue = repo.open_issue("ruff: unused import in report.py", author="ada", labels=["autofix"])

    await bot.settle()

    (pull,) = repo.pulls()
    assert repo.closes(pull.number) == [issue.number]
    assert repo.checks(pull.number) == {"fettle": "success"}
    assert not repo.pull(pull.number).draft
    assert "import os" not in await repo.read("report.py", repo.pull(pull.number).head_ref)
    assert (await bot.run()).fixer == "mechanical"

    await assert_nothing_new(gh, bot, repo)


async def test_a_failing_test_becomes_a_pull_request_without_a_model(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    issue = repo.open_issue("clamp() gives the wrong value above the range", author="ada", labels=["autofix"])

    await bot.settle()

    (pull,) = repo.pulls()
    head = repo.pull(pull.number).head_ref
    assert repo.closes(pull.number) == [issue.number]
    assert "return high" in await repo.read("calc.py", head)
    assert repo.verified((await repo.refs())[head])
    assert head == "fettle/issue-1-clamp-gives-the-wrong-value-above-the"
    assert "fails before" in (pull.body or "")
    assert "passes after" in (pull.body or "")
    assert [reaction.content for reaction in repo.reactions(issue.number)] == ["eyes", "rocket"]
    (comment,) = repo.comments(issue.number)
    assert "a pull request is ready for review" in comment.body
    assert (await bot.run()).fixer == "search"
    assert (await bot.run()).cost_usd == 0

    await assert_nothing_new(gh, bot, repo)


async def test_what_needs_a_model_says_so(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, FEATURE)
    issue = repo.open_issue("whisper() is missing", author="ada", labels=["autofix"])

    await bot.settle()

    assert repo.pulls() == []
    (comment,) = repo.comments(issue.number)
    assert "this needs a model" in comment.body
    assert "What was tried" in comment.body
    assert "FETTLE_MODEL" in comment.body
    assert [reaction.content for reaction in repo.reactions(issue.number)] == ["eyes", "confused"]
    assert (await bot.run()).ending is Ending.NEEDS_MODEL

    await assert_nothing_new(gh, bot, repo)


async def test_a_merged_pull_request_ends_the_run(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    issue = repo.open_issue("clamp() gives the wrong value above the range", author="ada", labels=["autofix"])
    await bot.settle()

    await repo.merge(repo.pulls()[0].number, by="ada")
    await bot.settle()

    assert (await bot.run()).state is State.DONE
    assert repo.issue(issue.number).state == "closed"

    await assert_nothing_new(gh, bot, repo)


async def test_a_closed_pull_request_takes_the_run_back(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    repo.open_issue("clamp() gives the wrong value above the range", author="ada", labels=["autofix"])
    await bot.settle()

    repo.close(repo.pulls()[0].number, by="ada")
    await bot.settle()

    run = await bot.run()
    assert (run.state, run.reason) == (State.CANCELLED, "@ada closed the pull request.")

    await assert_nothing_new(gh, bot, repo)


async def test_a_missing_dependency_is_judged_without_it_in_the_old_environment(gh: GitHub, bot: Bot) -> None:
    """In the environment that the patch asks for, the test would pass without the patch too."""
    files = {
        "requirements.txt": "",
        "old.py": "import six\n\n\ndef word():\n    return six.ensure_str(b'a')\n",
        "test_old.py": "def test_word():\n    import old\n\n    assert old.word() == 'a'\n",
    }
    repo = await repository(gh, files)
    repo.open_issue("test_word fails: No module named 'six'", author="ada", labels=["autofix"])

    await bot.settle()

    (pull,) = repo.pulls()
    assert repo.pull(pull.number).draft
    assert "six" in await repo.read("requirements.txt", repo.pull(pull.number).head_ref)
    assert "again with the patch taken away" in (pull.body or "")
