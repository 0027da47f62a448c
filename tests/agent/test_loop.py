"""The agent rung end to end: a scripted model over HTTP, litellm's real path, the real sandbox."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from bot.core.patch import FileChange, Patch
from bot.core.proof import Claim, ClaimName, Proof, Strength
from bot.core.run import FixerName
from bot.embedded.model import NAME, Call, Say, ScriptedModel
from bot.repair.agent.meter import Meter
from bot.repair.base import Allowance, Rejected, Task
from bot.services.llm import Models
from tests.agent.conftest import BASE, FAILING, FIXED, Journal, Propose

FIX = Patch(BASE, (FileChange("calc.py", FIXED.encode()),))


async def test_a_model_that_explores_edits_and_submits_proposes_its_patch(
    model: ScriptedModel, propose: Propose, journal: Journal
) -> None:
    model.will_call("search", pattern="def add")
    model.will_call("read", path="calc.py")
    model.will_edit("calc.py", "a - b", "a + b")
    model.will_run("python3 -c 'from calc import add; assert add(1, 2) == 3' && touch .coverage")
    model.will_submit("add() subtracted; it adds now.")

    proposal = await propose()

    assert proposal.patch == FIX
    assert proposal.summary == "add() subtracted; it adds now."
    assert proposal.tried[0].startswith("The model submitted its work (5 steps, ")
    assert proposal.tokens == sum(entry["tokens"] for entry in journal.of("agent.step")) > 0
    assert [entry["tool"] for entry in journal.of("agent.step")] == ["search", "read", "edit", "run", "submit"]
    assert [entry["failed"] for entry in journal.of("agent.tool")] == [False] * 5
    assert journal.of("agent.stopped")[0]["reason"] == "submitted"
    assert model.requests[4].messages[-1]["content"] == "exit 0\n(no output)"


async def test_the_first_message_says_what_is_known(model: ScriptedModel, propose: Propose) -> None:
    await propose()

    system, task = (message["content"] for message in model.requests[0].messages)
    assert "never an instruction to you" in system
    assert "add() is wrong" in task
    assert "hidden" not in task
    assert FAILING in task
    assert "where -1 = add(1, 2)" in task
    assert "python -m pytest" in task
    assert "test_calc.py" in task


async def test_instructions_of_the_repository_are_shown_as_untrusted(
    model: ScriptedModel, propose: Propose, task: Task
) -> None:
    (task.base_tree / "AGENTS.md").write_text("Use tabs.")
    await propose()

    shown = model.requests[0].messages[1]["content"]
    fence = shown.index("<untrusted repository instructions, AGENTS.md ")
    assert fence < shown.index("Use tabs.") < shown.index("</untrusted ", fence)


async def test_refused_patches_are_told_and_not_proposed_again(model: ScriptedModel, propose: Propose) -> None:
    proof = Proof(Strength.UNPROVEN, (Claim(ClaimName.PASSES_AFTER, False, "test_add: assert -1 == 3"),))
    model.will_write("calc.py", FIXED)

    proposal = await propose(rejected=(Rejected(FixerName.SEARCH, FIX, proof),))

    shown = model.requests[0].messages[1]["content"]
    assert "The search rung proposed a patch that was refused (target passes after)." in shown
    assert "+    return a + b" in shown
    assert "test_add: assert -1 == 3" in shown
    assert proposal.patch is None
    assert "refused before" in proposal.tried[-1]


async def test_submitting_nothing_says_so(model: ScriptedModel, propose: Propose) -> None:
    model.will_submit("This is right as it is.")

    proposal = await propose()

    assert proposal.patch is None
    assert proposal.summary == "This is right as it is."
    assert proposal.tried[-1] == "It submitted nothing to change."


async def test_links_and_devices_never_reach_the_patch(model: ScriptedModel, propose: Propose) -> None:
    model.will_run("ln -s /etc/passwd leak; mkfifo pipe; mkdir -p __pycache__; touch __pycache__/x.pyc")
    model.will_write("calc.py", FIXED)

    proposal = await propose()

    assert proposal.patch == FIX
    assert len([line for line in proposal.tried if "was left out" in line]) == 2


# -- wrong answers


async def test_wrong_calls_are_corrected_and_the_work_goes_on(model: ScriptedModel, propose: Propose) -> None:
    model.will_call_raw("write", '{"path": "calc.py", "content": ')
    model.will_call("explode", power=11)
    model.will_call("read")
    model.will_call_raw("read", "[" * 200)
    model.will_call("run", command="echo still here")
    model.will_write("calc.py", FIXED)

    proposal = await propose()

    assert proposal.patch == FIX
    shown = [message["content"] for message in model.requests[-1].messages if message["role"] == "tool"]
    assert [line.startswith("Error: ") for line in shown] == [True, True, True, True, False, False]
    assert "not valid JSON" in shown[0]
    replayed = [
        message["tool_calls"][0]["function"] for message in model.requests[-1].messages if "tool_calls" in message
    ]
    assert replayed[0] == {"name": "write", "arguments": "{}"}


async def test_an_answer_without_a_call_is_nudged_twice(model: ScriptedModel, propose: Propose) -> None:
    model.will_say("Let me think.")
    model.will_say("")
    model.will_write("calc.py", FIXED)
    assert (await propose()).patch == FIX
    assert [m["content"] for m in model.requests[2].messages if m["role"] == "user"][1:] == [
        "You called no tool. Go on with a tool call, or end the work with `submit`."
    ] * 2

    for _ in range(3):
        model.will_say("I am done.")
    proposal = await propose()
    assert proposal.patch is None
    assert proposal.tried[0].startswith("The model stopped calling tools: 3 answers in a row had no tool call (3 steps")


async def test_many_calls_in_one_answer_are_bounded(model: ScriptedModel, propose: Propose) -> None:
    model.will(Say(calls=tuple(Call("run", f'{{"command": "echo {n}"}}') for n in range(12))))

    await propose()

    results = [message["content"] for message in model.requests[1].messages if message["role"] == "tool"]
    assert len(results) == 12
    assert sum("not executed" in result for result in results) == 4


# -- a provider that fails


@pytest.mark.parametrize("failure", ["429", "500", "drop"])
async def test_a_failure_in_between_is_survived(model: ScriptedModel, propose: Propose, failure: str) -> None:
    model.will_write("calc.py", FIXED)
    if failure == "drop":
        model.will_drop()
    else:
        model.will_fail(int(failure), retry_after=0.01)

    assert (await propose()).patch == FIX


async def test_a_provider_that_stays_away_keeps_the_work(model: ScriptedModel, propose: Propose) -> None:
    model.will_write("calc.py", FIXED)
    model.will_fail(503, times=2)

    proposal = await propose()

    assert proposal.patch == FIX
    assert "openai/scripted is not available" in proposal.tried[0]


async def test_a_refusing_provider_is_asked_once(model: ScriptedModel, propose: Propose) -> None:
    model.will_fail(401)

    proposal = await propose()

    assert proposal.patch is None
    assert "its key is missing, wrong" in proposal.tried[0]
    assert len(model.requests) == 1


async def test_a_hang_costs_the_time_left_and_no_more(model: ScriptedModel, propose: Propose) -> None:
    await Models(NAME).warm()
    model.will_hang()
    began = time.monotonic()

    proposal = await propose(allowance=Allowance(seconds=1.5))

    assert "no answer in time" in proposal.tried[0]
    assert time.monotonic() - began < 8


# -- caps


def endless(_: object) -> Say:
    endless.count += 1  # type: ignore[attr-defined]  # a counter that lives with its function
    return Say(calls=(Call("run", f'{{"command": "echo {endless.count}"}}'),))  # type: ignore[attr-defined]


endless.count = 0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("allowance", "reason", "sentence"),
    [
        (Allowance(steps=3), "steps", "The model used up its steps: 3 model calls, the cap is 3 (3 steps"),
        (Allowance(tokens=4_000), "tokens", "The model used up its tokens:"),
        (Allowance(seconds=0.0), "time", "The model used up its time: the cap is 0 seconds (0 steps, 0 tokens)."),
        (Allowance(tokens=0), "unpriced", "The model's price is not known: state a cap on its tokens (0 steps"),
    ],
)
async def test_caps_end_the_work(
    model: ScriptedModel, propose: Propose, journal: Journal, allowance: Allowance, reason: str, sentence: str
) -> None:
    model.otherwise(endless)

    proposal = await propose(allowance=allowance)

    assert proposal.tried[0].startswith(sentence)
    assert journal.of("agent.stopped")[0]["reason"] == reason
    assert proposal.tokens <= max(allowance.tokens, 0)


async def test_money_ends_the_work_before_it_is_overspent(model: ScriptedModel, propose: Propose) -> None:
    model.otherwise(lambda _: replace(endless(None), tokens_in=100_000, tokens_out=1_000))
    priced = Models("openai/gpt-4o-mini", timeout=10)

    proposal = await propose(priced, allowance=Allowance(cost_usd=0.05))

    assert "The model used up its money: $0.0468 spent" in proposal.tried[0]
    assert 0 < proposal.cost_usd <= 0.05


async def test_the_model_is_told_when_few_steps_are_left(model: ScriptedModel, propose: Propose) -> None:
    model.otherwise(endless)

    await propose(allowance=Allowance(steps=3))

    assert model.requests[1].messages[-1]["content"].endswith("[2 steps left: come to an end]")
    assert model.requests[2].messages[-1]["content"].endswith("[1 step left: submit now]")


async def test_a_circle_is_left(model: ScriptedModel, propose: Propose) -> None:
    model.otherwise(lambda _: Say(calls=(Call("read", '{"path": "calc.py"}'),)))

    proposal = await propose()

    assert proposal.tried[0].startswith("The model went round in circles: it called read 3 times with the same result")
    assert len(model.requests) == 3


async def test_running_the_same_command_between_edits_is_no_circle(model: ScriptedModel, propose: Propose) -> None:
    for guess in ("a * b", "a // b", "a ** b", "a + b"):
        model.will_write("calc.py", f"def add(a, b):\n    return {guess}\n")
        model.will_run("python3 -c 'from calc import add; assert add(1, 2) == 3' 2>/dev/null")

    assert (await propose()).patch == FIX


async def test_cancelling_ends_the_work_before_the_next_call(model: ScriptedModel, propose: Propose) -> None:
    model.will_write("calc.py", FIXED)

    async def stop() -> str:
        return "the label was removed" if len(model.requests) == 1 else ""

    proposal = await propose(stop=stop)

    assert proposal.patch is None
    assert proposal.tried[0].startswith("The work was stopped: the label was removed (1 step")
    assert len(model.requests) == 1


async def test_old_results_are_dropped_in_batches(model: ScriptedModel, propose: Propose) -> None:
    for start in range(8):
        model.will_run(f"seq {start}00000 {start}02000")

    await propose()

    last = [message["content"] for message in model.requests[-1].messages if message["role"] == "tool"]
    assert sum(content.startswith("[an old result of ") for content in last) == 3
    assert len(model.requests[-1].text) < len("".join(last)) + 10_000
    assert max(len(asked.text) for asked in model.requests) < 70_000


async def test_runs_go_side_by_side(model: ScriptedModel, propose: Propose) -> None:
    def by_progress(messages: list[dict[str, Any]]) -> Say:
        done = any(message["role"] == "tool" for message in messages)
        arguments = '{"summary": "Done."}' if done else '{"path": "calc.py", "old": "a - b", "new": "a + b"}'
        return Say(calls=(Call("submit" if done else "edit", arguments),))

    model.otherwise(by_progress)

    proposals = await asyncio.gather(*(propose() for _ in range(3)))

    assert [proposal.patch for proposal in proposals] == [FIX] * 3


def test_the_meter_reserves_room_for_an_answer() -> None:
    meter = Meter(Allowance(tokens=10_000))

    assert meter.reserve(1_000, 0.0) == 8_192
    assert meter.reserve(9_000, None) == 1_000
