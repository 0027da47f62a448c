"""Who may ask, what a second request does, and how a run is called off."""

from __future__ import annotations

from bot.core.machine import State
from bot.core.run import Ending
from bot.embedded.github import GitHub
from tests.harness.bot import Bot
from tests.stories.worlds import BOUND, assert_nothing_new, outcome, repository

TITLE = "clamp() gives the wrong value above the range"


async def test_a_label_by_somebody_without_write_permission_is_visibly_refused(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    repo.add_collaborator("trish", "triage")
    issue = repo.open_issue(TITLE, author="trish")

    repo.add_label(issue.number, "autofix", by="trish")
    await bot.settle()

    (comment,) = repo.comments(issue.number)
    assert "@trish has triage permission here; starting a run takes write permission." in comment.body
    assert [reaction.content for reaction in repo.reactions(issue.number)] == ["confused"]
    assert await bot.runs() == []

    await assert_nothing_new(gh, bot, repo)


async def test_another_label_starts_nothing(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    repo.open_issue(TITLE, author="ada", labels=["bug"])

    await bot.settle()

    assert await bot.runs() == []
    assert repo.comments(1) == []


async def test_a_second_label_while_running_is_answered_and_starts_nothing(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(2)

    repo.remove_label(issue.number, "autofix", by="ada")
    repo.add_label(issue.number, "autofix", by="ada")
    await bot.settle()

    assert len(await bot.runs()) == 1
    assert sum("already under way" in comment.body for comment in repo.comments(issue.number)) == 1

    await bot.another_worker()
    assert len(repo.pulls()) == 1

    await assert_nothing_new(gh, bot, repo)


async def test_a_label_put_on_again_while_in_review_opens_no_second_pull_request(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.settle()

    repo.remove_label(issue.number, "autofix", by="ada")
    repo.add_label(issue.number, "autofix", by="ada")
    await bot.settle()

    (pull,) = repo.pulls()
    assert sum(f"#{pull.number} for this issue is still open" in c.body for c in repo.comments(issue.number)) == 1

    await assert_nothing_new(gh, bot, repo)

    repo.close(pull.number, by="ada")
    repo.remove_label(issue.number, "autofix", by="ada")
    repo.add_label(issue.number, "autofix", by="ada")
    await bot.settle()
    assert len(repo.pulls("open")) == 1
    assert len(repo.pulls()) == 2


async def test_taking_the_label_off_cancels(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(2)

    repo.remove_label(issue.number, "autofix", by="ada")
    await bot.settle()

    run = await bot.run()
    assert (run.state, run.ending) == (State.CANCELLED, Ending.CANCELLED)
    assert repo.pulls() == []
    assert await repo.refs() == {"main": (await repo.refs())["main"]}
    assert "removed the label" in repo.comments(issue.number)[0].body

    await assert_nothing_new(gh, bot, repo)


async def test_closing_the_issue_cancels(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    await bot.advance(3)

    repo.close(issue.number, by="ada")
    await bot.settle()

    assert (await bot.run()).state is State.CANCELLED
    assert "@ada closed the issue" in repo.comments(issue.number)[0].body.replace("\u2060", "").replace("\\", "")

    await assert_nothing_new(gh, bot, repo)


async def test_a_redelivered_webhook_has_no_second_effect(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await gh.drain()
    for delivery in list(gh.deliveries):
        gh.redeliver(delivery)
        gh.redeliver(delivery)

    await bot.settle()

    assert len(await bot.runs()) == 1
    assert len(repo.pulls()) == 1
    assert len(repo.comments(1)) == 1

    await assert_nothing_new(gh, bot, repo)


async def test_late_and_reordered_deliveries_converge(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])
    repo.remove_label(issue.number, "autofix", by="ada")

    await bot.settle()

    # `labeled` is handled after the label has gone: the issue as it is now decides.
    assert await bot.runs() == []
    assert await outcome(repo) == await outcome(repo)


async def test_an_installation_registers_its_repositories(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, BOUND, name="acme/second")
    app = gh.hub.state.apps[next(iter(gh.hub.state.apps))]
    other = await gh.create_repository("globex/tools", {"a.py": "a = 1\n"})

    installation = gh.install(app, "globex")
    await bot.settle()

    known = {row.full_name: row.active for row in await bot.services.store.repositories.list()}
    assert known["globex/tools"] is True
    assert repo.full_name != other.full_name

    gh.uninstall(installation)
    await bot.settle()
    known = {row.full_name: row.active for row in await bot.services.store.repositories.list()}
    assert not known.get("globex/tools", False)
