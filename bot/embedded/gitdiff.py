"""Reads what `git diff-tree` prints; pure. Called by `bot.embedded.gitrepo`."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One changed file between two commits; counts are 0 and `patch` None for binary files."""

    path: str
    status: str
    additions: int
    deletions: int
    sha: str
    previous: str | None
    patch: str | None


def patches_by_path(diff: str) -> dict[str, str]:
    """Path -> hunks of a `git diff -p`, without the file headers; binary files are left out."""
    patches: dict[str, str] = {}
    for section in ("\n" + diff).split("\ndiff --git ")[1:]:
        start = section.find("\n@@")
        if start < 0:
            continue
        header, patch = section[:start], section[start + 1 :]
        new = next((line[6:] for line in header.split("\n") if line.startswith("+++ b/")), None)
        old = next((line[6:] for line in header.split("\n") if line.startswith("--- a/")), None)
        patches[(new or old or "").rstrip("\t")] = patch.rstrip("\n")
    return patches


def file_diffs(out: str, patches: Mapping[str, str]) -> list[FileDiff]:
    """The rows of `git diff-tree -r -M --raw --numstat -z`, each with its patch."""
    tokens = out.split("\0")
    raw, position = _raw_rows(tokens)
    counts = _count_rows(tokens, position)
    names = {"A": "added", "D": "removed", "R": "renamed", "C": "copied"}
    diffs = []
    for letter, old_sha, new_sha, previous, path in raw:
        added, removed = counts.get(path, (0, 0))
        sha = old_sha if letter == "D" else new_sha
        status = names.get(letter, "modified")
        diffs.append(FileDiff(path, status, added, removed, sha, previous, patches.get(path)))
    return diffs


def _raw_rows(tokens: list[str]) -> tuple[list[tuple[str, str, str, str | None, str]], int]:
    rows: list[tuple[str, str, str, str | None, str]] = []
    position = 0
    while position < len(tokens) and tokens[position].startswith(":"):
        _, _, old_sha, new_sha, status = tokens[position].split(" ")
        moved = status[0] in "RC"
        previous = tokens[position + 1] if moved else None
        path = tokens[position + 2 if moved else position + 1]
        rows.append((status[0], old_sha, new_sha, previous, path))
        position += 3 if moved else 2
    return rows, position


def _count_rows(tokens: list[str], position: int) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    while position < len(tokens) and tokens[position]:
        added, removed, path = tokens[position].split("\t", 2)
        if path:
            position += 1
        else:
            path = tokens[position + 2]
            position += 3
        counts[path] = (int(added) if added.isdigit() else 0, int(removed) if removed.isdigit() else 0)
    return counts
