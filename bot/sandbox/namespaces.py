"""The few Linux calls that Python does not have: namespaces, mounts, identity-mapped binds. Called from holder.py.

Numbers are those of the kernel's uapi headers; the syscalls above 400 have the same number on every architecture.
"""

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_NOSUID, MS_NODEV, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 2, 4, 0x1000, 0x2000, 0x4000, 1 << 18
MNT_DETACH = 2
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_IDMAP = 1, 2, 4, 0x00100000
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def _put(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def unshare(flags: int) -> None:
    """Leave the namespaces of `flags`; OSError when the kernel refuses."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount `source` at `target`, both relative to the working folder (mount(2)); OSError names what failed."""
    words = [os.fsencode(word) or None for word in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), os.fsencode(data) or None), f"mount of {kind or source}")


def unmount(target: str) -> None:
    """Detach a mount at once; what still uses it keeps it until it ends."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount of {target}")


def become(uid: int, gid: int) -> None:
    """Drop from root to `uid` and `gid` for good, without groups, and stay able to read our own /proc."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _checked(_libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent died, instead of init."""
    _checked(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def enter_user_namespace() -> None:
    """New user and mount namespaces in which this user is root over its own files and nothing else."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    _put("/proc/self/setgroups", "deny")
    _put("/proc/self/uid_map", f"0 {uid} 1")
    _put("/proc/self/gid_map", f"0 {gid} 1")
    mount("", "/", flags=MS_REC | MS_PRIVATE)


def _mapping(on_disk: tuple[int, int], shown: tuple[int, int]) -> int:
    """A user namespace's descriptor that shows the owner `on_disk` (uid, gid) as `shown`; the caller must be root."""
    ready, go = os.pipe(), os.pipe()
    if not (child := os.fork()):
        try:
            os.close(go[1])
            unshare(CLONE_NEWUSER)
            os.write(ready[1], b"1")
            os.read(go[0], 1)
        finally:
            os._exit(0)
    try:
        os.close(ready[1])
        os.read(ready[0], 1)
        for name, disk, show in zip(("uid_map", "gid_map"), on_disk, shown, strict=True):
            _put(f"/proc/{child}/{name}", f"{disk} {show} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        for fd in (ready[0], *go):
            os.close(fd)
        os.waitpid(child, 0)


def bind_as(source: str, target: str, shown: tuple[int, int]) -> None:
    """Bind `source` read-only with its owner's files shown as owned by `shown` (uid, gid); root only.

    This lets the unprivileged user change its copy-on-write view of a tree that root checked out, without a chown.
    OSError where the kernel (before 5.19) or the file system cannot map owners.
    """
    owner = os.stat(source)  # noqa: PTH116 - pathlib would double this program's start
    attributes = _MountAttr(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0, 0)
    if (owner.st_uid, owner.st_gid) != shown:
        attributes.attr_set |= MOUNT_ATTR_IDMAP
        attributes.userns_fd = _mapping((owner.st_uid, owner.st_gid), shown)
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
    tree = _checked(_libc.syscall(SYS_OPEN_TREE, AT_FDCWD, os.fsencode(source), flags), f"open_tree of {source}")
    try:
        size = ctypes.c_size_t(ctypes.sizeof(attributes))
        set_to = ctypes.byref(attributes)
        _checked(_libc.syscall(SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, set_to, size), f"mapping of {source}")
        moved = _libc.syscall(SYS_MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
        _checked(moved, f"bind of {source}")
    finally:
        os.close(tree)
        if attributes.attr_set & MOUNT_ATTR_IDMAP:
            os.close(attributes.userns_fd)


def bind(source: str, target: str) -> None:
    """Bind `source` (a file or a folder with what is mounted in it) at `target`."""
    mount(source, target, flags=MS_BIND | MS_REC)
