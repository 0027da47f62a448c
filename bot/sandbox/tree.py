"""Reading and writing a tree that untrusted code made: by descriptor, component by component, never through a link.

Called by holder.py inside the held namespace. A planted FIFO, device or link is refused at once, never opened blocking.
Paths are relative, with surrogates for bytes that are not UTF-8.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator

MAX_DEPTH = 128
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Unsafe(Exception):
    """A path or a file that is never touched; the sentence says why."""


def parts_of(path: str) -> list[str]:
    """The components of a relative path; Unsafe for absolute, empty, dotted, over-long paths and NUL."""
    parts = path.split("/")
    if not path or len(path) > 4096 or "\0" in path or len(parts) > MAX_DEPTH:
        raise Unsafe(f"{path[:80]!r} is not a path in the workspace.")
    if any(part in ("", ".", "..") or len(os.fsencode(part)) > 255 for part in parts):
        raise Unsafe(f"{path[:80]!r} is not a plain relative path.")
    return parts


def is_plain(path: str) -> bool:
    """True for a name that can be shown and committed: UTF-8 without control and direction characters."""
    return path.isprintable()


def kind_of(mode: int) -> str:
    """What a st_mode is, in words."""
    for test, words in (
        (stat.S_ISREG, "a regular file"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return words
    return "a device"


@contextlib.contextmanager
def folder(root: int, parts: list[str], *, create: bool = False) -> Iterator[int]:
    """The descriptor of the folder `parts` below `root`; FileNotFoundError, or Unsafe when a component is a link."""
    here = os.dup(root)
    try:
        for part in parts:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=here)
            below = _step(here, part)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def _step(here: int, part: str) -> int:
    try:
        return os.open(part, _FOLDER, dir_fd=here)
    except NotADirectoryError:
        if stat.S_ISLNK(os.lstat(part, dir_fd=here).st_mode):
            raise Unsafe(f"{part!r} is a symbolic link.") from None
        raise FileNotFoundError(part) from None


def look(root: int, path: str) -> os.stat_result | None:
    """What lies at `path` below `root`, links not followed; None for nothing and behind an unreadable folder."""
    *above, name = path.split("/")
    try:
        with folder(root, above) as here:
            return os.lstat(name, dir_fd=here)
    except (OSError, Unsafe):
        return None


def read(root: int, path: str, max_bytes: int) -> bytes:
    """A regular file's bytes; FileNotFoundError, or Unsafe for anything else and for larger ones."""
    *above, name = parts_of(path)
    with folder(root, above) as here:
        mode = os.lstat(name, dir_fd=here).st_mode
        if not stat.S_ISREG(mode):
            raise Unsafe(f"{path!r} is {kind_of(mode)}, not a regular file.")
        fd = os.open(name, _FILE, dir_fd=here)
    with os.fdopen(fd, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unsafe(f"{path!r} is not a regular file.")
        data = _all_of(file.fileno(), max_bytes + 1)
    if len(data) > max_bytes:
        raise Unsafe(f"{path!r} is larger than {max_bytes:,} bytes.")
    return data


def _all_of(fd: int, most: int) -> bytes:
    data = bytearray()
    while len(data) < most and (chunk := os.read(fd, min(most - len(data), 1 << 20))):
        data += chunk
    return bytes(data)


def write(root: int, path: str, data: bytes) -> None:
    """Create or replace a regular file atomically, its folders too; it keeps its mode. Unsafe for links and folders."""
    *above, name = parts_of(path)
    try:
        _replace(root, above, name, path, data)
    except FileNotFoundError:
        raise Unsafe(f"{path!r} lies below something that is not a folder.") from None


def _replace(root: int, above: list[str], name: str, path: str, data: bytes) -> None:
    with folder(root, above, create=True) as here:
        mode = _writable_mode(here, name, path)
        fresh = f".{os.getpid()}.fresh"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=here)
        try:
            with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=here), "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), mode)
            os.rename(fresh, name, src_dir_fd=here, dst_dir_fd=here)
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=here)
            raise


def _writable_mode(here: int, name: str, path: str) -> int:
    try:
        mode = os.lstat(name, dir_fd=here).st_mode
    except FileNotFoundError:
        return 0o644
    if not stat.S_ISREG(mode):
        raise Unsafe(f"{path!r} is {kind_of(mode)}, not a regular file.")
    return stat.S_IMODE(mode) & 0o777


def files(
    root: int, prefix: str = "", skip: frozenset[str] = frozenset(), depth: int = 0
) -> Iterator[tuple[str, bool]]:
    """(path, is a regular file) of all below `root` that is no folder, in order; folders named in `skip` left out."""
    try:
        with os.scandir(root) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found:
        if not entry.is_dir(follow_symlinks=False):
            yield prefix + entry.name, entry.is_file(follow_symlinks=False)
        elif entry.name not in skip and depth < MAX_DEPTH:
            with contextlib.suppress(OSError):
                below = os.open(entry.name, _FOLDER, dir_fd=root)
                try:
                    yield from files(below, f"{prefix}{entry.name}/", skip, depth + 1)
                finally:
                    os.close(below)


def pattern(glob: str) -> "re.Pattern[str]":
    """A `pathlib`-style glob as a pattern over whole relative paths; a trailing `**` takes every file below."""
    out = ""
    parts = [part for part in glob.split("/") if part not in ("", ".")]
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            out += ".*" if last else "(?:[^/]+/)*"
        else:
            out += _segment(part) + ("" if last else "/")
    return re.compile(out, re.DOTALL)


def _segment(part: str) -> str:
    out = ""
    for piece in re.findall(r"\*+|\?|\[!?\]?[^\]/]*\]|.", part, re.DOTALL):
        if piece[0] == "*":
            out += "[^/]*"
        elif piece == "?":
            out += "[^/]"
        elif piece[0] == "[" and len(piece) > 2:
            inside = piece[1:-1].replace("\\", r"\\").replace("[", r"\[")
            out += (
                "[^" + inside[1:].replace("^", r"\^") + "/]"
                if inside[0] == "!"
                else "[" + inside.replace("^", r"\^") + "]"
            )
        else:
            out += re.escape(piece)
    return out


def listing(root: int, glob: str, most: int) -> list[str]:
    """Up to `most` sorted paths of regular files that match `glob`; `.git` and names that cannot be shown left out."""
    matches = pattern(glob).fullmatch
    found: list[str] = []
    for path, regular in files(root, skip=frozenset({".git"})):
        if regular and is_plain(path) and matches(path):
            found.append(path)
            if len(found) >= most:
                break
    return sorted(found)
