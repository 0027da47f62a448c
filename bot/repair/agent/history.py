"""The conversation with the model: it grows at the end, and drops old results in batches. Used by loop.py.

In batches, because a provider's prompt cache holds only as long as the beginning of the conversation stays the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from bot.repair.agent import prompts
from bot.services.llm import Completion, ToolCall

KEEP_RESULTS = 5
"""How many of the last tool results always stay whole (five are better than all: REPAIR.md)."""


class History:
    """Messages in OpenAI's form. Above `limit` characters of tool results, the old ones are dropped."""

    def __init__(self, system: str, task: str, limit: int = 40_000) -> None:
        self.messages: list[dict[str, Any]] = [
            {"role": "system", "content": system},
            {"role": "user", "content": task},
        ]
        self._limit = limit
        self._whole: list[int] = []

    def answered(self, completion: Completion) -> None:
        """Add the model's answer."""
        message: dict[str, Any] = {"role": "assistant", "content": completion.text or None}
        if completion.tool_calls:
            message["tool_calls"] = [_replayed(call) for call in completion.tool_calls]
        elif not completion.text:
            message["content"] = "(empty)"  # providers refuse a message of nothing
        self.messages.append(message)

    def said(self, text: str) -> None:
        """Add our word to the model."""
        self.messages.append({"role": "user", "content": text})

    def returned(self, call: ToolCall, result: str) -> None:
        """Add a tool's result."""
        self._whole.append(len(self.messages))
        self.messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        self._drop_old()

    def _drop_old(self) -> None:
        if self._size(self._whole) <= self._limit:
            return
        old, self._whole = self._whole[:-KEEP_RESULTS], self._whole[-KEEP_RESULTS:]
        for index in old:
            content = self.messages[index]["content"]
            dropped = prompts.ELIDED.format(size=len(content))
            if len(content) > len(dropped):
                self.messages[index] = {**self.messages[index], "content": dropped}

    def _size(self, indices: Sequence[int]) -> int:
        return sum(len(self.messages[index]["content"]) for index in indices)


def _replayed(call: ToolCall) -> dict[str, Any]:
    # Some providers parse the arguments of past calls and fail on malformed ones; the correction says what was wrong.
    try:
        well_formed = isinstance(json.loads(call.arguments), dict)
    except (ValueError, RecursionError):
        well_formed = False
    arguments = call.arguments if well_formed else "{}"
    name = re.sub(r"[^A-Za-z0-9_-]", "_", call.name)[:60] or "unknown"
    return {"id": call.id, "type": "function", "function": {"name": name, "arguments": arguments}}
