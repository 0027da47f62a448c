"""Try candidates: in a warm process that has collected the tests already, or from a fresh import."""

from __future__ import annotations

import gc
import json
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .channel import Channel, Message, Say, child, end, forked, heard, tell
from .suite import Suite, foreign_modules, start
from .swap import Cold, Living

Job = dict[str, Any]
Candidate = dict[str, Any]


def mutated(root: str, candidate: Candidate) -> bytes:
    """The candidate's file with its span (bytes) replaced."""
    source = Path(root, candidate["path"]).read_bytes()
    replacement: bytes = candidate["text"].encode()
    return source[: candidate["start"]] + replacement + source[candidate["end"] :]


def attempt(suite: Suite, job: Job, targets: Sequence[str], others: Sequence[str], say: Say) -> None:
    """Run `targets`, then `others`, each with its own patience; stop at the first that does not pass."""
    tests = [*targets, *others]
    for number, test in enumerate(tests):
        say({"more": patience(job, test)})
        if suite.run(test, tests[number + 1] if number + 1 < len(tests) else "") != "passed":
            say({"done": "failed" if number < len(targets) else "broke", "test": test})
            return
    say({"done": "passed"})


def patience(job: Job, test: str) -> float:
    """Seconds that one test may take."""
    return float(job["patience"].get(test, job["test_seconds"]))


class Hot:
    """A forked process that has imported everything and collected the tests; each trial is a fork of it."""

    def __init__(self, channel: Channel, job: Job) -> None:
        self._socket, there = socket.socketpair()
        began = time.monotonic()
        self._pid = os.fork()
        if self._pid == 0:
            self._socket.close()
            channel.close()
            child(
                lambda say: start(job["root"], job["paths"], lambda suite: _serve(suite, channel, job, there)),
                there.fileno(),
            )
        there.close()
        self._ready = list(heard(self._socket.fileno(), float(job["start_seconds"])))[-1]
        self.seconds = time.monotonic() - began

    @property
    def failure(self) -> str:
        """Why the tests could not be collected; empty when they were."""
        return "" if self._ready["done"] == "ready" else str(self._ready)[:500]

    @property
    def modules(self) -> list[str]:
        """What collecting the tests imported that is not the project's own."""
        return list(self._ready.get("modules", ()))

    def try_out(self, candidate: Candidate) -> str:
        """`passed`, `failed`, `broke`, `timeout`, `died`, or `cold` when it has to be imported afresh."""
        tell(self._socket.fileno(), candidate)
        return str(list(heard(self._socket.fileno(), 3600.0))[-1]["done"])

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        end(self._pid)


def _serve(suite: Suite, channel: Channel, job: Job, there: socket.socket) -> None:
    living = Living([os.path.join(job["root"], path) for path in job["files"]])  # noqa: PTH118 - spelled as pytest does
    # Frozen objects are not touched by the collector, so the forks go on sharing their pages.
    gc.collect()
    gc.freeze()
    tell(there.fileno(), {"done": "ready", "modules": foreign_modules(job["root"])})
    for line in there.makefile("rb"):
        candidate = json.loads(line)

        def body(say: Say, candidate: Candidate = candidate) -> None:
            _swapped(suite, living, job, candidate, say)

        tell(there.fileno(), forked(channel, body, job["test_seconds"])[-1])


def _swapped(suite: Suite, living: Living, job: Job, candidate: Candidate, say: Say) -> None:
    file = os.path.join(job["root"], candidate["path"])  # noqa: PTH118 - spelled as the code objects spell it
    name, first = candidate["function"]
    try:
        living.swap(file, mutated(job["root"], candidate), name, first)
    except (Cold, SyntaxError, ValueError) as error:
        say({"done": "cold" if isinstance(error, Cold) else "failed"})
        return
    attempt(suite, job, job["targets"], job["groups"][candidate["group"]], say)


class Cool:
    """Trials from a fresh import: the file is written, a fork imports it, the file is put back."""

    def __init__(self, channel: Channel, job: Job, import_seconds: float) -> None:
        self._channel, self._job, self._extra = channel, job, 3 * import_seconds
        self._stamp = int(time.time()) + 10

    def try_out(self, candidate: Candidate, others: Sequence[str]) -> Message:
        """The last message of the trial: `done` is `passed`, `failed`, `broke`, `timeout` or `died`."""
        file = Path(self._job["root"], candidate["path"])
        before, state = file.read_bytes(), file.stat()
        file.write_bytes(mutated(self._job["root"], candidate))
        # Byte-code caches are told apart by second and size: every candidate gets a second of its own.
        self._stamp += 1
        os.utime(file, (self._stamp, self._stamp))
        try:
            return self.run(others)
        finally:
            file.write_bytes(before)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))

    def run(self, others: Sequence[str], targets: Sequence[str] = ()) -> Message:
        """The same on the files as they are."""
        job = self._job
        wanted = list(targets or job["targets"])

        def body(say: Say) -> None:
            start(job["root"], job["paths"], lambda suite: attempt(suite, job, wanted, others, say))

        return forked(self._channel, body, job["test_seconds"] + self._extra)[-1]
