"""The part of the doctor that runs inside: attacks that must fail, one function each. Its source goes in on stdin.

doctor.py reads what it prints: one JSON object, probe -> "" when the sandbox held, else what got through. It never runs
in the worker; it imports the standard library only.
"""

import ctypes
import errno
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_PTRACE_ATTACH, _CLONE_NEWUSER, _IO_URING_SETUP, _CLONE3 = 16, 0x10000000, 425, 435
_DEVICES = {"console", "core", "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout"}
_DEVICES |= {"tty", "urandom", "zero"}


def _refused(result: int, *codes: int) -> str:
    code = ctypes.get_errno()
    return "" if result < 0 and code in codes else f"answered {result}, errno {code}"


def _unopenable(path: str, flags: int) -> bool:
    try:
        os.close(os.open(path, flags))
    except OSError:
        return True
    return False


def host_files() -> str:
    """Nothing of the host but /usr and public parts of /etc."""
    seen = [
        path
        for path in ("/root/.ssh", "/etc/shadow", "/var/log", "/sys", "/run", "/boot", "/oldroot")
        if Path(path).exists()
    ]
    return " ".join(seen)


def environment() -> str:
    """No process inside carries the worker's variables: pid 1 is bwrap itself."""
    names: set[bytes] = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        names |= {entry.split(b"=", 1)[0] for entry in path.read_bytes().split(b"\0") if entry}
    return b" ".join(sorted(names - {b"PATH", b"HOME", b"LANG", b"PWD", b"LC_CTYPE"})).decode()


def descriptors() -> str:
    """Nothing open but the standard three."""
    return " ".join(path.name for path in Path("/proc/self/fd").iterdir() if int(path.name) > 2 and path.exists())


def privileges() -> str:
    """No capability, no new privileges, a system call filter."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    wanted = {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
    return " ".join(f"{name}={status.get(name)}" for name, value in wanted.items() if status.get(name) != value)


def ptrace() -> str:
    """Stopping bwrap's init would hang its worker for ever."""
    return _refused(_libc.ptrace(_PTRACE_ATTACH, 1, 0, 0), errno.EPERM)


def user_namespaces() -> str:
    """No new user namespace: in one, much more of the kernel can be reached."""
    first = _refused(_libc.unshare(_CLONE_NEWUSER), errno.EPERM)
    return first or _refused(_libc.syscall(_CLONE3, 0, 0), errno.ENOSYS)


def kernel_interfaces() -> str:
    """io_uring and vsock pass by namespaces."""
    if found := _refused(_libc.syscall(_IO_URING_SETUP, 1, 0), errno.EPERM, errno.ENOSYS):
        return found
    try:
        socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM).close()
    except OSError as error:
        return "" if error.errno == errno.EAFNOSUPPORT else f"vsock: {error}"
    return "a vsock opened"


def kernel_settings() -> str:
    """Written by kuid 0, core_pattern runs a program on the host."""
    paths = ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/kernel/domainname")
    return " ".join(path for path in paths if not _unopenable(path, os.O_WRONLY))


def network() -> str:
    """Only a loopback of our own, and no way out."""
    if (names := [name for _, name in socket.if_nameindex()]) != ["lo"]:
        return " ".join(names)
    with socket.socket() as probe:
        code = probe.connect_ex(("169.254.169.254", 80))
    return "" if code == errno.ENETUNREACH else f"connect answered {code}"


def devices() -> str:
    """The harmless devices only."""
    return " ".join(sorted({path.name for path in Path("/dev").iterdir()} - _DEVICES))


def writes() -> str:
    """Nothing can be written but the workspace, /tmp, /dev/shm and the home."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    return " ".join(
        folder for folder in ("/", "/usr", "/etc", "/dev", "/proc") if not _unopenable(f"{folder}/x", flags)
    )


PROBES: tuple[Callable[[], str], ...] = (
    host_files,
    environment,
    descriptors,
    privileges,
    ptrace,
    user_namespaces,
    kernel_interfaces,
    kernel_settings,
    network,
    devices,
    writes,
)


def main() -> None:
    """Run all probes and print what each found."""
    found = {}
    for probe in PROBES:
        try:
            found[probe.__name__] = probe()
        except Exception as error:  # whatever goes wrong, the probe has not shown that the sandbox holds
            found[probe.__name__] = f"could not be tried: {error!r}"
    print(json.dumps(found))  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
