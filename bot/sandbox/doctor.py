"""The start-up self-attack: does this machine hold what the sandbox promises? Called by bubblewrap.py at first open.

Versions do not tell (distributions patch and break bubblewrap): behaviour is probed, in well under a second.
"""

import inspect
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from bot.core.errors import Infrastructure
from bot.sandbox import inside
from bot.sandbox.cgroup import Cgroups
from bot.sandbox.protocol import ChangeKind, Limits, Mount, Network, Probe, Session

_LIMITS = Limits(wall_seconds=20)
_HOST = Path("/tmp")  # noqa: S108 - any folder in which the sandbox's user may write on the host
_IN_DOCKER = (
    "In Docker run as an ordinary user with --security-opt seccomp=unconfined (or Fettle's profile) "
    "--security-opt systempaths=unconfined; on Ubuntu allow bwrap by an AppArmor profile."
)
_ADVICE = {
    "mapping": "This file system cannot map owners, which a worker that is root needs: run Fettle as an ordinary user.",
    "unshare": f"Enable user namespaces (sysctl user.max_user_namespaces=15000). {_IN_DOCKER}",
    "overlay": "Overlays in user namespaces need Linux 6.6 or later (user attributes on tmpfs).",
    "bwrap": f"Bubblewrap cannot make its namespaces. {_IN_DOCKER}",
}
_BROKEN = "Do not run Fettle on this machine before this is understood; update bubblewrap and the kernel."


class Patient(Protocol):
    """What the doctor needs of a backend."""

    uid: int
    cgroups: Cgroups | None

    async def open_unchecked(
        self, base_tree: Path, limits: Limits, network: Network, mounts: tuple[Mount, ...]
    ) -> Session:
        """Open without asking the doctor."""
        ...


def interpreter() -> tuple[str, tuple[Mount, ...]]:
    """A Python that starts inside, and the mounts that it needs there: this process's own, without its environment."""
    prefix = Path(sys.base_prefix)
    path = str(prefix / "bin" / f"python3.{sys.version_info.minor}")
    if prefix == Path("/usr") or Path("/usr") in prefix.parents:
        return path, ()
    return path, (Mount(prefix, str(prefix)),)


async def examine(patient: Patient) -> list[Probe]:
    """All probes; those after the first that makes the rest pointless are left out."""
    probes = list(_outside(patient))
    if not all(probe.ok for probe in probes):
        return probes
    try:
        with tempfile.TemporaryDirectory(prefix="fettle-doctor-") as folder:
            return probes + await _attack(patient, Path(folder))
    except Infrastructure as error:
        return [*probes, Probe("session", ok=False, detail=str(error), advice=_advice(str(error)))]


def _outside(patient: Patient) -> Iterator[Probe]:
    found = shutil.which("bwrap")
    yield Probe("bubblewrap", bool(found), found or "not found", "Install bubblewrap (apt install bubblewrap).")
    yield Probe(
        "user", patient.uid != 0, f"commands run as uid {patient.uid}", "Give the sandbox a uid that is not root."
    )
    exact = patient.cgroups is not None
    detail = "memory and processes are capped" if exact else "caps on memory and processes are approximate (rlimits)"
    yield Probe(
        "cgroup", ok=True, detail=detail, advice="" if exact else "Let Fettle write its control group for real caps."
    )


async def _attack(patient: Patient, folder: Path) -> list[Probe]:
    """Open a Session over a hostile tree and try to get out of it."""
    escape = _HOST / f"fettle-escape-{folder.name.rsplit('-', 1)[-1]}"
    base = folder / "base"
    (base / "kept").mkdir(parents=True)
    (base / "kept" / "old").write_text("old")
    for link in ("usr", "tmp", "etc", "proc", "dev", "evil"):
        (base / link).symlink_to(f"/oldroot{escape}")
    python, mounts = interpreter()
    source = inspect.getsource(inside).encode()
    async with await patient.open_unchecked(base, _LIMITS, Network.NONE, mounts) as session:
        result = await session.run([python, "-I", "-S", "-"], stdin=source)
        if not result.ok:
            said = result.detail or result.stderr.text[-300:]
            return [Probe("start", ok=False, detail=said, advice=_ADVICE["bwrap"])]
        found = json.loads(result.stdout.text)
        probes = [Probe(probe, not what, what or "held", "" if not what else _BROKEN) for probe, what in found.items()]
        escaped = escape.exists() or escape.is_symlink()
        probes.append(Probe("old_root", not escaped, "a link wrote on the host" if escaped else "held", _BROKEN))
        return [*probes, await _view(session)]


async def _view(session: Session) -> Probe:
    """The overlay: a folder replaced, a file added, all seen and all dropped."""
    await session.run(["/bin/sh", "-c", "rm -r kept && mkdir kept && echo new >kept/new"])
    seen = {(change.path, change.kind) for change in await session.changes()}
    await session.rollback()
    wanted = {("kept/old", ChangeKind.DELETED), ("kept/new", ChangeKind.WRITTEN)}
    held = seen == wanted and not await session.changes()
    return Probe("overlay", held, "held" if held else f"saw {sorted(seen)}", "" if held else _ADVICE["overlay"])


def _advice(said: str) -> str:
    return next((advice for word, advice in _ADVICE.items() if word in said), _IN_DOCKER)
