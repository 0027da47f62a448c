"""The held namespace of one Session: a process that owns the view, starts every command in it and reads it.

`bubblewrap.py` starts it as `python -I -S` with a socket, once per Session. It becomes the unprivileged user (as root:
first binds the base tree with its owners mapped), makes a private user and mount namespace with a sized tmpfs and an
overlay in it, and then answers one request at a time. When the worker dies, the socket ends, this process ends, and
with it every command and the whole view. It imports little, and of the standard library only: its start is the price of
a Session, and after it became another user it may not be able to read what it would import.
"""

import contextlib
import errno
import os
import resource
import signal
import socket
import sys
from typing import Any

from bot.sandbox import changes, namespaces, tree, wire

LAYER_LIMIT = 200
HIDDEN = "/root"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
Reply = tuple[dict[str, Any], bytes]


class Holder:
    """The view and its requests; each public method is one request and gets its keyword arguments from the wire."""

    def __init__(self) -> None:
        self.layers = 0
        self.marked = 1
        self.disk_bytes = 0
        self.inodes = 0
        self.status: dict[int, int] = {}

    # --- the view

    def open(
        self,
        body: bytes,
        hold: str,
        base: str,
        uid: int,
        gid: int,
        mounts: list[list[Any]],
        files: dict[str, str],
        disk_bytes: int,
        inodes: int,
        rlimits: dict[str, int],
    ) -> Reply:
        """Make the namespaces and the view.

        `body` is the seccomp program; `mounts` are (source, writable), shown to bwrap as `m0`, `m1`, ...
        """
        self.disk_bytes, self.inodes = disk_bytes, inodes
        namespaces.adopt_orphans()
        if os.geteuid() == 0:
            namespaces.unshare(namespaces.CLONE_NEWNS)
            namespaces.mount("", "/", flags=namespaces.MS_REC | namespaces.MS_PRIVATE)
            self._lay_out(hold, base, uid, gid, mounts)
            if os.path.isdir(HIDDEN):  # noqa: PTH112 - see the module docstring
                # The state folder may lie where this user cannot go; over root's home it can, and hides that too.
                namespaces.mount(hold, HIDDEN, flags=namespaces.MS_MOVE)
                hold = HIDDEN
            namespaces.become(uid, gid)
            namespaces.enter_user_namespace()
        else:
            namespaces.enter_user_namespace()
            self._lay_out(hold, base, 0, 0, mounts)
        os.umask(0o022)
        for name, data in {**{name: text.encode() for name, text in files.items()}, "seccomp": body}.items():
            with open(f"files/{name}", "wb") as file:  # noqa: PTH123 - see the module docstring
                file.write(data)
        for name, limit in rlimits.items():
            _lower(getattr(resource, name), limit)
        self._push()
        return {"hold": hold}, b""

    def _lay_out(self, hold: str, base: str, uid: int, gid: int, mounts: list[list[Any]]) -> None:
        """Mount a small tmpfs at `hold` with the base tree and the mounts in it; `uid` is 0 for an ordinary user."""
        options = f"size=16m,nr_inodes=4096,mode=0755,uid={uid},gid={gid}"
        namespaces.mount("tmpfs", hold, "tmpfs", namespaces.MS_NOSUID | namespaces.MS_NODEV, options)
        os.chdir(hold)
        for name in ("base", "merged", "files"):
            os.mkdir(name)  # noqa: PTH102 - see the module docstring
            os.chown(name, uid, gid)
        for index, (source, writable) in enumerate(mounts):
            _mount_point(f"m{index}", source)
            if writable and uid:
                _give(source, uid, gid)
            namespaces.bind(source, f"m{index}")
        if uid:
            namespaces.bind_as(base, "base", (uid, gid))
        else:
            namespaces.bind(base, "base")

    def _push(self) -> None:
        """Put a fresh upper layer on top, as large as the layers below left it, and show the whole at `merged`."""
        used_bytes, used_inodes = self._used()
        self.layers += 1
        top = f"l{self.layers}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(top)  # noqa: PTH102 - see the module docstring
        size, inodes = max(self.disk_bytes - used_bytes, 1 << 16), max(self.inodes - used_inodes, 64)
        namespaces.mount("tmpfs", top, "tmpfs", namespaces.MS_NODEV, f"size={size},nr_inodes={inodes},mode=0700")
        for name in ("u", "w"):
            os.mkdir(f"{top}/{name}", 0o755)  # noqa: PTH102 - see the module docstring
        lower = ":".join([*(f"l{number}/u" for number in range(self.layers - 1, 0, -1)), "base"])
        options = f"userxattr,lowerdir={lower},upperdir={top}/u,workdir={top}/w"
        namespaces.mount("overlay", "merged", "overlay", namespaces.MS_NODEV, options)

    def _used(self) -> tuple[int, int]:
        found = [os.statvfs(f"l{number}") for number in range(1, self.layers + 1)]
        return (
            sum((fs.f_blocks - fs.f_bfree) * fs.f_frsize for fs in found),
            sum(fs.f_files - fs.f_ffree for fs in found),
        )

    def checkpoint(self) -> Reply:
        """Freeze the present state below a fresh layer."""
        if self.layers >= LAYER_LIMIT:
            raise OSError(f"more than {LAYER_LIMIT} checkpoints in one Session")
        namespaces.unmount("merged")
        self._push()
        self.marked = self.layers
        return {}, b""

    def rollback(self) -> Reply:
        """Drop the layer above the checkpoint with its whole file system: nothing is walked, nothing is deleted."""
        namespaces.unmount("merged")
        namespaces.unmount(f"l{self.layers}")
        self.layers -= 1
        self._push()
        return {}, b""

    def space(self) -> Reply:
        """What the top layer has left, in bytes and inodes."""
        fs = os.statvfs(f"l{self.layers}")
        return {"bytes": fs.f_bavail * fs.f_frsize, "inodes": fs.f_ffree}, b""

    # --- commands

    def spawn(self, fds: list[int], bwrap: str, options: list[str], argv: list[str], cpu: int) -> Reply:
        """Start `bwrap options -- argv` with `fds` as its stdin, stdout and stderr."""
        status = os.memfd_create("status", os.MFD_CLOEXEC)
        arguments = os.memfd_create("arguments", os.MFD_CLOEXEC)
        seccomp = os.open("files/seccomp", os.O_RDONLY | os.O_CLOEXEC)
        # By descriptor and not in argv: the host's ps and the sandbox's /proc/1/cmdline show neither paths nor values.
        words = ["--json-status-fd", str(status), *options, "--seccomp", str(seccomp)]
        os.write(arguments, b"".join(os.fsencode(word) + b"\0" for word in words))
        os.lseek(arguments, 0, os.SEEK_SET)
        command = [bwrap, "--args", str(arguments), "--", *argv]
        if not (pid := os.fork()):
            _become_command(command, fds, [status, arguments, seccomp], cpu)
        os.close(arguments)
        os.close(seccomp)
        self.status[pid] = status
        return {"pid": pid}, b""

    def reap(self, pid: int) -> Reply:
        """How the command that was started as `pid` ended; the caller saw its pidfd become readable."""
        _, status, usage = os.wait4(pid, 0)
        told = self.status.pop(pid)
        self.bury()
        started = b'"exit-code"' in os.pread(told, 4096, 0)
        os.close(told)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "started": started,
            "cpu": usage.ru_utime + usage.ru_stime,
            "peak": usage.ru_maxrss * 1024,
        }, b""

    def bury(self) -> None:
        """End what a killed bwrap left: its half-made child waits for it for ever, and has no other parent than us."""
        with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123 - see the module docstring
            orphans = [int(word) for word in file.read().split() if int(word) not in self.status]
        for orphan in orphans:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)

    # --- the tree

    def read(self, path: str, most: int) -> Reply:
        """A regular file's bytes."""
        with _opened("merged") as root:
            return {}, tree.read(root, path, most)

    def write(self, body: bytes, path: str) -> Reply:
        """Create or replace a regular file."""
        with _opened("merged") as root:
            tree.write(root, path, body)
        return {}, b""

    def list(self, glob: str, most: int) -> Reply:
        """Paths that match."""
        with _opened("merged") as root:
            return {"paths": tree.listing(root, glob, most)}, b""

    def changes(self) -> Reply:
        """Heads of all changes, and their contents one after the other."""
        with contextlib.ExitStack() as stack:
            layers = [stack.enter_context(_opened(f"l{number}/u")) for number in range(1, self.layers + 1)]
            merged, base = (stack.enter_context(_opened(name)) for name in ("merged", "base"))
            found = changes.changed(layers, merged, base)
        heads = [(c.path, c.kind, c.executable, None if c.content is None else len(c.content), c.detail) for c in found]
        return {"changes": heads}, b"".join(change.content or b"" for change in found)


