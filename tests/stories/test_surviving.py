"""What must hold whatever dies: exactly one branch, pull request, check run and comment, and a visible end."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.machine import State
from bot.embedded.github import GitHub
from tests.harness.bot import PATIENCE, Bot
from tests.stories.worlds import BOUND, LINT, assert_nothing_new, outcome, repository

TITLE = "clamp() gives the wrong value above the range"
LINT_TITLE = "ruff: unused import in report.py"

# queued, planning, editing (nothing mechanical), editing (found), validating, publishing
STAGES = [1, 2, 3, 4, 5]


@pytest.mark.parametrize("stages", STAGES)
async def test_a_worker_dies_between_two_stages_and_another_finishes(gh: GitHub, bot: Bot, stages: int) -> None:
    repo = await repository(gh, BOUND)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    await bot.deliver()

    await bot.advance(stages)
    assert repo.pulls() == []
    await bot.another_worker()

    assert (await bot.run()).state is State.IN_REVIEW
    await assert_exactly_one_of_each(gh, bot, repo)


async def test_a_worker_dies_in_the_middle_of_a_stage_and_another_takes_over(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(LINT_TITLE, author="ada", labels=["autofix"])
    await bot.deliver()
    run = await bot.advance(2)

    held = await bot.services.store.runs.acquire(run.id, "a worker that was killed", 30.0)
    await bot.settle()
    assert held is not None
    assert (await bot.run()).state is State.EDITING

    await bot.another_worker()
    assert (await bot.run()).state is State.IN_REVIEW
    await assert_exactly_one_of_each(gh, bot, repo)


async def test_losing_the_queue_loses_nothing(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    repo.open_issue(LINT_TITLE, author="ada", labels=["autofix"])
    await gh.drain()

    await bot.redis.flushdb()
    await bot.another_worker()

    await assert_exactly_one_of_each(gh, bot, repo)


async def test_webhooks_of_an_outage_are_asked_for_again(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    (app,) = gh.hub.state.apps.values()
    address, app.webhook_url = app.webhook_url, "http://127.0.0.1:9/nobody-listens"
    repo.open_issue(LINT_TITLE, author="ada", labels=["autofix"])
    await bot.settle()
    assert await bot.runs() == []

    app.webhook_url = address
    await bot.recover()

    await assert_exactly_one_of_each(gh, bot, repo)
    before = len(gh.deliveries)
    await bot.recover()
    assert len(gh.deliveries) == before


WRITES = {
    "reaction": ("POST", r"/issues/1/reactions$"),
    "comment": ("POST", r"/issues/1/comments$"),
    "comment edit": ("PATCH", r"/issues/comments/\d+$"),
    "tree": ("POST", r"/git/trees$"),
    "commit": ("POST", r"/git/commits$"),
    "branch": ("POST", r"/git/refs$"),
    "pull request": ("POST", r"/pulls$"),
    "check run": ("POST", r"/check-runs$"),
}
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"status": 500},
    "rate limit": {"status": 403, "rate_limited": True, "retry_after": 30},
    "connection lost before": {"drop": "before"},
    "answer lost after": {"drop": "after"},
    "answer too late": {"drop": "after", "delay": PATIENCE + 0.5},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITES)
async def test_github_fails_at_a_write_and_it_still_ends_with_one_of_each(
    gh: GitHub, bot: Bot, write: str, fault: str
) -> None:
    repo = await repository(gh, LINT)
    planned = gh.faults.add(*WRITES[write], **FAULTS[fault], count=2)
    repo.open_issue(LINT_TITLE, author="ada", labels=["autofix"])

    await bot.settle()

    assert planned.hits > 0
    await assert_exactly_one_of_each(gh, bot, repo)


async def test_github_down_for_good_ends_visibly_and_not_for_ever(gh: GitHub, bot: Bot) -> None:
    repo = await repository(gh, LINT)
    gh.faults.add("POST", r"/pulls$", status=500, count=1000)
    repo.open_issue(LINT_TITLE, author="ada", labels=["autofix"])

    await bot.settle()

    run = await bot.run()
    assert run.state is State.FAILED
    assert "Given up after 8 tries" in run.reason
    assert "Given up after 8 tries" in repo.comments(1)[0].body


async def assert_exactly_one_of_each(gh: GitHub, bot: Bot, repo: Any) -> None:
    seen = await outcome(repo)
    assert len(seen.pulls) == 1
    assert len(seen.branches) == 2
    assert seen.checks == (("fettle", "success"),)
    assert len(seen.comments) == 1
    assert seen.reactions == ("eyes", "rocket")
    await assert_nothing_new(gh, bot, repo)
