"""Money and models, end to end: the real ledger, litellm's real path, scripted models over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.core.budget import Caps, Payer, Scope, account
from bot.core.patch import FileChange, Patch
from bot.core.proof import Proof, Strength
from bot.core.routing import POLICIES, Mode, Policy, Price
from bot.core.run import FixerName
from bot.embedded.model import NAME, Call, Say, ScriptedModel
from bot.repair.agent.fixer import AgentFixer
from bot.repair.base import Allowance, Proposal, Purse, Rejected, Task
from bot.services.llm import Models
from bot.store import Spending, Store
from tests.adapters.raw_server import raw_server
from tests.agent.conftest import BASE, FIXED, Journal, Propose

FIX = Patch(BASE, (FileChange("calc.py", FIXED.encode()),))
PRICE = Price(1.0, 10.0)  # US dollars for a million tokens in and out


class Clock:
    """Time that only moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'fettle.db'}", clock=clock)
    yield store
    await store.close()


@pytest.fixture
async def second() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as second:
        yield second


def purse(store: Store, run_id: str = "run-1", **caps: float) -> Purse:
    return Purse(store.ledger, Payer(run_id, 7, 9), Caps(**caps))


async def of_run(store: Store, run_id: str = "run-1") -> Spending:
    return await store.ledger.spent(account(Scope.RUN, run_id, datetime.now(UTC)))


async def of_month(store: Store, clock: Clock) -> Spending:
    return await store.ledger.spent(account(Scope.INSTALLATION_MONTH, 9, clock()))


def priced(server: ScriptedModel | None = None, name: str = NAME, price: Price | None = PRICE) -> Models:
    return Models(name, timeout=10, tries=2, pause=0.01, price=price, api_base=server.url if server else None)


class Busy:
    """Answers without end, each a different command at a known price."""

    def __init__(self, tokens_in: int, tokens_out: int) -> None:
        self.count = 0
        self._tokens = tokens_in, tokens_out

    def __call__(self, _: object) -> Say:
        self.count += 1
        call = Call("run", f'{{"command": "echo {self.count}"}}')
        return Say(calls=(call,), tokens_in=self._tokens[0], tokens_out=self._tokens[1])


async def held(store: Store, run_id: str = "run-1") -> float:
    """What is held as soon as a call is under way."""
    for _ in range(2_000):
        if found := (await of_run(store, run_id)).held_usd:
            return found
        await asyncio.sleep(0.01)
    pytest.fail("nothing was held")


# -- money


async def test_a_run_at_its_cap_stops_with_the_figures_and_keeps_its_work(
    model: ScriptedModel, propose: Propose, store: Store, journal: Journal
) -> None:
    model.will_write("calc.py", FIXED)
    model.otherwise(Busy(5_000, 500))

    proposal = await propose(priced(), purse=purse(store, run_usd=0.05))

    spent = await of_run(store)
    assert 0.03 < spent.usd <= 0.05
    assert spent.held_usd == 0
    assert spent.usd == pytest.approx(sum(entry["cost_usd"] for entry in journal.entries)) == proposal.cost_usd
    assert proposal.patch == FIX
    assert journal.of("agent.stopped")[0]["reason"] == "money"
    figures = f"of the $0.05 that this run may spend, ${spent.usd:.4f} is spent; the next call may cost $0.0"
    assert proposal.tried[0].startswith(f"The model used up its money: {figures}")


async def test_two_runs_at_once_share_a_cap_and_never_overspend_it(
    model: ScriptedModel, propose: Propose, store: Store, clock: Clock
) -> None:
    model.otherwise(Busy(5_000, 500))

    proposals: list[Proposal] = await asyncio.gather(
        *(propose(priced(), purse=purse(store, f"run-{n}", installation_month_usd=0.08)) for n in range(2))
    )

    assert all("this installation may spend a month" in proposal.tried[0] for proposal in proposals)
    assert sum(proposal.cost_usd for proposal in proposals) == pytest.approx((await of_month(store, clock)).usd)
    assert 0.05 < (await of_month(store, clock)).usd <= 0.08


async def test_the_worst_case_is_held_and_the_real_cost_is_booked(
    model: ScriptedModel, propose: Propose, store: Store
) -> None:
    model.will_hang(0.5)
    model.will(Say(calls=(Call("submit", '{"summary": "Done."}'),), tokens_in=100, tokens_out=10))
    working = asyncio.create_task(propose(priced(), purse=purse(store, run_usd=1.0)))

    worst = await held(store)
    await working

    assert worst > model.requests[0].body["max_tokens"] * PRICE.output_usd / 1_000_000 > 0.08
    assert await of_run(store) == Spending(pytest.approx(0.0002), 0.0, 110, 1)  # type: ignore[arg-type] # equal enough


async def test_little_money_asks_for_a_short_answer(model: ScriptedModel, propose: Propose, store: Store) -> None:
    await propose(priced(), purse=purse(store, run_usd=0.02))

    assert 256 <= model.requests[0].body["max_tokens"] < 2_000


