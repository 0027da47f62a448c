"""The real litellm against a scripted server over HTTP: answers, failures, and no key in any text."""

import time
from collections.abc import AsyncIterator

import pytest

from bot.embedded.model import NAME, Call, Fail, Say, ScriptedModel
from bot.services.llm import Completion, ModelRefused, Models, ModelUnavailable, ToolCall

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
