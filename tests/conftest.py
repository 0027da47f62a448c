"""What every test may ask for; the stories' fixtures are in tests/stories/conftest.py."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import openapi_source
from tests.harness.openapi import Description, OpenApiChecker


@pytest.fixture(scope="session")
def shared_data_dir(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A data folder for the whole test run (all xdist workers), so that environments are installed once.

    The sandbox's uid must reach it, which it cannot below pytest's own private temporary folders.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"alone-{os.getpid()}")[:16]
    folder = Path(tempfile.gettempdir()) / f"fettle-tests-{run}"
    folder.mkdir(mode=0o755, exist_ok=True)
    folder.chmod(0o755)
    yield folder
    if "PYTEST_XDIST_TESTRUNUID" not in os.environ:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def description() -> Description:
    """GitHub's own OpenAPI description; skips, with the reason, when it cannot be had."""
    try:
        return Description(openapi_source.load())
    except openapi_source.Unavailable as reason:
        pytest.skip(f"GitHub's OpenAPI description is not checked: {reason}")


@pytest.fixture
def checker(request: pytest.FixtureRequest) -> Iterator[OpenApiChecker | None]:
    """Checks every answer of an embedded GitHub that is made with `wrap=checker.around`; fails the test at its end."""
    try:
        made = OpenApiChecker(request.getfixturevalue("description"))
    except pytest.skip.Exception:
        yield None  # the behaviour is tested all the same; test_openapi skips with the reason
        return
    yield made
    assert not made.failures, "\n".join(made.failures)


def pytest_configure(config: pytest.Config) -> None:
    """Let the processes that tests start hear Ctrl-C: what a background shell ignores, its children ignore too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The first process of a distributed run outlives its workers and clears their folder."""
    run = getattr(session.config, "workerinput", None) is None and os.environ.get("PYTEST_XDIST_TESTRUNUID")
    uid = getattr(getattr(session.config, "option", None), "testrunuid", None) or run
    if uid:
        shutil.rmtree(Path(tempfile.gettempdir()) / f"fettle-tests-{str(uid)[:16]}", ignore_errors=True)
