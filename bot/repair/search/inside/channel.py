"""What the worker says to the host, and what its forked children say to it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

Message = dict[str, Any]
Say = Callable[[Message], None]


class Channel:
    """Standard output, taken away from the code under trial: children close it and lines carry a nonce."""

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._fd = os.dup(1)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)

    def send(self, message: Message) -> None:
        """Write one message as one line."""
        data = (self._nonce + json.dumps(message) + "\n").encode()
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Give the stream up; safe to call twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def forked(channel: Channel, body: Callable[[Say], None], seconds: float) -> list[Message]:
    """What `body` said in a forked child, which is killed with its process group after `seconds`.

    A message with `more` gives that many seconds from then on; one with `done` ends the wait.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        channel.close()
        child(body, writing)
    os.close(writing)
    try:
        return list(heard(reading, seconds))
    finally:
        end(pid)
        os.close(reading)


def child(body: Callable[[Say], None], writing: int) -> None:
    """Run `body` and leave without any clean-up of the parent's making; never returns."""
    try:
        os.setsid()
        body(lambda message: tell(writing, message))
    except BaseException as error:  # the parent must hear of everything, SystemExit and KeyboardInterrupt too
        tell(writing, {"done": "died", "error": repr(error)[:500]})
    finally:
        os._exit(0)


def end(pid: int) -> None:
    """Kill a child with what it started, and reap it."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)


def tell(fd: int, message: Message) -> None:
    """Write one message to `fd`."""
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(fd, data) :]


def heard(fd: int, seconds: float) -> Iterator[Message]:
    """Messages from `fd` up to the one with `done`; a `timeout` or `died` one is made up when none comes."""
    deadline, rest = time.monotonic() + seconds, b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            yield {"done": "timeout"}
            return
        data = os.read(fd, 65536)
        if not data:
            yield {"done": "died"}
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            message: Message = json.loads(line)
            yield message
            if "done" in message:
                return
            if "more" in message:
                deadline = time.monotonic() + float(message["more"])
