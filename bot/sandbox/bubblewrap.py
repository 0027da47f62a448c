"""The bubblewrap backend: unprivileged, droppable, 15 ms a command. Made in bot.context; SANDBOX.md has the findings.

It never starts bwrap as root: a worker that is root starts everything as `uid`. A machine that cannot hold what is
promised gets Infrastructure with what to do; nothing ever runs outside of the sandbox instead.
"""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.core.errors import Infrastructure
from bot.sandbox import cgroup, doctor, etc, flags, seccomp
from bot.sandbox.protocol import GIB, Limits, Mount, Network, Report
from bot.sandbox.session import HeldSession, Line, Shape, remove

NOBODY = 65534
_ROOT = str(Path(__file__).parents[2])
_CODE = "import sys; sys.path.append(sys.argv[2]); from bot.sandbox.holder import main; main()"


class Bubblewrap:
    """Implements protocol.Sandbox. `state_dir` gets one empty folder, the mount point of every view.

    `uid` is whom a root worker becomes (default: nobody); give each worker on a machine its own.
    """

    name = "bubblewrap"

    def __init__(self, state_dir: Path, *, uid: int | None = None) -> None:
        self.hold = state_dir.absolute() / "hold"
        self.uid = (NOBODY if uid is None else uid) if os.geteuid() == 0 else os.geteuid()
        self.cgroups: cgroup.Cgroups | None = None
        self.report: Report | None = None
        self.lock = asyncio.Lock()

    async def doctor(self) -> Report:
        """See protocol.Sandbox; its last report is what `open` goes by."""
        self.cgroups = await asyncio.to_thread(cgroup.find)
        self.report = Report(self.name, tuple(await doctor.examine(self)))
        return self.report

    async def open(
        self,
        base_tree: Path,
        *,
        limits: Limits | None = None,
        network: Network = Network.NONE,
        mounts: Sequence[Mount] = (),
        job: str = "",
    ) -> HeldSession:
        """See protocol.Sandbox."""
        async with self.lock:
            report = self.report or await self.doctor()
        for probe in report.probes:
            if not probe.ok:  # the first says it; later ones often follow from it
                raise Infrastructure(f"The sandbox does not hold here ({probe.name}: {probe.detail}). {probe.advice}")
        return await self.open_unchecked(base_tree, limits or Limits(), network, tuple(mounts))

    async def open_unchecked(
        self, base_tree: Path, limits: Limits, network: Network, mounts: tuple[Mount, ...]
    ) -> HeldSession:
        """`open` without the doctor's word, for the doctor itself."""
        flags.check_mounts(mounts)
        for path in (base_tree, *(mount.source for mount in mounts)):
            check_reachable(path)
        self.hold.mkdir(parents=True, exist_ok=True)
        bwrap = self._bwrap()
        group = self.cgroups.create(limits) if self.cgroups else None
        line = await self._start_holder()
        try:
            if group:
                group.add(line.process.pid)
            program = seccomp.program(allow_memfd=self.cgroups is not None)
            reply, _ = await line.ask("open", body=program, **self._arguments(base_tree, limits, mounts))
        except BaseException:
            await line.close()
            if group:
                await remove(group)
            raise
        return HeldSession(Shape(bwrap, reply["hold"], limits, network, mounts, self.uid), line, group)

    def _bwrap(self) -> str:
        if found := shutil.which("bwrap"):
            return found
        raise Infrastructure("There is no bwrap on this machine: install bubblewrap (apt install bubblewrap).")

    async def _start_holder(self) -> Line:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = [sys.executable, "-I", "-S", "-c", _CODE, str(theirs.fileno()), _ROOT]
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=flags.DEFAULT_ENV,
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return Line(ours, process)

    def _arguments(self, base_tree: Path, limits: Limits, mounts: tuple[Mount, ...]) -> dict[str, Any]:
        rlimits = {
            "RLIMIT_CORE": 0,
            "RLIMIT_NOFILE": 4096,
            "RLIMIT_FSIZE": limits.file_bytes,
            "RLIMIT_DATA": max(4 * GIB, limits.memory_bytes) if self.cgroups else limits.memory_bytes,
        }
        if not self.cgroups:
            rlimits["RLIMIT_NPROC"] = limits.pids
        return {
            "hold": str(self.hold),
            "base": str(base_tree.absolute()),
            "uid": self.uid,
            "gid": self.uid,
            "mounts": [(str(mount.source.absolute()), mount.writable) for mount in mounts],
            "files": etc.SYNTHETIC,
            "disk_bytes": limits.disk_bytes,
            "inodes": limits.inodes,
            "rlimits": rlimits,
        }


def check_reachable(path: Path) -> None:
    """Infrastructure that names the first folder on the way to `path` that this process cannot enter."""
    path = path.absolute()
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            raise Infrastructure(f"The sandbox needs {folder}, which does not exist or cannot be reached.")
        if folder.is_dir() and not os.access(folder, os.X_OK):
            raise Infrastructure(f"The sandbox cannot enter {folder}: let the user of this worker read it.")
