"""Money that runs share: what the day of a repository may cost, and that every call is in the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.budget import Scope, account
from bot.core.run import Ending
from bot.embedded.github import GitHub
from bot.embedded.model import NAME, ScriptedModel
from tests.harness.bot import Bot
from tests.stories.test_with_a_model import TITLE, WHISPER, model
from tests.stories.worlds import FEATURE, assert_nothing_new, repository

__all__ = ["model"]  # the fixture


@pytest.fixture
def cap() -> str:
    return "1"


@pytest.fixture
def model_settings(model: ScriptedModel, cap: str) -> dict[str, Any]:
    return {"FETTLE_MODEL": f"{NAME}=1/10", "FETTLE_BUDGET_REPOSITORY_DAY_USD": cap}


async def test_what_a_run_cost_is_in_the_ledger(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    model.will_write("text.py", WHISPER)
    model.will_submit()

    await bot.settle()

    run, store = await bot.run(), bot.services.store
    day = await store.ledger.spent(account(Scope.REPOSITORY_DAY, run.repository_id, run.created_at))
    assert day.usd == pytest.approx(await store.journal.cost(run.id), abs=1e-6)
    assert (day.held_usd, day.calls) == (0, 2)
    assert len(repo.pulls()) == 1

    await assert_nothing_new(gh, bot, repo)


@pytest.mark.parametrize("cap", ["0.001"])
async def test_a_repository_at_its_daily_cap_asks_no_model(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    issue = repo.open_issue(TITLE, author="ada", labels=["autofix"])

    await bot.settle()

    assert (await bot.run()).ending is Ending.BUDGET
    assert model.requests == []
    assert len(repo.comments(issue.number)) == 1

    await assert_nothing_new(gh, bot, repo)