async def test_what_a_dead_worker_held_comes_back(
    model: ScriptedModel, propose: Propose, store: Store, clock: Clock
) -> None:
    model.will_hang()
    mine, other = (purse(store, run_id, repository_day_usd=0.085) for run_id in ("run-1", "run-2"))
    dying = asyncio.create_task(propose(priced(), purse=mine))
    assert await held(store) > 0.08
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying

    assert (await of_run(store)).held_usd > 0.08  # the call may have been billed
    waiting = await propose(priced(), purse=other)
    assert "is held by calls under way" in waiting.tried[0]

    clock.now += timedelta(minutes=5)
    assert (await propose(priced(), purse=other)).tried[0].startswith("The model submitted")


async def test_calls_that_fail_unbilled_cost_nothing(model: ScriptedModel, propose: Propose, store: Store) -> None:
    model.will_fail(503, times=2)

    await propose(priced(), purse=purse(store, run_usd=1.0))

    assert await of_run(store) == Spending()


async def test_failed_calls_that_were_billed_are_paid_and_bounded(
    model: ScriptedModel, propose: Propose, store: Store, journal: Journal
) -> None:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 100}
    empty = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "usage": usage}
    async with raw_server(*[(200, empty)] * 9) as (address, asked):
        models = Models(NAME, tries=2, pause=0.01, price=PRICE, api_base=address)
        proposal = await propose(models, purse=purse(store, run_usd=1.0))

    assert len(asked) == 3
    assert proposal.tokens == 3_300
    assert await of_run(store) == Spending(pytest.approx(0.006), 0.0, 3_300, 3)  # type: ignore[arg-type] # equal enough
    assert sum(entry["cost_usd"] for entry in journal.of("agent.lost")) == pytest.approx(0.006) == proposal.cost_usd
    assert "its answer was empty" in proposal.tried[0]


@pytest.mark.usefixtures("model")
async def test_a_provider_that_counts_nothing_is_paid_the_worst_case(propose: Propose, store: Store) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "submit", "arguments": '{"summary": "Done."}'}}
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [call]}}
    answer = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    async with raw_server((200, answer)) as (address, asked):
        models = Models(NAME, tries=1, price=PRICE, api_base=address)
        await propose(models, purse=purse(store, run_usd=1.0))

    assert (await of_run(store)).usd > asked[0]["max_tokens"] * PRICE.output_usd / 1_000_000


# -- models


@pytest.mark.parametrize("status", [429, 503, 401])
async def test_the_next_model_steps_in_and_goes_on(
    model: ScriptedModel, second: ScriptedModel, task: Task, journal: Journal, status: int
) -> None:
    model.will_edit("calc.py", "a - b", "a + b")
    model.will_fail(status, times=2)
    second.will_submit("add() adds now.")

    proposal = await AgentFixer([priced(), priced(second, "openai/second")]).propose(task)

    assert proposal.patch == FIX
    assert [(entry["model"], entry["tool"]) for entry in journal.of("agent.step")] == [
        (NAME, "edit"),
        ("openai/second", "submit"),
    ]
    assert "Edited calc.py" in second.requests[0].text
    (fallback,) = journal.of("agent.fallback")
    assert (fallback["model"], fallback["next"]) == (NAME, "openai/second")


async def test_when_nobody_answers_every_reason_is_given(
    model: ScriptedModel, second: ScriptedModel, task: Task
) -> None:
    model.will_fail(429, times=2)
    second.will_fail(401)

    proposal = await AgentFixer([priced(), priced(second, "openai/second")]).propose(task)

    assert "openai/scripted is not available: it limits the rate" in proposal.tried[0]
    assert "openai/second refused: its key is missing" in proposal.tried[0]


async def test_cheap_tries_come_first(model: ScriptedModel, second: ScriptedModel, task: Task) -> None:
    dear = priced(price=Price(5.0, 25.0))
    fixer = AgentFixer([dear, priced(second, "openai/second")])
    refused = Rejected(FixerName.AGENT, FIX, Proof(Strength.UNPROVEN, ()))

    for attempt in range(3):
        await fixer.propose(replace(task, rejected=(refused,) * attempt))

    assert (len(second.requests), len(model.requests)) == (2, 1)


async def test_a_policy_refuses_what_is_too_dear_before_anything_runs(
    model: ScriptedModel, task: Task, journal: Journal
) -> None:
    proposal = await AgentFixer(priced(), POLICIES[Mode.OPS]).propose(task)

    assert proposal.tried == (
        "No model is allowed: openai/scripted costs $0.01 for 1,000 tokens, the ceiling is $0.001.",
    )
    assert journal.of("agent.stopped")[0]["reason"] == "no_model"
    assert model.requests == []


async def test_an_unknown_price_needs_a_cap_on_tokens(model: ScriptedModel, task: Task) -> None:
    fixer = AgentFixer(priced(price=None), POLICIES[Mode.CODE])

    refused = await fixer.propose(replace(task, allowance=Allowance(tokens=0)))
    allowed = await fixer.propose(task)

    assert "the price of openai/scripted is not known: state it, or a cap on its tokens" in refused.tried[0]
    assert allowed.tried[0].startswith("The model submitted")


async def test_a_policy_caps_steps_and_money(model: ScriptedModel, task: Task) -> None:
    model.otherwise(Busy(1_000, 10))

    steps = await AgentFixer(priced(), Policy(steps=9, model_steps=(("openai/*", 3),))).propose(task)
    money = await AgentFixer(priced(), Policy(cost_usd=0.01)).propose(task)

    assert "3 model calls, the cap is 3" in steps.tried[0]
    assert "the cap is $0.01" in money.tried[0]
    assert money.cost_usd <= 0.01
