"""What a Patch may do to a repository: protected paths, size, and tests that must not be weakened. Pure.

A concern either refuses the patch or makes its pull request a draft; the reason is what the user reads.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.core.patch import FileChange, Patch
from bot.core.policy import paths
from bot.core.policy.weakened import weakenings


class Severity(StrEnum):
    """What follows from a concern."""

    DRAFT = "draft"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that the patch does which a person must know."""

    severity: Severity
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class PatchLimits:
    """How large a patch may be: files, changed lines over all, and bytes a file (SANDBOX.md, defaults)."""

    files: int = 50
    lines: int = 2000
    file_bytes: int = 1 << 20


def judge(patch: Patch, base: Mapping[str, bytes | None], limits: PatchLimits | None = None) -> list[Concern]:
    """Every concern about `patch`; `base` holds the old bytes of each path it touches (None: the file is new)."""
    return [
        *_sizes(patch, base, limits or PatchLimits()),
        *(c for change in patch.changes for c in _file(change, base)),
    ]


def refusals(concerns: list[Concern]) -> list[Concern]:
    """The concerns that refuse."""
    return [concern for concern in concerns if concern.severity is Severity.REFUSE]


def _sizes(patch: Patch, base: Mapping[str, bytes | None], limits: PatchLimits) -> Iterator[Concern]:
    if len(patch.changes) > limits.files:
        yield Concern(
            Severity.REFUSE, "", f"it changes {len(patch.changes)} files, more than the {limits.files} allowed"
        )
    for change in patch.changes:
        if len(change.content or b"") > limits.file_bytes:
            yield Concern(Severity.REFUSE, change.path, f"{change.path} is larger than {limits.file_bytes} bytes")
    lines = sum(changed_lines(base.get(change.path), change.content) for change in patch.changes)
    if lines > limits.lines:
        yield Concern(Severity.REFUSE, "", f"it changes {lines} lines, more than the {limits.lines} allowed")


def changed_lines(old: bytes | None, new: bytes | None) -> int:
    """Lines removed and added between two versions of a file."""
    before, after = (old or b"").splitlines(), (new or b"").splitlines()
    if not before or not after:
        return len(before) + len(after)
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return len(before) + len(after) - 2 * same


def _file(change: FileChange, base: Mapping[str, bytes | None]) -> Iterator[Concern]:
    path, old = change.path, base.get(change.path)
    if paths.is_protected(path):
        yield Concern(Severity.REFUSE, path, f"{path} is protected: it steers CI, ownership or git itself")
    elif paths.is_lock(path) or paths.is_manifest(path):
        yield Concern(Severity.DRAFT, path, f"{path} decides what gets installed")
    elif paths.is_tool_config(path):
        yield Concern(Severity.DRAFT, path, f"{path} decides how tests and checks run")
    if b"\0" in (change.content or b""):
        yield Concern(Severity.REFUSE, path, f"{path} would become a binary file")
    if paths.is_test(path) and old is not None:
        yield from _test_file(path, old, change.content)


def _test_file(path: str, old: bytes, new: bytes | None) -> Iterator[Concern]:
    if new is None:
        yield Concern(Severity.REFUSE, path, f"{path} is a test file and would be deleted")
        return
    for weakening in weakenings(path, old, new):
        severity = Severity.REFUSE if weakening.certain else Severity.DRAFT
        yield Concern(severity, path, weakening.reason)
