"""`fettle demo`: the main job end to end, and what counts as well done."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.commands.demo import all_well
from bot.core.machine import State
from bot.core.proof import Proof, Strength
from bot.core.run import Ending, Run, Subject, SubjectKind
from tests.cli.conftest import Fettle

NOW = datetime(2026, 11, 20, tzinfo=UTC)
OPENED = Run(
    "r", 1, 1, "acme/ledger", Subject(SubjectKind.ISSUE, 1, ""), State.IN_REVIEW, "ada", NOW, NOW,
    pull_request=4, proof=Proof(Strength.PROVEN, ()), ending=Ending.PUBLISHED,
)  # fmt: skip
NEEDING = replace(OPENED, state=State.FAILED, pull_request=None, proof=None, ending=Ending.NEEDS_MODEL)
UNPROVEN = replace(OPENED, proof=Proof(Strength.UNPROVEN, ()))
FAILED = replace(NEEDING, ending=Ending.NOTHING_FOUND)


@pytest.mark.parametrize(
    ("runs", "with_model", "well"),
    [
        ([OPENED, OPENED, NEEDING], False, True),
        ([OPENED, OPENED, OPENED], True, True),
        ([OPENED, OPENED, NEEDING], True, False),
        ([OPENED, NEEDING, NEEDING], False, False),
        ([OPENED, UNPROVEN, NEEDING], False, False),
        ([OPENED, OPENED, FAILED], False, False),
    ],
)
def test_what_counts_as_well_done(runs: list[Run], with_model: bool, well: bool) -> None:
    assert all_well(runs, with_model=with_model) is well


@pytest.mark.slow
def test_the_demo_ends_with_proven_pull_requests_in_one_json_object(fettle: Fettle) -> None:
    said = fettle("demo", "--json")

    assert said.code == 0, said.out + said.err
    lint, bound, feature = said.json["runs"]
    assert [lint["fixer"], bound["fixer"], feature["ending"]] == ["mechanical", "search", "needs_model"]
    assert [run["proof"]["strength"] for run in (lint, bound)] == ["proven", "proven"]
    assert all(run["pull_request"] and run["diff"] and run["stages"]["publish"] is not None for run in (lint, bound))
    assert feature["tried"]
    assert said.json["seconds"] < 60
