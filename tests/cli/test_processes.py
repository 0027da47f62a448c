"""The long-running commands as real processes: they serve, drain on a signal, and survive the death of a worker."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bot.core.settings import Settings
from tests.cli.conftest import CALC, TEST_CALC, commit

FETTLE = [sys.executable, "-c", "from bot.cli import main; main()"]

# Long enough that a worker can be killed in the middle of a stage.
SLOW_TEST = f"{TEST_CALC}\n\ndef test_slow():\n    import time\n\n    time.sleep(2)\n"
SEED = {
    "repositories": [
        {
            "name": "acme/calc",
            "collaborators": {"ada": "write"},
            "files": {"calc.py": CALC, "test_calc.py": SLOW_TEST},
            "issues": [{"title": "test_above fails", "author": "ada", "body": ""}],
        }
    ]
}


class Process:
    """One `fettle` command; its output goes to a file, so that no pipe fills up."""

    def __init__(self, log: Path, environment: dict[str, str], *arguments: str) -> None:
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [*FETTLE, *arguments], env=environment, stdout=stream, stderr=stream, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_until_said(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """The first match of `pattern` in the output."""

        def found() -> re.Match[str] | None:
            assert self._process.poll() is None, self.said
            return re.search(pattern, self.said)

        match: re.Match[str] = until(found, seconds, lambda: self.said)
        return match

    def signalled(self, number: signal.Signals, seconds: float = 30.0) -> int:
        """Send a signal; returns the exit code."""
        self._process.send_signal(number)
        return self._process.wait(seconds)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def until(look: Callable[[], Any], seconds: float, explain: Callable[[], str] = str) -> Any:
    """What `look` returns once that is something; fails after so many seconds."""
    ends = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < ends, explain()
        time.sleep(0.05)
    return found


class World:
    """`fettle github` with one repository, and an environment that points Fettle's processes at it."""

    def __init__(self, stack: ExitStack, folder: Path, data_dir: Path) -> None:
        self._stack, self._folder = stack, folder
        known = {str(field.alias) for field in Settings.model_fields.values()}
        self.environment = {name: value for name, value in os.environ.items() if name not in known}
        self.environment |= {"FETTLE_DATA_DIR": str(data_dir), "DATABASE_URL": f"sqlite:///{folder / 'fettle.db'}"}
        self.port = free_port()
        seed = folder / "seed.yml"
        seed.write_text(yaml.safe_dump(SEED))
        hook = f"http://127.0.0.1:{self.port}/webhooks/github"
        self.github = self.start("github", "--port", "0", "--seed", str(seed), "--webhook", hook)
        token = self.github.wait_until_said(r"# token of ada: (\S+)\n")[1]
        self.environment |= dict(re.findall(r"^(GITHUB_\w+)=(.*)$", self.github.said, re.MULTILINE))
        self.rest = stack.enter_context(
            httpx.Client(base_url=self.environment["GITHUB_API_URL"], headers={"Authorization": f"Bearer {token}"})
        )

    def start(self, *arguments: str) -> Process:
        """Start a command; it is killed at the end of the test at the latest."""
        process = Process(self._folder / f"{len(list(self._folder.glob('*.log')))}.log", self.environment, *arguments)
        self._stack.callback(process.kill)
        return process

    def serve(self) -> tuple[Process, float]:
        """Start `fettle serve`; returns it and the seconds until it answered."""
        began = time.monotonic()
        process = self.start("serve", "--port", str(self.port))
        process.wait_until_said("serve.ready")
        assert self.health() in (200, 503)
        return process, time.monotonic() - began

    def work(self) -> Process:
        """Start `fettle work` and wait until it works."""
        process = self.start("work")
        process.wait_until_said("work.ready")
        return process

    def health(self) -> int:
        return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code

    def label(self) -> None:
        self.rest.post("/repos/acme/calc/issues/1/labels", json={"labels": ["autofix"]}).raise_for_status()

    def until_in_review(self) -> None:
        """Return when the issue's comment says that the pull request is there."""
        until(lambda: any("ready for review" in body for body in self.comments()), 90, lambda: str(self.comments()))

    def pulls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.rest.get("/repos/acme/calc/pulls", params={"state": "all"}).json()
        return found

    def branches(self) -> list[str]:
        refs = self.rest.get("/repos/acme/calc/git/matching-refs/heads/").json()
        return [ref["ref"].removeprefix("refs/heads/") for ref in refs]

    def reactions(self) -> list[str]:
        return [each["content"] for each in self.rest.get("/repos/acme/calc/issues/1/reactions").json()]

    def comments(self) -> list[str]:
        return [each["body"] for each in self.rest.get("/repos/acme/calc/issues/1/comments").json()]


@pytest.fixture
def world(tmp_path: Path, shared_data_dir: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack, tmp_path, shared_data_dir)


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.mark.slow
def test_three_processes_turn_a_label_into_a_pull_request_and_drain_on_a_signal(world: World) -> None:
    server, seconds = world.serve()
    worker = world.work()
    until(lambda: world.health() == 200, 10, lambda: worker.said)

    world.label()
    world.until_in_review()

    assert [worker.signalled(signal.SIGTERM), server.signalled(signal.SIGTERM)] == [0, 0], worker.said + server.said
    assert world.github.signalled(signal.SIGINT) == 0
    assert "Traceback" not in worker.said + server.said + world.github.said
    # Under 1 s on a quiet machine; what is held here is that no model library and no client is waited for.
    assert seconds < 4


@pytest.mark.slow
def test_a_worker_that_is_killed_in_a_stage_is_succeeded_by_another(world: World) -> None:
    world.serve()
    first = world.work()
    world.label()
    until(world.reactions, 30, lambda: first.said)
    # Seen is said at the start; the plan stage then runs the tests, which take two seconds.
    time.sleep(1)
    first.kill()
    killed = time.monotonic()
    assert world.pulls() == []

    second = world.work()
    # Nothing is said of the stage that died; the first comment is the second worker's.
    until(world.comments, 60, lambda: second.said)
    assert time.monotonic() - killed < 60
    world.until_in_review()
    assert "Traceback" not in second.said

    assert len(world.pulls()) == 1
    assert len(world.branches()) == 2
    assert len(world.comments()) == 1
    assert sorted(world.reactions()) == ["eyes", "rocket"]


@pytest.mark.slow
def test_up_is_both_and_ends_well(world: World) -> None:
    both = world.start("up", "--port", str(world.port))
    both.wait_until_said("serve.ready")
    until(lambda: world.health() == 200, 20, lambda: both.said)
    assert both.signalled(signal.SIGINT) == 0, both.said
    assert "Traceback" not in both.said


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_fix_says_so_and_leaves_nothing_running(
    world: World, repository: Path, number: signal.Signals, code: int
) -> None:
    (repository / "test_calc.py").write_text(SLOW_TEST.replace("sleep(2)", "sleep(77)"))
    commit(repository)
    fix = world.start("fix", str(repository), "--json")
    sandboxed = until(lambda: [pid for pid in descendants(fix.pid) if b"junit" in command(pid)], 30, lambda: fix.said)

    assert fix.signalled(number) == code
    assert fix.said.count('{"ok": false, "error": "') == 1
    until(lambda: not any(b"junit" in command(pid) for pid in sandboxed), 10)


def descendants(pid: int) -> list[int]:
    """The processes below `pid`."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]


def command(pid: int) -> bytes:
    """The command line of a process, empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
