"""What a model may spend, and that what it should not have written is kept nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.machine import State
from bot.core.run import Ending
from bot.embedded.github import GitHub
from bot.embedded.model import ScriptedModel
from tests.harness.bot import Bot
from tests.stories.test_with_a_model import TITLE, WHISPER, model
from tests.stories.worlds import FEATURE, assert_nothing_new, repository

__all__ = ["model"]  # the fixture

KEY = "AKIAZ7VQ3XH5TBN2WRLM"


@pytest.fixture
def budget() -> str:
    return "1"


@pytest.fixture
def model_settings(model: ScriptedModel, budget: str) -> dict[str, Any]:
    return {"FETTLE_MODEL": model.environment()["FETTLE_MODEL"], "FETTLE_BUDGET_USD": budget}


@pytest.mark.parametrize("budget", ["0"])
async def test_no_money_asks_no_model_and_says_so(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])

    await bot.settle()

    run = await bot.run()
    assert (run.state, run.ending) == (State.FAILED, Ending.BUDGET)
    assert model.requests == []
    assert "FETTLE_BUDGET_USD" in repo.comments(1)[0].body.replace("\\", "")
    await assert_nothing_new(gh, bot, repo)


async def test_a_secret_in_a_patch_is_kept_nowhere(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    for _ in range(2):
        model.will_write("text.py", WHISPER)
        model.will_write("config.py", f"AWS_KEY = '{KEY}'\n")
        model.will_submit(f"I put the key {KEY} into config.py.")

    await bot.settle()

    run = await bot.run()
    entries = await bot.services.store.journal.read(run.id)
    kept = [str(run), *(str(entry) for entry in entries), *(comment.body for comment in repo.comments(1))]
    assert not [text for text in kept if KEY in text]
    rejected = [entry.data["patch"] for entry in entries if entry.kind == "patch.rejected"]
    assert [[c["path"] for c in patch["changes"]] for patch in rejected] == [["text.py"]] * 2  # type: ignore[index] # JSON
    assert "seems to hold a secret" in run.reason
    assert list(await repo.refs()) == ["main"]


async def test_a_patch_that_changes_nothing_is_no_error(gh: GitHub, bot: Bot, model: ScriptedModel) -> None:
    repo = await repository(gh, FEATURE)
    repo.open_issue(TITLE, author="ada", labels=["autofix"])
    model.will_write("text.py", FEATURE["text.py"])
    model.will_submit("Done.")

    await bot.settle()

    assert (await bot.run()).ending is Ending.NOTHING_FOUND
