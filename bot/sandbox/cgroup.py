"""A control group for each Session: it caps memory and processes for real, counts what was refused, and kills the rest.

Called by session.py and doctor.py. Version 1 was tried on real machines; version 2 follows the kernel's document
(Documentation/admin-guide/cgroup-v2.rst). Groups are made below the worker's own, so that its limits hold above ours.
"""

import contextlib
import itertools
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

from bot.sandbox.protocol import Limits

PREFIX = "fettle-"
_WANTED = ("memory", "pids")


@dataclass(frozen=True, slots=True)
class Counts:
    """What a group refused so far: processes killed for want of memory, and forks."""

    oom_kills: int = 0
    forks_refused: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """One Session's group: a folder per controller on version 1, one folder on version 2."""

    memory: Path
    pids: Path

    @property
    def _folders(self) -> tuple[Path, ...]:
        return (self.memory,) if self.memory == self.pids else (self.memory, self.pids)

    def add(self, pid: int) -> None:
        """Put a process, and what it starts from now on, into the group."""
        for folder in self._folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def members(self) -> set[int]:
        """The processes now in the group."""
        return {int(pid) for pid in (self.pids / "cgroup.procs").read_text().split()}

    def kill(self, spare: int = 0) -> int:
        """SIGKILL every member but `spare`; how many there were."""
        others = self.members() - {spare}
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(others)

    def counts(self) -> Counts:
        """What was refused so far."""
        kills = _fields(self.memory / "memory.oom_control") or _fields(self.memory / "memory.events")
        return Counts(kills.get("oom_kill", 0), _fields(self.pids / "pids.events").get("max", 0))

    def remove(self) -> bool:
        """Remove the folders; False while a process is still in them."""
        try:
            for folder in self._folders:
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The folders below which groups may be made."""

    memory: Path
    pids: Path
    serial: "itertools.count[int]" = field(default_factory=itertools.count)

    def create(self, limits: Limits) -> Group:
        """A fresh group with the caps of `limits`; OSError when the kernel refuses."""
        name = f"{PREFIX}{os.getpid()}-{next(self.serial)}"
        group = Group(self.memory / name, self.pids / name)
        for folder in group._folders:
            folder.mkdir()
        memory = str(limits.memory_bytes)
        if (group.memory / "memory.max").exists():
            (group.memory / "memory.max").write_text(memory)
            _try(group.memory / "memory.swap.max", "0")
        else:
            (group.memory / "memory.limit_in_bytes").write_text(memory)
            _try(group.memory / "memory.memsw.limit_in_bytes", memory)
        (group.pids / "pids.max").write_text(str(limits.pids))
        return group


def find() -> Cgroups | None:
    """Where this process may make groups, None when nowhere; groups of dead workers are removed on the way."""
    mounted, own = _mounted(), _own()
    if all(name in mounted and name in own for name in _WANTED):
        found = Cgroups(mounted["memory"] / own["memory"], mounted["pids"] / own["pids"])
    elif "" in mounted and "" in own:
        found = Cgroups(mounted[""] / own[""], mounted[""] / own[""])
        _delegate(found.memory)
    else:
        return None
    try:
        _sweep(found)
        probe = found.create(Limits())
        return found if probe.remove() else None
    except OSError:
        return None


def _mounted() -> dict[str, Path]:
    """Controller -> mount point; version 2 has the name ""."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        kind, _, options = right.split(" ", 2)
        point = Path(left.split(" ")[4])
        if kind == "cgroup2":
            found[""] = point
        elif kind == "cgroup":
            found |= dict.fromkeys(set(_WANTED) & set(options.split(",")), point)
    return found


def _own() -> dict[str, str]:
    """Controller -> this process's group, relative to the mount point."""
    found: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        found |= dict.fromkeys(names.split(","), path.removesuffix(f"/{PREFIX}worker").lstrip("/"))
    return found


def _delegate(folder: Path) -> None:
    """Version 2 only lets a group without processes share out controllers: step aside into a leaf if we are alone."""
    control = folder / "cgroup.subtree_control"
    with contextlib.suppress(OSError):
        if set(_WANTED) <= set(control.read_text().split()):
            return
        if {int(pid) for pid in (folder / "cgroup.procs").read_text().split()} == {os.getpid()}:
            leaf = folder / f"{PREFIX}worker"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text(str(os.getpid()))
        control.write_text(" ".join(f"+{name}" for name in _WANTED))


def _sweep(found: Cgroups) -> None:
    for folder in {found.memory, found.pids}:
        for left in folder.glob(f"{PREFIX}*-*"):
            if not Path("/proc", left.name.removeprefix(PREFIX).split("-")[0]).exists():
                with contextlib.suppress(OSError):
                    left.rmdir()


def _fields(path: Path) -> dict[str, int]:
    try:
        pairs = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _try(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        path.write_text(text)
