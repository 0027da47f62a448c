"""The target's pytest, stopped where its tests would start, so that a fork can go on from there many times."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

Ready = Callable[["Suite"], None]


class Suite:
    """A pytest plugin: collects, hands over to `ready`, and leaves; the ordinary loop never runs."""

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self.items: dict[str, Any] = {}
        self.failures: list[Any] = []  # ExceptionInfo of the test that runs
        self._outcomes: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: Any) -> bool:
        """Take over from pytest's own loop."""
        self.items = {item.nodeid: item for item in session.items}
        self._ready(self)
        os._exit(0)

    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        """A report without the representation of the traceback, which costs more than the tests do."""
        outcome = "passed"
        if call.excinfo is not None:
            outcome = "skipped" if call.excinfo.errisinstance(_skipped()) else "failed"
            self.failures.append(call.excinfo)
        longrepr = ("", 0, "") if outcome == "skipped" else None
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, longrepr, call.when)  # type: ignore[arg-type]

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note how a phase of the running test ended, after plugins such as xfail had their say."""
        self._outcomes.append(report.outcome)

    def run(self, test: str, following: str = "") -> str:
        """Run one test here and now: `passed`, `failed`, `skipped` or `missing`."""
        if test not in self.items:
            return "missing"
        self._outcomes, self.failures = [], []
        item = self.items[test]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=self.items.get(following))
        for outcome in ("failed", "skipped"):
            if outcome in self._outcomes:
                return outcome
        return "passed" if self._outcomes else "failed"


def start(root: str, paths: list[str], ready: Ready) -> None:
    """Collect `paths` with the target's own configuration and call `ready`; never returns."""
    options = [
        "-qq",
        "--no-header",
        "--assert=plain",
        "--capture=no",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:faulthandler",
    ]
    # As checks.python_tests runs them, so that node ids are the same.
    options += ["--rootdir", root, "--maxfail=0", "--continue-on-collection-errors"]
    # A plugin's workers would take the tests away from this process, and coverage would take its tracer.
    if importlib.util.find_spec("xdist") is not None:
        options += ["-n0"]
    if importlib.util.find_spec("pytest_cov") is not None:
        options += ["--no-cov"]
    pytest.main(options + paths, plugins=[Suite(ready)])
    os._exit(0)


def foreign_modules(root: str) -> list[str]:
    """Loaded modules that are not the project's own: they may stay loaded between trials."""
    return [name for name, module in list(sys.modules.items()) if module is not None and not _inside(module, root)]


def preload(names: list[str], root: str) -> None:
    """Import modules ahead of the forks, and let go of every module of the project that came along."""
    for name in names:
        if name == "__main__" or name.startswith(("fettle_inside", "conftest")):
            continue
        try:
            __import__(name)
        except Exception:  # noqa: S112 - a module that cannot be loaded ahead is loaded when a test asks for it
            continue
    for name, module in list(sys.modules.items()):
        if _inside(module, root):
            del sys.modules[name]


def _inside(module: Any, root: str) -> bool:
    file = getattr(module, "__file__", None) or ""
    return file.startswith(root.rstrip("/") + "/") and "/site-packages/" not in file


def _skipped() -> Any:
    return (pytest.skip.Exception, __import__("unittest").SkipTest)
