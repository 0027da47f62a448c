"""A pytest plugin that writes what happened as JSON lines. Loaded by `-p fettle_report` inside the sandbox only.

JUnit XML alone is not enough: it loses the node id (`classname` joins folders, file and class with dots, control
characters are rewritten), and a failing test must be asked for again by its exact name. JUnit stays as a witness.

Environment: FETTLE_REPORT is the file to write; FETTLE_SELECT, when set, names a file with one node id a line to keep.
This file runs under the target's interpreter and pytest: it is kept to old Python and to pytest's stable hooks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

MAX_MESSAGE = 4096


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the reporter, in the process that reports (xdist's workers tell it by the same hooks)."""
    path = os.environ.get("FETTLE_REPORT", "")
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        pluginmanager.register(Reporter(path), "fettle-reporter")


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Switch coverage off: a threshold (`--cov-fail-under`) must not turn a passing test into a failing run.

    A wrapper, because pytest-cov's own hook asks to be first.
    """
    options = early_config.known_args_namespace
    if getattr(options, "cov_source", None):
        options.cov_source = []
    yield


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the items that FETTLE_SELECT names."""
    path = os.environ.get("FETTLE_SELECT", "")
    if not path:
        return
    wanted = set(Path(path).read_text(encoding="utf-8").splitlines())
    dropped = [item for item in items if item.nodeid not in wanted]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item.nodeid in wanted]


class Reporter:
    """Writes one line an event, flushed, so that a crash or a timeout leaves what was known by then."""

    def __init__(self, path: str) -> None:
        self.file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process lives
        self.pid = os.getpid()

    def write(self, **event: Any) -> None:
        """Append one event; forked children of the tests are not heard."""
        if os.getpid() == self.pid:
            self.file.write(json.dumps(event) + "\n")
            self.file.flush()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say what will run; empty where xdist's workers collect."""
        self.write(event="collected", ids=[item.nodeid for item in session.items])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Say which file or class could not be collected."""
        if report.failed:
            self.write(event="uncollected", id=report.nodeid, message=_text(report))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Say what starts, to name it when the process dies."""
        self.write(event="start", id=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say how one phase of one test ended."""
        if report.outcome == "passed" and report.when != "call":
            return
        message = "" if report.outcome == "passed" else _text(report)
        self.write(
            event="phase",
            id=report.nodeid,
            when=report.when,
            outcome=report.outcome,
            message=message,
            seconds=report.duration,
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Say that the run came to its end, and how (other plugins may have changed the status by now)."""
        self.write(event="finish", exit=int(session.exitstatus))


def _text(report: Any) -> str:
    """The failure's text, its end kept: that is where the reason stands."""
    text = str(getattr(report, "longreprtext", "") or getattr(report, "longrepr", "") or "")
    return text if len(text) <= MAX_MESSAGE else "[...] " + text[-MAX_MESSAGE:]
