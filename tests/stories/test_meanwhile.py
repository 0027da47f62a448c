"""What people and GitHub do while a run works: nothing is doubled, nothing lost, and the run ends visibly."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bot import jobs
from bot.core.machine import State
from bot.core.run import Ending
from bot.embedded.actions.issues import delete_comment
from bot.embedded.github import GitHub
from bot.embedded.handle import RepositoryHandle
from bot.services.git import Workspace
from bot.worker import open_office
from tests.harness.bot import Bot
from tests.stories.test_surviving import assert_exactly_one_of_each
from tests.stories.worlds import LINT, assert_nothing_new, outcome, repository

TITLE = "ruff: unused import in report.py"


async def test_a_delivery_handled_twice_starts_one_run_and_says_nothing_twice(gh: GitHub, bot: Bot) -> None:
    """The worker dies between starting the run and stamping the delivery as done."""
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await gh.drain()
    office = open_office(bot.services)
    for delivery_id in await bot.services.store.inbox.undone(0.0):
        delivery = await bot.services.store.inbox.get(delivery_id)
        assert delivery is not None
        await jobs._handle(office, delivery)

    await bot.settle()

    assert len(await bot.runs()) == 1
    await assert_exactly_one_of_each(gh, bot, repo)


async def test_a_late_delivery_does_not_start_its_ended_run_again(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await gh.drain()
    office = open_office(bot.services)
    deliveries = [await bot.services.store.inbox.get(i) for i in await bot.services.store.inbox.undone(0.0)]
    await bot.settle()
    await repo.merge(repo.pulls()[0].number, by="ada")
    repo.reopen(1, by="ada")
    await bot.settle()

    for delivery in deliveries:
        assert delivery is not None
        await jobs._handle(office, delivery)
    await bot.settle()

    assert [run.state for run in await bot.runs()] == [State.DONE]


async def test_the_label_in_another_case_counts(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["AutoFix"])

    await bot.settle()

    assert len(repo.pulls()) == 1


async def test_a_label_by_another_bot_is_refused_and_by_ourselves_ignored(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    issue = repo.open_issue(TITLE, author="ada")
    assert bot.services.github is not None
    repo.add_label(issue.number, "autofix", by=await bot.services.github.bot_login())
    await bot.settle()
    assert repo.comments(issue.number) == []

    repo.remove_label(issue.number, "autofix", by="ada")
    repo.add_label(issue.number, "autofix", by="other[bot]")
    await bot.settle()

    assert await bot.runs() == []
    (comment,) = repo.comments(issue.number)
    assert "bots do not start runs" in comment.body


async def test_a_deleted_progress_comment_is_written_anew(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(2)
    (comment,) = repo.comments(1)
    delete_comment(gh.hub, repo.record, comment, gh.user("ada"))

    await bot.another_worker()

    await assert_exactly_one_of_each(gh, bot, repo)
    assert "ready for review" in repo.comments(1)[0].body


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_an_issue_that_is_gone_or_locked_does_not_undo_what_was_published(
    gh: GitHub, bot: Bot, status: int
) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(3)
    gh.faults.add("*", r"/issues/(1/|comments/)", status=status, count=1000)

    await bot.another_worker()

    run = await bot.run()
    assert (run.state, run.ending) == (State.IN_REVIEW, Ending.PUBLISHED)
    assert run.pull_request == repo.pulls()[0].number


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("stages", [0, 2, 4])
async def test_a_repository_that_is_taken_away_ends_the_run(gh: GitHub, bot: Bot, status: int, stages: int) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(stages)
    gh.faults.add("*", r"/repos/|/access_tokens|\.git/", status=status, count=1000)

    await bot.another_worker()

    run = await bot.run()
    assert (run.state, run.ending) == (State.FAILED, Ending.ERROR)
    assert repo.pulls() == []


async def test_a_second_run_is_not_taken_for_the_first_ones_pull_request(gh: GitHub, bot: Bot) -> None:
    """Same issue, same branch name, and the first answer to the new pull request is lost."""
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.settle()
    (first,) = repo.pulls()
    branch = repo.pull(first.number).head_ref
    repo.close(first.number, by="ada")
    await repo.delete_branch(branch, by="ada")
    repo.remove_label(1, "autofix", by="ada")
    await bot.settle()
    gh.faults.add("POST", r"/pulls$", drop="before", count=1)

    repo.add_label(1, "autofix", by="ada")
    await bot.settle()

    assert [pull.state for pull in repo.pulls()] == ["closed", "open"]
    run = await bot.run()
    assert run.pull_request == repo.pulls()[1].number
    assert len(repo.comments(1)) == 1
    assert f"#{run.pull_request}" in repo.comments(1)[0].body


async def test_a_pull_request_closed_before_the_retry_looks_is_neither_doubled_nor_reopened(
    gh: GitHub, bot: Bot
) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(4)
    gh.faults.add("POST", r"/check-runs$", status=500, count=1)
    office = open_office(bot.services)
    with pytest.raises(Exception, match="500"):
        await office.pipeline.advance((await bot.run()).id)
    repo.close(repo.pulls()[0].number, by="ada")

    await bot.another_worker()
    await bot.settle()

    (pull,) = repo.pulls()
    assert pull.state == "closed"
    run = await bot.run()
    assert (run.state, run.reason) == (State.CANCELLED, "@ada closed the pull request.")


async def test_a_branch_of_that_name_by_a_person_is_left_alone(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    name = "fettle/issue-1-ruff-unused-import-in-report-py"
    theirs = await repo.push({"mine.py": "x = 1\n"}, branch=name, by="ada")
    repo.open_issue(TITLE, author="ada", labels=["autofix"])

    await bot.settle()

    assert (await repo.refs())[name] == theirs
    assert (await bot.run()).branch == f"{name}-2"
    assert len(repo.pulls()) == 1


async def test_a_cancel_after_publishing_began_does_not_leave_half_of_it(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(4)
    gh.faults.add("POST", r"/check-runs$", status=500, count=1)
    with pytest.raises(Exception, match="500"):
        await open_office(bot.services).pipeline.advance((await bot.run()).id)

    repo.remove_label(issue.number, "autofix", by="ada")
    await bot.settle()
    await bot.another_worker()

    assert (await bot.run()).state is State.IN_REVIEW
    await assert_exactly_one_of_each(gh, bot, repo)
    assert "close it if it is not wanted" in repo.comments(issue.number)[0].body


async def test_commits_on_the_default_branch_do_no_harm_but_a_rewrite_ends_the_run(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(2)
    await repo.push({"other.py": "x = 1\n"}, by="ada")
    await bot.another_worker()
    assert len(repo.pulls()) == 1

    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(2)
    await rewrite(repo)
    await bot.another_worker()

    run = await bot.run()
    assert (run.state, run.ending) == (State.FAILED, Ending.ERROR)
    assert "was rewritten" in run.reason
    assert len(repo.pulls()) == 1


async def rewrite(repo: RepositoryHandle) -> None:
    """Force-push a history of one new commit."""
    git = ["git", "--git-dir", str(repo.record.git.path), "-c", "user.name=ada", "-c", "user.email=ada@x"]
    made = await asyncio.create_subprocess_exec(
        *git, "commit-tree", "main^{tree}", "-m", "new history", stdout=asyncio.subprocess.PIPE
    )
    sha = (await made.communicate())[0].decode().strip()
    await repo.record.git.update_ref("refs/heads/main", sha)


async def test_another_machine_carries_on(gh: GitHub, bot: Bot, tmp_path: Path, shared_data_dir: Path) -> None:
    """Its mirror is empty: nothing but the database is shared."""
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(2)
    elsewhere = shared_data_dir / f"machine-{tmp_path.name}"
    bot.services = replace(bot.services, workspace=Workspace(elsewhere, protocols=frozenset({"http"})))

    await bot.another_worker()

    await assert_exactly_one_of_each(gh, bot, repo)


async def test_poison_deliveries_are_given_up_and_lose_no_others(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await gh.drain()
    real = (await bot.services.store.inbox.undone(0.0))[-1]
    delivery = await bot.services.store.inbox.get(real)
    assert delivery is not None
    for number, payload in enumerate([b"[" * 50_000, b"\xff", b"[]", b'{"action": "labeled"}']):
        await bot.services.store.inbox.accept(replace(delivery, id=f"poison-{number}", event="issues", payload=payload))

    for _ in range(8):
        await bot.another_worker()

    counts = await bot.services.store.inbox.counts()
    assert counts.waiting == 0
    assert counts.dead >= 2
    await assert_exactly_one_of_each(gh, bot, repo)


async def test_an_empty_repository_is_answered(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, {})
    repo.open_issue(TITLE, author="ada", labels=["autofix"])

    await bot.settle()

    assert (await bot.run()).ending is Ending.ERROR
    assert "no fix this time" in repo.comments(1)[0].body
    await assert_nothing_new(gh, bot, repo)


@pytest.mark.parametrize("title", [" ", "🙂🙂🙂", "x" * 256, "@everyone closes #1 [skip ci] GH-2 \u202e"])
async def test_odd_titles(gh: GitHub, bot: Bot, title: str) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(title, "F401 in report.py", author="ada", labels=["autofix"])

    await bot.settle()

    (pull,) = repo.pulls()
    assert repo.closes(pull.number) == [1]
    assert (await outcome(repo)).checks == (("fettle", "success"),)
