"""A Patch: a set of file changes against a base commit.

Made by fixers, proven by validate, committed by services.git.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from bot.core.errors import UserError


class Mode(StrEnum):
    """Git file modes that a Patch may carry; symlinks and submodules are never written."""

    FILE = "100644"
    EXECUTABLE = "100755"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file's new content (whole bytes), or `None` for a deletion. `path` is relative, posix, checked by `Patch`."""

    path: str
    content: bytes | None
    mode: Mode = Mode.FILE


@dataclass(frozen=True, slots=True)
class Patch:
    """Changes against `base` (40 hex digits), sorted, at most one per path. Raises UserError on an unsafe path."""

    base: str
    changes: tuple[FileChange, ...] = ()

    def __post_init__(self) -> None:
        paths = [change.path for change in self.changes]
        if len(set(paths)) != len(paths):
            raise UserError(f"The patch names a path twice: {_first_repeated(paths)!r}.")
        for path in paths:
            check_path(path)
        object.__setattr__(self, "changes", tuple(sorted(self.changes, key=lambda change: change.path)))

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that the Patch touches, sorted."""
        return tuple(change.path for change in self.changes)

    @property
    def size(self) -> int:
        """Bytes of new content over all changes."""
        return sum(len(change.content or b"") for change in self.changes)

    def get(self, path: str) -> FileChange | None:
        """The change at `path`, if any."""
        return next((change for change in self.changes if change.path == path), None)

    def without(self, paths: Iterable[str]) -> Patch:
        """The same Patch less the changes at `paths`."""
        dropped = set(paths)
        return Patch(self.base, tuple(change for change in self.changes if change.path not in dropped))

    def to_json(self) -> dict[str, object]:
        """A JSON-ready form: content is base64, `None` for deletions."""
        return {
            "base": self.base,
            "changes": [
                {
                    "path": change.path,
                    "mode": change.mode.value,
                    "content": None if change.content is None else base64.b64encode(change.content).decode(),
                }
                for change in self.changes
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Patch:
        """The inverse of `to_json`; raises KeyError or ValueError on another shape."""
        changes = data["changes"]
        if not isinstance(changes, list):
            raise ValueError("changes must be a list")
        return cls(
            str(data["base"]),
            tuple(
                FileChange(
                    item["path"],
                    None if item["content"] is None else base64.b64decode(item["content"]),
                    Mode(item["mode"]),
                )
                for item in changes
            ),
        )


def check_path(path: str) -> None:
    """Raise UserError unless `path` is a plain relative posix path that git stores safely on every system.

    The rules follow git's own `core.protectHFS` and `core.protectNTFS` for what may alias `.git`.
    """
    parts = path.split("/")
    if not path or path.startswith("/") or "\\" in path or len(path.encode(errors="surrogateescape")) > 4096:
        raise UserError(f"The path {path[:200]!r} is not a relative path inside the repository.")
    if any(ord(char) < 32 or ord(char) == 127 for char in path):
        raise UserError(f"The path {path[:200]!r} holds a control character.")
    for part in parts:
        if part in ("", ".", ".."):
            raise UserError(f"The path {path[:200]!r} leaves the repository or has an empty part.")
        if _aliases_git(part):
            raise UserError(f"The path {path[:200]!r} would write inside a .git folder.")


def _aliases_git(part: str) -> bool:
    # HFS+ ignores these code points, so ".g\u200cit" opens ".git" there; NTFS strips trailing dots, spaces and streams.
    visible = "".join(char for char in part if not _ignored_by_hfs(char))
    plain = visible.split(":")[0].rstrip(". ").lower()
    return plain == ".git" or plain.startswith("git~")


def _ignored_by_hfs(char: str) -> bool:
    return (
        char == "\ufeff" or "\u200c" <= char <= "\u200f" or "\u202a" <= char <= "\u202e" or "\u206a" <= char <= "\u206f"
    )


def _first_repeated(paths: list[str]) -> str:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            return path
        seen.add(path)
    return ""


def suffix(path: str) -> str:
    """The lower-case suffix of a repository path, such as `.py`."""
    return PurePosixPath(path).suffix.lower()
