"""A Session of the bubblewrap backend: the worker's side of a held namespace. Opened by bubblewrap.py.

Requests to the holder go one after the other over one socket; commands run side by side, each watched by its pidfd.
"""

import asyncio
import contextlib
import os
import posixpath
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from bot.core.errors import Infrastructure, UserError
from bot.sandbox import flags, judge, runner, wire
from bot.sandbox.cgroup import Counts, Group
from bot.sandbox.protocol import MIB, WORKSPACE, Change, ChangeKind, Limits, Mount, Network, Reason, Result

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Shape:
    """What is the same for every command of a Session."""

    bwrap: str
    hold: str
    limits: Limits
    network: Network
    mounts: tuple[Mount, ...]
    uid: int


class Line:
    """The socket to a holder and its process."""

    def __init__(self, sock: socket.socket, process: asyncio.subprocess.Process) -> None:
        self.sock, self.process = sock, process
        self.lock = asyncio.Lock()
        self.broken = ""

    async def ask(self, op: str, *, body: bytes = b"", fds: Sequence[int] = (), **arguments: Any) -> tuple[Any, bytes]:
        """The reply's head and body; FileNotFoundError, UserError or Infrastructure as the holder says.

        Cancelled, it still waits for the reply: left in the socket, that would answer the next request.
        """
        request = asyncio.ensure_future(self._ask({"op": op, "with": arguments}, body, fds))
        try:
            return await asyncio.shield(request)
        except asyncio.CancelledError:
            await asyncio.wait([request])
            raise

    async def spawn(self, **arguments: Any) -> "HeldChild":
        """A command that the holder started; a cancelled call leaves none behind."""
        fds = arguments.pop("fds")
        request = asyncio.ensure_future(self._ask({"op": "spawn", "with": arguments}, b"", fds))
        try:
            reply, _ = await asyncio.shield(request)
        except asyncio.CancelledError:
            await asyncio.wait([request])
            if not request.cancelled() and not request.exception():
                child = HeldChild(self, request.result()[0]["pid"])
                child.kill()
                await child.wait()
            raise
        return HeldChild(self, reply["pid"])

    async def _ask(self, head: dict[str, Any], body: bytes, fds: Sequence[int]) -> tuple[Any, bytes]:
        async with self.lock:
            if self.broken:
                raise Infrastructure(f"The sandbox has ended: {self.broken}.")
            try:
                reply, data = await self._exchange(head, body, fds)
            except (EOFError, OSError):
                self.broken = self.broken or "its holder was killed"
                raise Infrastructure(f"The sandbox has ended: {self.broken}.") from None
        match reply.get("error"):
            case None:
                return reply, data
            case "missing":
                raise FileNotFoundError(reply["detail"])
            case "unsafe":
                raise UserError(reply["detail"])
            case _:
                raise Infrastructure(f"The sandbox failed: {reply['detail']}.")

    async def _exchange(self, head: dict[str, Any], body: bytes, fds: Sequence[int]) -> tuple[dict[str, Any], bytes]:
        loop = asyncio.get_running_loop()
        lengths, payload = wire.pack(head, body)
        # The socket is empty between requests: these few bytes never block.
        socket.send_fds(self.sock, [lengths], list(fds))
        await loop.sock_sendall(self.sock, payload)
        head_length, body_length = wire.LENGTHS.unpack(await self._receive(wire.LENGTHS.size))
        return wire.unpack(await self._receive(head_length + body_length), head_length)

    async def _receive(self, count: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < count:
            if not (chunk := await loop.sock_recv(self.sock, min(count - len(data), MIB))):
                raise EOFError
            data += chunk
        return bytes(data)

    async def close(self) -> None:
        """End the holder, and with it every command and the view."""
        self.broken = "it was closed"
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        try:
            await asyncio.wait_for(self.process.wait(), 2.0)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        async with self.lock:
            self.sock.close()


class HeldChild:
    """A command that the holder started; it stays unreaped until `wait` asked for its end, so its pid stays ours."""

    def __init__(self, line: Line, pid: int) -> None:
        self.line, self.pid = line, pid
        self.fd = os.pidfd_open(pid)

    async def wait(self) -> runner.Exit:
        """How it ended."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self.fd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self.fd)
        try:
            reply, _ = await self.line.ask("reap", pid=self.pid)
        finally:
            os.close(self.fd)
            self.fd = -1
        return runner.Exit(reply["code"], reply["started"], reply["cpu"], reply["peak"])

    def kill(self) -> None:
        """SIGKILL to the outer bwrap; its init dies with it, and with that the whole pid namespace."""
        if self.fd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.fd, signal.SIGKILL)


class HeldSession:
    """Implements protocol.Session over a holder."""

    def __init__(self, shape: Shape, line: Line, group: Group | None) -> None:
        self.shape, self.line, self.group = shape, line, group
        self.running = 0
        self.closed = False

    async def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = WORKSPACE,
        timeout: float | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """See protocol.Session."""
        self._check(argv, env or {})
        shape = self.shape
        wall = shape.limits.wall_seconds if timeout is None else timeout
        folder = posixpath.join(WORKSPACE, cwd)
        words = flags.options(shape.hold, shape.network, shape.mounts, shape.limits, env or {}, folder)

        async def start(*fds: int) -> runner.Child:
            cpu = max(1, int(2 * wall))
            return await self.line.spawn(fds=fds, bwrap=shape.bwrap, options=words, argv=list(argv), cpu=cpu)

        before = self._counts()
        stop: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        watch = asyncio.create_task(self._watch(stop, before))
        self.running += 1
        try:
            ended = await runner.supervise(start, shape.limits, timeout=wall, stdin=stdin, owner=shape.uid, stop=stop)
        finally:
            self.running -= 1
            watch.cancel()
        if ended.stopped:
            await self._sweep()
        space, _ = await self.line.ask("space")
        return judge.result(ended, before, self._counts(), judge.Space(space["bytes"], space["inodes"]))

    @staticmethod
    def _check(argv: Sequence[str], env: Mapping[str, str]) -> None:
        words = [*argv, *env, *env.values()]
        if not argv or any("\0" in word for word in words) or any("=" in name or not name for name in env):
            raise UserError("A command needs a program, and its words and variables cannot hold NUL bytes.")

    def _counts(self) -> Counts:
        return self.group.counts() if self.group else Counts()

    async def _watch(self, stop: asyncio.Future[Reason], before: Counts) -> None:
        """Stop the command once the kernel killed a part of it for memory: what is left is not what was asked for."""
        while self.group:
            await asyncio.sleep(POLL_SECONDS)
            if self._counts().oom_kills > before.oom_kills and not stop.done():
                stop.set_result(Reason.OOM)

    async def _sweep(self) -> None:
        """After a kill: nothing but the holder may be left in the group."""
        if not self.group or self.running:
            return
        for _ in range(250):
            if not self.group.kill(spare=self.line.process.pid):
                return
            await asyncio.sleep(0.02)
        raise Infrastructure("Processes of a killed command are still alive after 5 seconds: restart this worker.")

    async def read(self, path: str, max_bytes: int = MIB) -> bytes:
        """See protocol.Session."""
        _, data = await self.line.ask("read", path=path, most=max_bytes)
        return data

    async def write(self, path: str, data: bytes) -> None:
        """See protocol.Session."""
        await self.line.ask("write", body=data, path=path)

    async def list(self, glob: str = "**", max_entries: int = 10_000) -> tuple[str, ...]:
        """See protocol.Session."""
        reply, _ = await self.line.ask("list", glob=glob, most=max_entries)
        return tuple(reply["paths"])

    async def changes(self) -> tuple[Change, ...]:
        """See protocol.Session."""
        reply, data = await self.line.ask("changes")
        found: list[Change] = []
        at = 0
        for path, kind, executable, length, detail in reply["changes"]:
            content = None if length is None else data[at : at + length]
            at += length or 0
            found.append(Change(path, ChangeKind(kind), executable, content, detail))
        return tuple(found)

    async def checkpoint(self) -> None:
        """See protocol.Session."""
        await self.line.ask("checkpoint")

    async def rollback(self) -> None:
        """See protocol.Session."""
        await self.line.ask("rollback")

    async def close(self) -> None:
        """See protocol.Session."""
        if self.closed:
            return
        self.closed = True
        await self.line.close()
        if self.group:
            await remove(self.group)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def remove(group: Group) -> None:
    """Kill what is left in `group` and remove it; Infrastructure when that takes more than 5 seconds."""
    for _ in range(2500):
        if group.remove():
            return
        with contextlib.suppress(FileNotFoundError):
            group.kill()
        await asyncio.sleep(0.002)
    raise Infrastructure(f"The control group {group.memory.name} cannot be removed: a process in it will not end.")
