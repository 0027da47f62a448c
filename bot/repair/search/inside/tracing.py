"""Which lines of the project each test runs: the spectrum that localisation ranks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

Lines = dict[str, set[int]]
TOOL = 4  # sys.monitoring ids 0, 1, 2 and 5 are spoken for by debuggers, coverage, profilers and optimisers


class SetTrace:
    """Line sets by `sys.settrace`, for every Python."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files
        self.lines: Lines = {}

    def start(self) -> None:
        """Forget what was seen and look from now on, in every new thread too."""
        self.lines = {}
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def stop(self) -> Lines:
        """Stop looking; the lines seen, by relative path."""
        sys.settrace(None)
        threading.settrace(None)
        return self.lines

    def _enter(self, frame: Any, event: str, argument: Any) -> Callable[..., Any] | None:
        path = self._files.get(frame.f_code.co_filename)
        if path is None:
            return None
        add = self.lines.setdefault(path, set()).add

        def line(frame: Any, event: str, argument: Any) -> Any:
            if event == "line":
                add(frame.f_lineno)
            return line

        return line


class Monitoring:
    """Line sets by `sys.monitoring` (3.12 and later): each line costs once a test."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files
        self._api: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]  # absent before 3.12
        self._api.use_tool_id(TOOL, "fettle")
        self.lines: Lines = {}

    def start(self) -> None:
        """Forget what was seen and look from now on."""
        self.lines = {}
        self._api.register_callback(TOOL, self._api.events.LINE, self._line)
        self._api.set_events(TOOL, self._api.events.LINE)
        self._api.restart_events()

    def stop(self) -> Lines:
        """Stop looking; the lines seen, by relative path."""
        self._api.set_events(TOOL, 0)
        return self.lines

    def _line(self, code: Any, number: int) -> Any:
        path = self._files.get(code.co_filename)
        if path is not None:
            self.lines.setdefault(path, set()).add(number)
        return self._api.DISABLE


def tracer(files: dict[str, str]) -> Any:
    """The tracer for this Python; `files` gives the relative path of each absolute one that counts."""
    return Monitoring(files) if hasattr(sys, "monitoring") else SetTrace(files)
