"""The agent's loop: a step is `execute(query())`, and control leaves through the exceptions of stops.py.

Made by fixer.py for one Task and one Session. Every model call and every tool call is journalled as it happens.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass

from bot.core.untrusted import sanitise
from bot.repair.agent import prompts
from bot.repair.agent.asking import Asker
from bot.repair.agent.history import History
from bot.repair.agent.meter import Meter
from bot.repair.agent.stops import Leave, Stopped, StopReason, Submitted
from bot.repair.agent.tools import Toolbox
from bot.repair.base import Task
from bot.services.llm import Completion, ToolCall

CALLS_AN_ANSWER = 8
NUDGES = 2
REPEATS = 3


@dataclass(frozen=True, slots=True)
class Ended:
    """How the loop ended: why, in a sentence for people, and the model's own summary when it submitted (sanitised)."""

    reason: StopReason
    sentence: str
    summary: str = ""


class Loop:
    """One conversation with a model until it submits or must stop."""

    def __init__(self, asker: Asker, toolbox: Toolbox, task: Task, meter: Meter, history: History) -> None:
        self._asker = asker
        self._toolbox = toolbox
        self._task = task
        self._meter = meter
        self._history = history
        self._schemas = [tool.schema() for tool in toolbox.tools.values()]
        self._silences = 0
        self._seen: Counter[tuple[str, str, str]] = Counter()

    async def run(self) -> Ended:
        """Work until the end. Infrastructure and the caller's cancellation pass through."""
        try:
            while True:
                await self._execute(await self._query())
        except Submitted as done:
            return Ended(done.reason, done.sentence, sanitise(done.summary, limit=2_000))
        except Leave as leave:
            return Ended(leave.reason, leave.sentence)

    async def _query(self) -> Completion:
        """The model's next answer, within what is left of the allowance."""
        if self._task.stop is not None and (why := await self._task.stop()):
            raise Stopped(StopReason.CANCELLED, why)
        return await self._asker.ask(self._history.messages, self._schemas)

    async def _execute(self, completion: Completion) -> None:
        """Do what the answer asks for and put the results into the history."""
        self._history.answered(completion)
        if not completion.tool_calls:
            self._nudge(completion)
            return
        self._silences = 0
        for index, call in enumerate(completion.tool_calls):
            if index >= CALLS_AN_ANSWER:
                result = prompts.TOO_MANY_CALLS.format(limit=CALLS_AN_ANSWER)
            else:
                result = await self._call(call)
            last = index == len(completion.tool_calls) - 1
            few = last and self._meter.steps_left in (1, 2, 3)
            self._history.returned(call, result + (prompts.steps_left(self._meter.steps_left) if few else ""))

    async def _call(self, call: ToolCall) -> str:
        began, edits, size = time.monotonic(), self._toolbox.edits, 0
        failed = True
        try:
            result = await self._toolbox.call(call.name, call.arguments)
            size, failed = len(result), result.startswith("Error: ")
        except Submitted:
            failed = False
            raise
        finally:
            await self._task.note(
                "agent.tool",
                tool=call.name[:60],
                about=_about(call),
                seconds=round(time.monotonic() - began, 3),
                characters=size,
                failed=failed,
            )
        self._watch(call, result, edited=self._toolbox.edits > edits)
        return result

    def _watch(self, call: ToolCall, result: str, *, edited: bool) -> None:
        """Stop a circle: the same call with the same result, and nothing edited by other calls in between."""
        key = (call.name, call.arguments, result)
        if edited:
            # What was seen before an edit may be looked at again; the edit itself may not be repeated for ever.
            self._seen = Counter({k: n for k, n in self._seen.items() if k[0] == call.name})
        self._seen[key] += 1
        if self._seen[key] >= REPEATS:
            raise Stopped(StopReason.LOOPING, f"it called {call.name[:60]} {REPEATS} times with the same result")

    def _nudge(self, completion: Completion) -> None:
        self._silences += 1
        if self._silences > NUDGES:
            raise Stopped(StopReason.SILENT, f"{self._silences} answers in a row had no tool call")
        self._history.said(prompts.CUT_SHORT if completion.finish == "length" else prompts.NUDGE)


def _about(call: ToolCall) -> str:
    """What a call is about, for the live view: a path, a pattern or the beginning of a command; never file contents."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(arguments, dict):
        return ""
    found = next((arguments[name] for name in ("path", "pattern", "command") if arguments.get(name)), "")
    return sanitise(str(found), limit=160)
