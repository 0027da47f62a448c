"""A unified diff as rows that a template can colour. What is no diff is still shown, as plain text. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

MOST_ROWS = 4000


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `sign` is `+`, `-`, a space, or `@` for a hunk's head; numbers are None where the side has no line."""

    sign: str
    old: int | None
    new: int | None
    text: str


@dataclass(frozen=True, slots=True)
class FileDiff:
    """The rows of one file; `what` is added, deleted, renamed or changed."""

    path: str
    what: str
    added: int
    removed: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """All files of a diff; `plain` is its text when it could not be read as one; `cut` rows were left out."""

    files: tuple[FileDiff, ...] = ()
    plain: str = ""
    cut: int = 0

    @property
    def added(self) -> int:
        """Lines added over all files."""
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        """Lines removed over all files."""
        return sum(file.removed for file in self.files)


def read_diff(text: str) -> Diff:
    """Read git's unified diff; never raises."""
    try:
        patched = PatchSet(text)
    except (UnidiffParseError, ValueError, IndexError):
        return Diff(plain=text)
    if not len(patched):
        return Diff(plain=text)
    files, room, cut = [], MOST_ROWS, 0
    for file in patched:
        rows = _rows(file)
        files.append(FileDiff(file.path, _what(file), file.added, file.removed, rows[:room]))
        cut += max(0, len(rows) - room)
        room = max(0, room - len(rows))
    return Diff(tuple(files), cut=cut)


def _what(file: PatchedFile) -> str:
    if file.is_added_file:
        return "added"
    if file.is_removed_file:
        return "deleted"
    return "renamed" if file.is_rename else "changed"


def _rows(file: PatchedFile) -> tuple[Row, ...]:
    rows = []
    for hunk in file:
        head = f"@@ -{hunk.source_start},{hunk.source_length} +{hunk.target_start},{hunk.target_length} @@"
        rows.append(Row("@", None, None, f"{head} {hunk.section_header}".rstrip()))
        for line in hunk:
            text = line.value.removesuffix("\n")
            rows.append(Row(line.line_type, line.source_line_no, line.target_line_no, text))
    return tuple(rows)
