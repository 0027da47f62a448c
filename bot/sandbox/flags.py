"""The options of bwrap, in the order that was proved; a pure function of a Session's shape. Called by session.py.

The workspace is bound last and nothing below it: bwrap before 0.12 follows links of the repository when it makes mount
points below an untrusted folder, and then writes on the host (CVE-2026-87766).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from bot.core.errors import Infrastructure
from bot.sandbox import etc
from bot.sandbox.protocol import MIB, WORKSPACE, Limits, Mount, Network

HOME = "/home/u"
DEFAULT_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": HOME, "LANG": "C.UTF-8"}
SHM_BYTES = 64 * MIB
_LATE = ("/tmp", HOME)  # noqa: S108 - folders of the sandbox, each a fresh tmpfs
_TAKEN = ("/", "/proc", "/dev", "/sys", "/etc", "/usr", *_LATE)


def check_mounts(mounts: Sequence[Mount]) -> None:
    """Infrastructure for a target that would hide the sandbox's own folders, the workspace, or another mount."""
    targets = [mount.target for mount in mounts]
    for target in targets:
        path = PurePosixPath(target)
        if not path.is_absolute() or ".." in path.parts or str(path) != target or target in _TAKEN:
            raise Infrastructure(
                f"The sandbox cannot mount at {target!r}: name a folder of its own, absolute and plain."
            )
        if target == WORKSPACE or target.startswith((WORKSPACE + "/", "/proc/", "/dev/")):
            raise Infrastructure(f"The sandbox mounts nothing at {target!r}: {WORKSPACE} stays last and whole.")
    for inner in targets:
        # A mount point inside a tree that untrusted code wrote is the hole of the module docstring.
        if any(inner != outer and inner.startswith(outer + "/") for outer in targets) or targets.count(inner) > 1:
            raise Infrastructure(f"The sandbox cannot mount at {inner!r}: another mount has it already.")


def network_flags(network: Network) -> list[str]:
    """What INSTALL adds to --unshare-all: the host's network for now; the allowlist proxy will stand here."""
    return ["--share-net"] if network is Network.INSTALL else []


def options(
    hold: str, network: Network, mounts: Sequence[Mount], limits: Limits, env: Mapping[str, str], cwd: str
) -> list[str]:
    """All of bwrap's options but its descriptors; `hold` is the folder where the holder keeps the view."""
    binds = [
        (mount.target, ["--bind" if mount.writable else "--ro-bind", f"{hold}/m{index}", mount.target])
        for index, mount in enumerate(mounts)
    ]
    late = [flags for target, flags in binds if target.startswith(tuple(folder + "/" for folder in _LATE))]
    early = [flags for _, flags in binds if flags not in late]
    tmp = str(limits.tmp_bytes)
    return [
        *(
            "--unshare-all",
            *network_flags(network),
            "--unshare-user",
            "--disable-userns",
            "--uid",
            "1000",
            "--gid",
            "1000",
        ),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv"),
        *(
            word
            for name, value in {**DEFAULT_ENV, **etc.variables(network), **env}.items()
            for word in ("--setenv", name, value)
        ),
        *("--hostname", "sbx", *_system(), *etc.binds(f"{hold}/files", network)),
        *(word for flags in early for word in flags),
        *("--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev"),
        *("--size", str(SHM_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),  # noqa: S108
        *("--size", tmp, "--perms", "1777", "--tmpfs", "/tmp", "--size", tmp, "--tmpfs", HOME),  # noqa: S108
        *(word for flags in late for word in flags),
        *("--bind", f"{hold}/merged", WORKSPACE, "--chdir", cwd, "--remount-ro", "/"),
    ]


def _system() -> list[str]:
    """/usr, and the folders beside it that merged systems link into it."""
    flags = ["--ro-bind", "/usr", "/usr"]
    for name in ("bin", "lib", "lib32", "lib64", "libx32", "sbin"):
        path = Path("/", name)
        if path.is_symlink():
            flags += ["--symlink", f"usr/{name}", f"/{name}"]
        elif path.is_dir():
            flags += ["--ro-bind", f"/{name}", f"/{name}"]
    return flags
