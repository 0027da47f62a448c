"""The one protocol of the sandbox: everything that runs untrusted code goes through a Session (DESIGN.md decision 5).

Backends implement Sandbox and Session (`bubblewrap`, later `docker`); fixers, checks, toolchains and stages use them.
Inside, the repository is always `/workspace`; a toolchain's environment is mounted at the path it was built for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

WORKSPACE = "/workspace"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Network(StrEnum):
    """Which network a Session has: none while repository code runs, some while dependencies are installed."""

    NONE = "none"
    INSTALL = "install"


class Reason(StrEnum):
    """Why a command ended."""

    OK = "ok"
    NONZERO = "nonzero"
    TIMEOUT = "timeout"
    OOM = "oom"
    PIDS = "pids"
    DISK = "disk"
    OUTPUT = "output"
    POLICY = "policy"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one Session may use. Bytes, counts and seconds; the defaults are those of SANDBOX.md."""

    wall_seconds: float = 120.0
    memory_bytes: int = 3 * GIB
    pids: int = 512
    disk_bytes: int = 1 * GIB
    inodes: int = 200_000
    tmp_bytes: int = 256 * MIB
    file_bytes: int = 512 * MIB
    output_bytes: int = 64 * MIB
    keep_head_bytes: int = 256 * KIB
    keep_tail_bytes: int = 768 * KIB


@dataclass(frozen=True, slots=True)
class Mount:
    """A host folder shown inside at `target` (absolute, never below /workspace), read-only unless `writable`."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Captured:
    """One output stream: its first and last bytes kept, and how many there were in all."""

    head: bytes = b""
    tail: bytes = b""
    total: int = 0

    @property
    def cut(self) -> int:
        """Bytes left out between head and tail."""
        return max(0, self.total - len(self.head) - len(self.tail))

    @property
    def data(self) -> bytes:
        """Head and tail, with a notice between them when bytes were cut."""
        if not self.cut:
            return self.head + self.tail
        return self.head + b"\n[... %d bytes cut ...]\n" % self.cut + self.tail

    @property
    def text(self) -> str:
        """`data` decoded as UTF-8, bad bytes replaced."""
        return self.data.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended. `exit` is None when it was killed; `cpu_seconds` and `peak_bytes` are 0 when unknown."""

    reason: Reason
    exit: int | None
    stdout: Captured = field(default_factory=Captured)
    stderr: Captured = field(default_factory=Captured)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    detail: str = ""

    @property
    def ok(self) -> bool:
        """True when the command ended by itself with exit 0."""
        return self.reason is Reason.OK


class ChangeKind(StrEnum):
    """What happened to a path since the base tree."""

    WRITTEN = "written"
    DELETED = "deleted"
    REFUSED = "refused"  # a symlink, socket, device, FIFO, oversized file or unsafe name: named, never read


@dataclass(frozen=True, slots=True)
class Change:
    """One changed path. `content` holds whole bytes for WRITTEN; `detail` says why for REFUSED."""

    path: str
    kind: ChangeKind
    executable: bool = False
    content: bytes | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """One line of a doctor's report: what was tried, whether it held, and what to do when it did not."""

    name: str
    ok: bool
    detail: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A doctor's report; the sandbox refuses to open unless every probe that is `required` held."""

    backend: str
    probes: tuple[Probe, ...] = ()

    @property
    def ok(self) -> bool:
        """True when every probe held."""
        return all(probe.ok for probe in self.probes)


class Session(Protocol):
    """One open sandbox: a droppable copy-on-write view of a base tree.

    Paths given to `read`, `write` and `list` are relative to the workspace. Every method raises `Infrastructure` when
    the sandbox itself failed; a command that fails is a Result, never an exception. An async context manager.
    """

    async def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = WORKSPACE,
        timeout: float | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """Run `argv` (no shell string from outside) for at most `timeout` seconds (default: the limits' wall time)."""
        ...

    async def read(self, path: str, max_bytes: int = MIB) -> bytes:
        """A regular file's bytes; FileNotFoundError when there is none, UserError for links, devices, larger ones."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Create or replace a regular file and the folders above it; UserError for an unsafe path."""
        ...

    async def list(self, glob: str = "**", max_entries: int = 10_000) -> tuple[str, ...]:
        """Sorted relative paths of regular files that match a `pathlib`-style glob, `.git` left out."""
        ...

    async def changes(self) -> tuple[Change, ...]:
        """What differs from the base tree, sorted by path, ignored and cache files included: the caller filters."""
        ...

    async def checkpoint(self) -> None:
        """Remember the present state for `rollback`; one checkpoint is kept."""
        ...

    async def rollback(self) -> None:
        """Return to the last checkpoint, or to the base tree when there is none."""
        ...

    async def close(self) -> None:
        """Kill everything inside and drop the view; safe to call twice."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Sandbox(Protocol):
    """A backend."""

    name: str

    async def doctor(self) -> Report:
        """Probe by attack whether this machine holds what the backend promises; cheap enough for every start."""
        ...

    async def open(
        self,
        base_tree: Path,
        *,
        limits: Limits | None = None,
        network: Network = Network.NONE,
        mounts: Sequence[Mount] = (),
        job: str = "",
    ) -> Session:
        """Open a Session over `base_tree` (read-only below); raises Infrastructure when this machine cannot hold it."""
        ...
