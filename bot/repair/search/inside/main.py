"""The worker's two jobs: trace the tests once, and try candidates until the time or the want is over."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import time
import zlib
from typing import Any

from .channel import Channel, Message, Say, forked
from .suite import Suite, preload, start
from .tracing import Lines, tracer
from .trials import Candidate, Cool, Hot, Job, patience


def run(job: Job) -> None:
    """Do `job`; everything said goes to standard output, each line after the job's nonce."""
    sys.dont_write_bytecode = True
    channel = Channel(job["nonce"])
    try:
        _trace(channel, job) if job["mode"] == "trace" else _search(channel, job)
    except Exception as error:
        channel.send({"error": repr(error)[:500]})


def _trace(channel: Channel, job: Job) -> None:
    files = {os.path.join(job["root"], path): path for path in job["files"]}  # noqa: PTH118 - spelled as pytest does
    looking = tracer(files)
    began = time.monotonic()

    def body(say: Say) -> None:
        looking.start()
        start(job["root"], job["paths"], lambda suite: _Spectrum(channel, job, suite, looking, files, say).take())

    messages = forked(channel, body, job["start_seconds"])
    data = json.dumps({"messages": messages, "seconds": time.monotonic() - began}).encode()
    channel.send({"trace": base64.b64encode(zlib.compress(data)).decode()})


class _Overlong(BaseException):
    """A test that loops is interrupted from within, so that the lines it ran are not lost."""


class _Spectrum:
    """One traced run of the tests: each target in a fork of its own, the passing ones in one together."""

    def __init__(self, channel: Channel, job: Job, suite: Suite, looking: Any, files: dict[str, str], say: Say) -> None:
        self._channel, self._job, self._suite = channel, job, suite
        self._looking, self._files, self._say = looking, files, say

    def take(self) -> None:
        """Say what was imported, then what each test ran, then that it is done."""
        job = self._job
        seconds = {test: patience(job, test) for test in job["targets"]}
        more = 2 * (sum(seconds.values()) + len(seconds)) + 2 * job["suite_seconds"]
        self._say({"imported": _numbers(self._looking.stop()), "more": more})
        signal.signal(signal.SIGALRM, _interrupt)
        for test in job["targets"]:
            self._relay([test], seconds[test] + 1)
        self._relay(job["passing"], job["suite_seconds"])
        self._say({"done": "traced"})

    def _relay(self, tests: list[str], seconds: float) -> None:
        for message in forked(self._channel, lambda tell: self._run(tests, tell), seconds):
            if "test" in message:
                self._say(message)

    def _run(self, tests: list[str], tell: Say) -> None:
        for test in tests:
            signal.setitimer(signal.ITIMER_REAL, patience(self._job, test))
            began = time.monotonic()
            self._looking.start()
            outcome = self._suite.run(test)
            lines = _numbers(self._looking.stop())
            signal.setitimer(signal.ITIMER_REAL, 0)
            seconds = time.monotonic() - began
            tell({"test": test, "outcome": outcome, "lines": lines, "raised": self._raised(), "seconds": seconds})
        tell({"done": "finished"})

    def _raised(self) -> list[list[object]]:
        entries = [entry for failure in self._suite.failures for entry in failure.traceback]
        files = [(self._files.get(str(entry.path)), entry.lineno + 1) for entry in entries]
        return [[path, line] for path, line in files if path is not None][-20:]


def _interrupt(number: int, frame: Any) -> None:
    raise _Overlong


def _numbers(lines: Lines) -> dict[str, list[int]]:
    return {path: sorted(numbers) for path, numbers in lines.items()}


def _search(channel: Channel, job: Job) -> None:
    deadline = time.monotonic() + job["seconds"]
    hot = Hot(channel, job)
    if hot.failure:
        channel.send({"error": hot.failure})
        return
    if job["preload"]:
        preload(hot.modules, job["root"])
    cool = Cool(channel, job, hot.seconds)
    everything = job["groups"][0]
    if everything and cool.run(everything[1:], everything[:1])["done"] != "passed":
        channel.send({"unfit": "tests that pass on the base do not pass in the warm worker"})
        return
    _try_all(channel, job, hot, cool, deadline)
    hot.close()


def _try_all(channel: Channel, job: Job, hot: Hot, cool: Cool, deadline: float) -> None:
    counts: dict[str, int] = {}
    began, found = time.monotonic(), 0
    tried = 0
    for candidate in job["candidates"]:
        if time.monotonic() > deadline or found >= job["want"]:
            break
        verdict = _verdict(job, hot, cool, candidate)
        counts[verdict] = counts.get(verdict, 0) + 1
        tried += 1
        if verdict == "passed":
            found += 1
            channel.send({"survivor": candidate["id"], "after": time.monotonic() - began})
            deadline = min(deadline, time.monotonic() + job["grace"])
    end: Message = {"tried": tried, "counts": counts, "seconds": time.monotonic() - began}
    channel.send({"end": end})


def _verdict(job: Job, hot: Hot, cool: Cool, candidate: Candidate) -> str:
    verdict = hot.try_out(candidate) if candidate["function"] else "cold"
    if verdict == "cold":
        group = job["groups"][candidate["group"]]
        return str(cool.try_out(candidate, group)["done"])
    if verdict == "passed":
        return str(cool.try_out(candidate, job["groups"][0])["done"])
    return verdict
