"""What a Session's changes are worth as a Patch: every fixer collects its work here, and only here.

Tools leave caches and build outputs beside the work, and untrusted code can leave links and devices: neither may reach
a commit. The base tree is untrusted too, so it is looked at without following links.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bot.core.errors import UserError
from bot.core.patch import FileChange, Mode, Patch, check_path
from bot.sandbox.protocol import Change, ChangeKind, Session

_CACHES = frozenset({
    "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox", ".venv", "venv",
    "node_modules", ".cache", ".git", ".ipynb_checkpoints", ".benchmarks", ".eggs", ".coverage", ".DS_Store",
})  # fmt: skip
_CACHE_SUFFIXES = (".pyc", ".pyo", ".egg-info", ".orig", ".rej", ".swp")
_OUTPUTS = frozenset(["build", "dist", "target", "htmlcov", "coverage", "out", "coverage.xml"])


@dataclass(frozen=True, slots=True)
class Collected:
    """A Session's work: `patch` (its changes may be empty) and `refused`, one sentence for each path left out."""

    patch: Patch
    refused: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """True when nothing worth a commit changed."""
        return not self.patch.changes


async def collect(session: Session, base: str, base_tree: Path) -> Collected:
    """Make a Patch against commit `base` (whose files lie in `base_tree`) of what changed in `session`.

    Caches and build outputs that the base does not hold are left out in silence; links, devices and unsafe paths are
    left out and named. A file keeps the base's mode, so that rewriting a script does not drop its executable bit.
    Raises Infrastructure when the sandbox failed.
    """
    changes = await session.changes()
    return await asyncio.to_thread(_collect, changes, base, base_tree)


def _collect(changes: Iterable[Change], base: str, tree: Path) -> Collected:
    wanted: dict[str, FileChange] = {}
    refused: list[str] = []
    for change in changes:
        if is_byproduct(change.path, tree):
            continue
        try:
            wanted.update((file.path, file) for file in _file_changes(change, tree))
        except UserError as error:
            refused.append(str(error))
    return Collected(Patch(base, tuple(wanted.values())), tuple(refused))


def is_byproduct(path: str, tree: Path) -> bool:
    """True for what tools leave behind (caches, build outputs), unless the base tree itself holds it."""
    parts = PurePosixPath(path).parts
    for depth, part in enumerate(parts):
        if part == ".git":
            return True
        tooling = part in _CACHES or part.endswith(_CACHE_SUFFIXES) or part.startswith(".coverage.")
        output = part in _OUTPUTS and depth == 0
        if (tooling or output) and _plain(tree, "/".join(parts[: depth + 1])) is None:
            return True
    return False


def _file_changes(change: Change, tree: Path) -> Iterator[FileChange]:
    _check_name(change.path)
    found = _plain(tree, change.path)
    match change.kind:
        case ChangeKind.REFUSED:
            raise UserError(f"{change.path!r} was left out: {change.detail or 'it is not a regular file'}.")
        case ChangeKind.DELETED:
            yield from _deletions(change.path, found, tree)
        case ChangeKind.WRITTEN:
            yield from _written(change, found, tree)


def _written(change: Change, found: Path | None, tree: Path) -> Iterator[FileChange]:
    if found is None and _crosses_link(tree, change.path):
        raise UserError(f"{change.path!r} was left out: the repository has a symbolic link there.")
    content = change.content or b""
    if found is None or found.is_dir():
        yield FileChange(change.path, content, Mode.EXECUTABLE if change.executable else Mode.FILE)
    elif found.read_bytes() != content:
        yield FileChange(change.path, content, _mode(found))


def _deletions(path: str, found: Path | None, tree: Path) -> Iterator[FileChange]:
    if found is None:
        if _crosses_link(tree, path):
            raise UserError(f"{path!r} was left out: the repository has a symbolic link there.")
        return
    files = [found] if found.is_file() else sorted(f for f in found.rglob("*") if f.is_file() and not f.is_symlink())
    for file in files:
        yield FileChange(file.relative_to(tree).as_posix(), None, _mode(file))


def _check_name(path: str) -> None:
    check_path(path)
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"The path {path[:200]!r} is not valid UTF-8.") from error


def _plain(tree: Path, path: str) -> Path | None:
    """The regular file or folder at `path` of the base, or None when there is none or a link is on the way."""
    if _crosses_link(tree, path):
        return None
    found = tree / path
    return found if found.is_file() or found.is_dir() else None


def _crosses_link(tree: Path, path: str) -> bool:
    parts = PurePosixPath(path).parts
    return any(tree.joinpath(*parts[: depth + 1]).is_symlink() for depth in range(len(parts)))


def _mode(file: Path) -> Mode:
    return Mode.EXECUTABLE if file.stat().st_mode & 0o100 else Mode.FILE
