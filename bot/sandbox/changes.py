"""What a Session changed: found in the upper layers of its overlay, judged by comparing the merged view with the base.

Called by holder.py. The layers only say where to look (overlayfs: a whiteout is a character device 0:0, an opaque
folder carries `user.overlay.opaque`); what a path is now and was before is read from the merged and the base tree, so
any number of layers, and files written back as they were, come out right.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from bot.sandbox import tree

MAX_FILE_BYTES = 1 << 20
MAX_TOTAL_BYTES = 64 << 20
MAX_ENTRIES = 50_000


class Found(NamedTuple):
    """One change as it goes over the wire: `kind` is a ChangeKind's value, `content` is None unless written."""

    path: str
    kind: str
    executable: bool = False
    content: bytes | None = None
    detail: str = ""


def changed(layers: list[int], merged: int, base: int) -> list[Found]:
    """The changes of `layers` (descriptors of upper folders), sorted by path."""
    touched: set[str] = set()
    too_deep: set[str] = set()
    for layer in layers:
        _touch(layer, base, "", 0, touched, too_deep)
    found = [Found(_shown(path), "refused", detail="nested too deep") for path in too_deep]
    total = 0
    for count, path in enumerate(sorted(touched)):
        if (change := _judge(path, merged, base)) is None:
            continue
        total += len(change.content or b"")
        if total > MAX_TOTAL_BYTES or count >= MAX_ENTRIES:
            change = Found(_shown(path), "refused", detail="too much changed in all")
        found.append(change)
    return sorted(found, key=lambda change: change.path)


def _touch(upper: int, base: int | None, prefix: str, depth: int, touched: set[str], too_deep: set[str]) -> None:
    """Collect every path that `upper` may have changed, walking it and the base side by side."""
    if base is not None and _opaque(upper):
        touched.update(path for path, _ in tree.files(base, prefix))
    with os.scandir(upper) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in names:
        path = prefix + name
        with _maybe(base, name) as below:
            if not is_folder:
                touched.add(path)
                if below is not None:
                    touched.update(path for path, _ in tree.files(below, path + "/"))
            elif depth >= tree.MAX_DEPTH:
                too_deep.add(path)
            else:
                if base is not None and below is None:
                    touched.add(path)
                with tree.folder(upper, [name]) as inner:
                    _touch(inner, below, path + "/", depth + 1, touched, too_deep)


def _opaque(folder: int) -> bool:
    try:
        return os.getxattr(folder, "user.overlay.opaque") == b"y"
    except OSError:
        return False


@contextlib.contextmanager
def _maybe(base: int | None, name: str) -> Iterator[int | None]:
    """The folder `name` of the base, None when the base has none there."""
    with contextlib.ExitStack() as stack:
        below = None
        if base is not None:
            with contextlib.suppress(OSError, tree.Unsafe):
                below = stack.enter_context(tree.folder(base, [name]))
        yield below


def _judge(path: str, merged: int, base: int) -> Found | None:
    now, was = tree.look(merged, path), tree.look(base, path)
    if (now is None or stat.S_ISDIR(now.st_mode)) and (was is None or stat.S_ISDIR(was.st_mode)):
        return None
    if not tree.is_plain(path):
        return Found(_shown(path), "refused", detail="an unsafe name")
    if now is None or stat.S_ISDIR(now.st_mode):
        return Found(path, "deleted")
    if was is not None and _same(path, merged, base, now, was):
        return None
    if reason := _refusal(now):
        return Found(path, "refused", detail=reason)
    try:
        content = tree.read(merged, path, MAX_FILE_BYTES)
    except (OSError, tree.Unsafe) as error:
        return Found(path, "refused", detail=str(error))
    return Found(path, "written", bool(now.st_mode & 0o100), content)


def _shown(path: str) -> str:
    """A name that can be shown, whatever bytes the real one has."""
    return path if tree.is_plain(path) else ascii(path)[1:-1]


def _refusal(now: os.stat_result) -> str:
    if not stat.S_ISREG(now.st_mode):
        return tree.kind_of(now.st_mode)
    if now.st_nlink > 1:
        return "a hard link"
    if now.st_size > MAX_FILE_BYTES:
        return f"larger than {MAX_FILE_BYTES:,} bytes"
    return ""


def _same(path: str, merged: int, base: int, now: os.stat_result, was: os.stat_result) -> bool:
    if stat.S_IFMT(now.st_mode) != stat.S_IFMT(was.st_mode) or now.st_size != was.st_size:
        return False
    if stat.S_ISLNK(now.st_mode):
        return _target(merged, path) == _target(base, path)
    if not stat.S_ISREG(now.st_mode) or (now.st_mode ^ was.st_mode) & 0o100:
        return False
    with contextlib.suppress(OSError, tree.Unsafe):
        return tree.read(merged, path, now.st_size) == tree.read(base, path, was.st_size)
    return False


def _target(root: int, path: str) -> str:
    *above, name = path.split("/")
    with tree.folder(root, above) as here:
        return os.readlink(name, dir_fd=here)
