"""The real litellm against a scripted server over HTTP: answers, failures, and no key in any text."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.core.budget import Quote
from bot.core.routing import Candidate, Price
from bot.embedded.model import NAME, Call, Fail, Say, ScriptedModel
from bot.services.llm import Completion, ModelRefused, Models, ModelStumbled, ModelUnavailable, ToolCall, Usage
from tests.adapters.raw_server import raw_server

KEY = "sk-canary-0123456789abcdef"
ASK = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "run", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as server:
        for name, value in {**server.environment(), "OPENAI_API_KEY": KEY}.items():
            monkeypatch.setenv(name, value)
        yield server


async def ask(model: Models | None = None, seconds: float = 30.0) -> Completion:
    model = model or Models(NAME, timeout=5, pause=0.01)
    return await model.complete(ASK, TOOLS, max_tokens=100, seconds=seconds)


async def test_a_call_with_tools_goes_through_litellm(server: ScriptedModel) -> None:
    server.will(Say("I look.", (Call("run", '{"command": "ls"}'),), tokens_in=120, tokens_out=7, cached=100))

    answer = await ask()

    assert answer.text == "I look."
    assert answer.tool_calls == (ToolCall("call_1_0", "run", '{"command": "ls"}'),)
    assert (answer.tokens_in, answer.tokens_out, answer.cached_tokens) == (120, 7, 100)
    assert answer.finish == "tool_calls"
    assert server.requests[0].tools == ("run",)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_an_unknown_price_is_said(server: ScriptedModel) -> None:
    answer = await ask()

    assert not answer.price_known
    assert answer.cost_usd == 0
    assert await Models(NAME).price(1_000, 100) is None


async def test_a_known_price_is_billed_over_all_token_classes(server: ScriptedModel) -> None:
    server.will(
        Say("x", tokens_in=1_000_000, tokens_out=0), Say("x", tokens_in=1_000_000, tokens_out=0, cached=900_000)
    )
    model = Models("openai/gpt-4o-mini", api_base=server.url)

    full, cached = await ask(model), await ask(model)

    assert full.price_known
    assert full.cost_usd == pytest.approx(await model.price(1_000_000, 0))
    assert 0 < cached.cost_usd < full.cost_usd


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_temporary_failures_are_tried_again(server: ScriptedModel, status: int) -> None:
    server.will_fail(status, times=2)
    server.will_say("here")

    assert (await ask()).text == "here"
    assert len(server.requests) == 3


async def test_a_dropped_connection_is_tried_again(server: ScriptedModel) -> None:
    server.will_drop()
    server.will_say("here")

    assert (await ask()).text == "here"


async def test_tries_are_few(server: ScriptedModel) -> None:
    server.will_fail(500, times=9)

    with pytest.raises(ModelUnavailable, match=r"^The model openai/scripted is .*answered 500 \(4 tries\)"):
        await ask()

    assert len(server.requests) == 4


async def test_the_providers_pause_is_kept_but_never_beyond_the_time_left(server: ScriptedModel) -> None:
    server.will_fail(429, retry_after=0.3)
    server.will_say("here")
    began = time.monotonic()
    assert (await ask()).text == "here"
    assert time.monotonic() - began >= 0.3

    server.will_fail(429, retry_after=3600)
    with pytest.raises(ModelUnavailable, match=r"limits the rate of our requests \(1 try\)"):
        await ask()


async def test_a_hanging_server_is_left_in_time(server: ScriptedModel) -> None:
    server.will_hang()
    server.will_hang()
    began = time.monotonic()

    with pytest.raises(ModelUnavailable, match="no answer in time"):
        await ask(Models(NAME, timeout=0.4, tries=2, pause=0.01))

    assert time.monotonic() - began < 5


async def test_the_callers_time_bounds_all_tries(server: ScriptedModel) -> None:
    server.will_hang()

    with pytest.raises(ModelUnavailable, match=r"\(1 try\)"):
        await ask(Models(NAME, timeout=60), seconds=0.4)


REFUSALS = {
    "wrong key": (Fail(401, message=f"Incorrect API key provided: {KEY}"), "key is missing, wrong"),
    "forbidden": (Fail(403, message=f"{KEY} may not"), "not allowed"),
    "unknown model": (Fail(404, message="no such model", code="model_not_found"), "does not know a model"),
    "bad request": (Fail(400, message=f"bad tool schema (key {KEY}, sk-cana****cdef)"), "bad tool schema"),
    "too long": (
        Fail(400, message="This model's maximum context length is 10 tokens", code="context_length_exceeded"),
        "longer than it can read",
    ),
    "no credit": (Fail(429, message="insufficient_quota", code="insufficient_quota"), "no credit"),
}


@pytest.mark.parametrize(("fail", "sentence"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_permanent_failures_are_not_tried_again_and_hold_no_key(
    server: ScriptedModel, fail: Fail, sentence: str
) -> None:
    server.will(fail)

    with pytest.raises(ModelRefused, match=sentence) as caught:
        await ask()

    assert len(server.requests) == 1
    shown = "".join(map(repr, (caught.value, caught.value.__cause__))) + str(caught.value)
    assert KEY not in shown
    assert "sk-cana" not in shown
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["", "nonsense", "nobody/knows"])
async def test_a_name_that_litellm_does_not_know_is_refused(server: ScriptedModel, name: str) -> None:
    with pytest.raises(ModelRefused):
        await ask(Models(name))

    assert server.requests == []


async def test_no_key_at_all_is_a_sentence(server: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")

    with pytest.raises(ModelRefused, match="key is missing"):
        await ask()


# -- prices, counts and what failed tries are billed


async def test_a_stated_price_is_kept_to(server: ScriptedModel) -> None:
    server.will(Say("x", tokens_in=1_000_000, tokens_out=500_000))
    model = Models(NAME, price=Price(0.25, 2.0))

    answer = await ask(model)

    assert answer.price_known
    assert answer.cost_usd == pytest.approx(1.25)
    assert await model.price(1_000_000, 500_000) == pytest.approx(1.25)
    assert await model.quote(1_000_000) == Quote(0.25, pytest.approx(2e-6))  # type: ignore[arg-type] # equal enough
    assert (await model.candidate()).price == Price(0.25, pytest.approx(2.0))  # type: ignore[arg-type] # equal enough


async def test_a_model_without_a_price_has_no_quote(server: ScriptedModel) -> None:
    assert await Models(NAME).quote(1_000) is None
    assert await Models(NAME).candidate() == Candidate(NAME, None)


async def test_a_quote_covers_what_is_written_to_the_cache() -> None:
    model = Models("anthropic/claude-sonnet-4-5")
    quote, plain = await model.quote(1_000), await model.price(1_000, 0)

    assert quote is not None
    assert plain is not None
    assert quote.input_usd > plain


async def test_tokens_are_counted_once_and_for_any_text() -> None:
    model = Models(NAME)
    texts = ["hello", "<|endoftext|>", "a\ud800b", "x" * 300_000, ""]
    parts = [{"role": "user", "content": text} for text in texts]

    counted = await model.count(parts)

    assert counted == sum([await model.count([part]) for part in parts])
    assert counted > 300_000 / 4
    began = time.monotonic()
    assert await model.count(parts * 50) == 50 * counted
    assert time.monotonic() - began < 1


USAGE = {"prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100}
EMPTY = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
FAILED = {"error": {"message": "boom", "type": "x", "code": None}}


@pytest.mark.parametrize("answer", [(200, EMPTY), (500, FAILED)], ids=["without a choice", "error"])
@pytest.mark.parametrize("tries", [1, 4])
async def test_a_failed_try_that_was_billed_is_counted_and_asked_once(
    server: ScriptedModel, answer: tuple[int, dict[str, object]], tries: int
) -> None:
    status, body = answer
    async with raw_server((status, {**body, "usage": USAGE})) as (address, asked):
        model = Models(NAME, api_base=address, price=Price(1.0, 10.0), tries=tries, pause=0.01)
        with pytest.raises(ModelUnavailable) as caught:
            await ask(model)

    assert isinstance(caught.value, ModelStumbled) == (tries > 1)
    lost = caught.value.lost
    assert (lost.tokens_in, lost.tokens_out) == (1_000, 100)
    assert lost.cost_usd == pytest.approx(0.002)
    assert len(asked) == 1


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"prompt_tokens": "many"}}, {"usage": [3]}], ids=str)
async def test_a_failed_try_that_was_not_billed_is_asked_again(server: ScriptedModel, usage: dict[str, object]) -> None:
    async with raw_server(*[(500, {**FAILED, **usage})] * 2) as (address, asked):
        with pytest.raises(ModelUnavailable) as caught:
            await ask(Models(NAME, api_base=address, tries=2, pause=0.01))

    assert caught.value.lost == Usage()
    assert len(asked) == 2


async def test_claude_is_told_what_to_cache_and_its_cache_is_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    usage = {"input_tokens": 10, "cache_creation_input_tokens": 1_000, "cache_read_input_tokens": 500}
    answer = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
        "usage": {**usage, "output_tokens": 5},
    }
    call = {"id": "a", "type": "function", "function": {"name": "run", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Repair."},
        {"role": "user", "content": "the task"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "the result"},
    ]
    async with raw_server((200, answer)) as (address, asked):
        model = Models("anthropic/claude-sonnet-4-5", api_base=address)
        done = await model.complete(messages, TOOLS, max_tokens=100)

    (body,) = asked
    marks = [json.dumps(message).count('"cache_control"') for message in body["messages"]]
    assert marks == [1, 0, 1]
    assert "the result" in json.dumps(body["messages"][-1])
    assert done.cost_usd == pytest.approx(10 * 3e-6 + 1_000 * 3.75e-6 + 500 * 0.3e-6 + 5 * 15e-6)
    assert (done.tokens_in, done.cached_tokens) == (1_510, 500)
    assert messages[1]["content"] == "the task"