def _lower(which: int, limit: int) -> None:
    hard = resource.getrlimit(which)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(which, (limit, limit))


def _mount_point(name: str, source: str) -> None:
    if os.path.isdir(source):  # noqa: PTH112 - see the module docstring
        os.mkdir(name)  # noqa: PTH102 - see the module docstring
    else:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _give(source: str, uid: int, gid: int) -> None:
    """Make `uid` the owner of a writable mount and of what lies in it; links are not followed."""
    os.lchown(source, uid, gid)
    for _, folders, names, fd in os.fwalk(source):
        for name in (*folders, *names):
            os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)


@contextlib.contextmanager
def _opened(path: str) -> Any:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _become_command(command: list[str], fds: list[int], inherited: list[int], cpu: int) -> None:
    """In the forked child: never returns."""
    try:
        # Python ignores these two, and what is ignored stays so across exec.
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        for fd in inherited:
            os.set_inheritable(fd, True)
        # When memory ends, the kernel takes the command, not the holder.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - as above
            file.write("800")
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
        os.execve(command[0], command, ENVIRONMENT)  # noqa: S606 - an argv list
    except BaseException as error:
        os.write(2, f"bwrap: {error}\n".encode())
    finally:
        os._exit(126)


def answer(holder: Holder, head: dict[str, Any], body: bytes, fds: list[int]) -> Reply:
    """The reply to one request; every failure is a reply too, with its kind."""
    operation, arguments = head["op"], head["with"]
    if operation == "spawn":
        arguments["fds"] = fds
    if operation in ("open", "write"):
        arguments["body"] = body
    try:
        reply: Reply = getattr(holder, operation)(**arguments)
    except tree.Unsafe as error:
        return {"error": "unsafe", "detail": str(error)}, b""
    except Exception as error:  # the worker must hear of it; here it could only end the Session without a word
        return _failure(operation, error), b""
    return reply


def _failure(operation: str, error: Exception) -> dict[str, str]:
    code = getattr(error, "errno", None)
    if operation == "read" and isinstance(error, FileNotFoundError):
        return {"error": "missing", "detail": str(error)}
    if operation == "write" and code in (errno.ENOSPC, errno.EFBIG):
        return {"error": "unsafe", "detail": "The workspace is full."}
    return {"error": "failed", "detail": f"{operation}: {error}" if code else f"{operation}: {error!r}"}


def main() -> None:
    """Serve the socket whose descriptor is the first argument until the worker goes away."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    holder = Holder()
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            head, body, fds = wire.receive(sock)
            reply = answer(holder, head, body, fds)
            for fd in fds:
                os.close(fd)
            sock.sendall(b"".join(wire.pack(*reply)))
    os._exit(0)
