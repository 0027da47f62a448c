"""One paid model call at a time: the money is held before it, booked after it, and the next model steps in on failure.

Used by loop.py, which only sees answers, or the exception that ends it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.core.budget import Quote, Request, Reserved
from bot.core.policy.verdict import Refused
from bot.repair.agent.meter import LEAST_ANSWER, Meter
from bot.repair.agent.stops import LimitsExceeded, Stopped, StopReason
from bot.repair.base import Task
from bot.services.llm import Completion, Message, ModelRefused, Models, ModelStumbled, ModelUnavailable, Usage

STUMBLES = 2
"""How often one model may fail in a billed way before the next one steps in."""

_GRACE = 60.0  # seconds that money is held beyond the longest call


@dataclass(frozen=True, slots=True)
class _Call:
    """What one call may use: tokens as we expect them, tokens of its answer, wall seconds, the money that is held."""

    expected: int
    room: int
    seconds: float
    quote: Quote | None
    held: Reserved | None = None


class Asker:
    """Asks the first of `models`, which are in the order of their turn; one that failed is not asked again."""

    def __init__(self, models: Sequence[Models], task: Task, meter: Meter) -> None:
        self._models = list(models)
        self._task = task
        self._meter = meter
        self._stumbles = 0
        self._troubles: list[str] = []

    async def ask(self, messages: Sequence[Message], tools: Sequence[Message]) -> Completion:
        """The next answer, noted in the journal; raises LimitsExceeded before a call that does not fit, or Stopped."""
        while True:
            try:
                return await self._answer(self._models[0], messages, tools)
            except (ModelUnavailable, ModelRefused) as error:
                if isinstance(error, ModelStumbled) and self._stumbles < STUMBLES:
                    self._stumbles += 1
                    continue
                await self._step_in(error)

    async def _step_in(self, error: ModelUnavailable | ModelRefused) -> None:
        """Let the next model have its turn; raises Stopped when there is none."""
        self._troubles.append(str(error))
        failed, self._stumbles = self._models[0], 0
        if len(self._models) == 1:
            refused = isinstance(error, ModelRefused)
            reason = StopReason.MODEL_REFUSED if refused else StopReason.MODEL_UNAVAILABLE
            raise Stopped(reason, " ".join(self._troubles)) from error
        del self._models[0]
        await self._task.note("agent.fallback", model=failed.model, why=str(error), next=self._models[0].model)

    async def _answer(self, model: Models, messages: Sequence[Message], tools: Sequence[Message]) -> Completion:
        call = await self._hold(await self._plan(model, await model.count([*messages, *tools])))
        began = time.monotonic()
        try:
            answer = await model.complete(messages, tools, max_tokens=call.room, seconds=call.seconds)
        except ModelUnavailable as error:
            await self._lose(model, call, error.lost)
            raise
        except ModelRefused:
            await self._lose(model, call, Usage())
            raise
        # Any other end leaves the money held until its time is over: the call may have been billed.
        answer = _billed(answer, call)
        await self._settle(call, answer.cost_usd, answer.tokens_in + answer.tokens_out)
        self._meter.settle(answer, call.expected)
        await self._note(model, answer, time.monotonic() - began)
        return answer

    async def _plan(self, model: Models, counted: int) -> _Call:
        """The call that the allowance has room for."""
        quote = await model.quote(self._meter.most(counted))
        expected = self._meter.expect(counted)
        room = self._meter.reserve(expected, None if quote is None else quote.of(LEAST_ANSWER))
        if quote is not None:
            room = quote.room(self._meter.money_left, room)
        return _Call(expected, room, self._meter.seconds_left / len(self._models), quote)

    async def _hold(self, call: _Call) -> _Call:
        """Hold the call's worst case; with less money than that its answer is shorter."""
        purse, quote = self._task.purse, call.quote or Quote(0.0, 0.0)
        if purse is None:
            return call
        least = min(LEAST_ANSWER, call.room)
        seconds = call.seconds + _GRACE
        wish = Request(purse.payer, purse.caps, quote.of(call.room), quote.of(least), seconds)
        match await purse.ledger.reserve(wish):
            case Refused(reason):
                raise LimitsExceeded(StopReason.MONEY, reason)
            case held:
                return replace(call, room=max(least, quote.room(held.usd, call.room)), held=held)

    async def _settle(self, call: _Call, cost_usd: float, tokens: int) -> None:
        if self._task.purse is not None and call.held is not None:
            await self._task.purse.ledger.settle(call.held.id, cost_usd, tokens)

    async def _lose(self, model: Models, call: _Call, lost: Usage) -> None:
        if lost != Usage():
            tokens = lost.tokens_in + lost.tokens_out
            await self._settle(call, lost.cost_usd, tokens)
            self._meter.lose(lost)
            await self._task.note("agent.lost", cost_usd=lost.cost_usd, tokens=tokens, model=model.model)
        elif self._task.purse is not None and call.held is not None:
            await self._task.purse.ledger.release(call.held.id)

    async def _note(self, model: Models, answer: Completion, seconds: float) -> None:
        await self._task.note(
            "agent.step",
            cost_usd=answer.cost_usd,
            tokens=answer.tokens_in + answer.tokens_out,
            step=self._meter.steps,
            model=model.model,
            tool=", ".join(call.name[:60] for call in answer.tool_calls[:8]),
            seconds=round(seconds, 3),
            tokens_in=answer.tokens_in,
            tokens_out=answer.tokens_out,
            cached_tokens=answer.cached_tokens,
            price_known=answer.price_known,
            finish=answer.finish,
        )


def _billed(answer: Completion, call: _Call) -> Completion:
    """The answer with its worst case as its cost, when the provider does not count tokens at all."""
    if answer.tokens_in or answer.tokens_out:
        return answer
    cost = 0.0 if call.quote is None else call.quote.of(call.room)
    return replace(answer, tokens_in=call.expected, tokens_out=call.room, cost_usd=cost)
