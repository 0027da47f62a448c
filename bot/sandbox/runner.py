"""The one subprocess runner: streams output, keeps head and tail, ends a command at a limit. Backends only start it.

Called by session.py with a `start` that spawns the command on three descriptors. Output is drained by the event loop as
it comes, so a flood costs no memory and a daemon that holds a pipe cannot hang us: what is left is closed.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.core.errors import Infrastructure
from bot.sandbox.protocol import Captured, Limits, Reason

CHUNK = 1 << 16
GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: `code` is negative for a signal; `started` is False when the sandbox did not get so far."""

    code: int
    started: bool = True
    cpu_seconds: float = 0.0
    peak_bytes: int = 0


class Child(Protocol):
    """A running command."""

    async def wait(self) -> Exit:
        """Its end; may be cancelled and awaited again."""
        ...

    def kill(self) -> None:
        """SIGKILL to all of it; nothing when it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """What the runner saw. `stopped` is the limit at which it killed the command, None when that ended by itself."""

    exit: Exit
    stopped: Reason | None
    stdout: Captured
    stderr: Captured
    seconds: float


Start = Callable[[int, int, int], Awaitable[Child]]


@dataclass(slots=True)
class Keeper:
    """The head and the tail of a stream, in bounded memory."""

    keep_head: int
    keep_tail: int
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    total: int = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.total += len(data)
        if room := self.keep_head - len(self.head):
            self.head += data[:room]
            data = data[room:]
        self.tail += data
        if len(self.tail) > 2 * self.keep_tail + CHUNK:
            del self.tail[: len(self.tail) - self.keep_tail]

    def captured(self) -> Captured:
        """What was kept."""
        tail = self.tail[-self.keep_tail :] if self.keep_tail else b""
        return Captured(bytes(self.head), bytes(tail), self.total)


class _Drain:
    """One pipe's read end, drained by the event loop into a Keeper until its end or `close`."""

    def __init__(self, fd: int, keeper: Keeper, on_data: Callable[[], None]) -> None:
        os.set_blocking(fd, False)
        self.fd, self.keeper, self.on_data = fd, keeper, on_data
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.loop.add_reader(fd, self._ready)

    def _ready(self) -> None:
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return
        if data:
            self.keeper.feed(data)
            self.on_data()
        else:
            self.close()

    def close(self) -> None:
        if not self.ended.done():
            self.loop.remove_reader(self.fd)
            os.close(self.fd)
            self.ended.set_result(None)


@contextlib.contextmanager
def _standard_input(data: bytes) -> Iterator[int]:
    if data:
        fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(data)
        os.lseek(fd, 0, os.SEEK_SET)
    else:
        fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


async def supervise(
    start: Start, limits: Limits, *, timeout: float, stdin: bytes = b"", owner: int = -1, stop: asyncio.Future[Reason]
) -> Ended:
    """Run what `start(stdin, stdout, stderr)` spawns to its end, its timeout, its output cap, or until `stop` is set.

    `owner` is the uid that may reopen the pipes (/dev/stdout), -1 for ours. Infrastructure when a killed command lives
    on.
    """
    began = time.monotonic()
    drains: list[_Drain] = []

    def count() -> None:
        if sum(drain.keeper.total for drain in drains) > limits.output_bytes and not stop.done():
            stop.set_result(Reason.OUTPUT)

    writers: list[int] = []
    try:
        for _ in range(2):
            read_end, write_end = os.pipe()
            os.fchown(write_end, owner, -1)
            writers.append(write_end)
            drains.append(_Drain(read_end, Keeper(limits.keep_head_bytes, limits.keep_tail_bytes), count))
        with _standard_input(stdin) as standard_input:
            child = await start(standard_input, *writers)
        for fd in writers:
            os.close(fd)
        writers.clear()
        exit_, stopped = await _end(child, stop, timeout)
        await asyncio.wait([drain.ended for drain in drains], timeout=GRACE_SECONDS)
    finally:
        for fd in writers:
            os.close(fd)
        for drain in drains:
            drain.close()
    out, err = (drain.keeper.captured() for drain in drains)
    return Ended(exit_, stopped, out, err, time.monotonic() - began)


async def _end(child: Child, stop: asyncio.Future[Reason], timeout: float) -> tuple[Exit, Reason | None]:
    waiting = asyncio.ensure_future(child.wait())
    try:
        first: list[asyncio.Future[Any]] = [waiting, stop]
        await asyncio.wait(first, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result(), None
        reason = stop.result() if stop.done() else Reason.TIMEOUT
        child.kill()
        done, _ = await asyncio.wait([waiting], timeout=GRACE_SECONDS)
        if not done:
            raise Infrastructure("A killed command did not end within 5 seconds: restart this worker.")
        return waiting.result(), reason
    finally:
        if not waiting.done():
            # Cancelled: kill it, and let it be reaped before the pipes close.
            child.kill()
            await asyncio.wait([waiting], timeout=GRACE_SECONDS)
            waiting.cancel()
