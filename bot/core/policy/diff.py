"""What a Patch may do to a repository: protected paths, size, and tests that must not be weakened. Pure.

A concern either refuses the patch or makes its pull request a draft; the reason is what the user reads.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.core.patch import FileChange, Mode, Patch
from bot.core.policy import paths
from bot.core.policy.weakened import weakenings

_COMPARED = 300  # lines on both sides
_SILENCER = re.compile(
    rb"(?i)#[ \t]*(?:noqa|nosec|type:[ \t]*ignore|fmt:[ \t]*off|pragma:[ \t]*no)"
    rb"|#[ \t]*(?:ruff|flake8|mypy|pyright|pylint|bandit|isort|black)[ \t]*:"
    rb"|eslint-disable|@ts-(?:ignore|nocheck|expect-error)|//[ \t]*nolint|#!?\[allow\("
)


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


def judge(
    patch: Patch,
    base: Mapping[str, bytes | None],
    limits: PatchLimits | None = None,
    tests: frozenset[str] = frozenset(),
) -> list[Concern]:
    """Every concern about `patch`; `base` holds the old bytes of each path it touches (None: the file is new).

    `tests` are files that are known to hold tests, whatever they are named.
    """
    too_large = list(sizes(patch, base, limits or PatchLimits()))
    # What is refused for its size is not read any further: its author chose the size.
    return too_large or [c for change in patch.changes for c in _file(change, base.get(change.path), tests)]


def refusals(concerns: list[Concern]) -> list[Concern]:
    """The concerns that refuse."""
    return [concern for concern in concerns if concern.severity is Severity.REFUSE]


def sizes(patch: Patch, base: Mapping[str, bytes | None], limits: PatchLimits) -> Iterator[Concern]:
    """What is too large about `patch`."""
    if len(patch.changes) > limits.files:
        yield Concern(
            Severity.REFUSE, "", f"it changes {len(patch.changes)} files, more than the {limits.files} allowed"
        )
    large = [change.path for change in patch.changes if len(change.content or b"") > limits.file_bytes]
    yield from (Concern(Severity.REFUSE, path, f"{path} is larger than {limits.file_bytes} bytes") for path in large)
    small = (change for change in patch.changes if change.path not in large)
    lines = sum(changed_lines(base.get(change.path), change.content) for change in small)
    if lines > limits.lines:
        yield Concern(Severity.REFUSE, "", f"it changes {lines} lines, more than the {limits.lines} allowed")


def changed_lines(old: bytes | None, new: bytes | None) -> int:
    """Lines removed and added between two versions of a file; in large changes, moved lines do not count."""
    before, after = (old or b"").splitlines(), (new or b"").splitlines()
    start = _common(before, after)
    before, after = before[start:], after[start:]
    end = _common(before[::-1], after[::-1])
    before, after = before[: len(before) - end], after[: len(after) - end]
    if min(len(before), len(after)) > _COMPARED:
        # Comparing in order takes cubic time in the worst case, and the patch's author chooses the case.
        left, right = Counter(before), Counter(after)
        return (left - right).total() + (right - left).total()
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return len(before) + len(after) - 2 * sum(block.size for block in blocks)


def _common(left: Sequence[bytes], right: Sequence[bytes]) -> int:
    return next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _file(change: FileChange, old: bytes | None, tests: frozenset[str]) -> Iterator[Concern]:
    path, is_test = change.path, paths.is_test(change.path) or change.path in tests
    if paths.is_protected(path):
        yield Concern(Severity.REFUSE, path, f"{path} is protected: it steers CI, ownership or git itself")
    elif paths.is_lock(path) or paths.is_manifest(path):
        yield Concern(Severity.DRAFT, path, f"{path} decides what gets installed")
    elif paths.is_tool_config(path):
        yield Concern(Severity.DRAFT, path, f"{path} decides how tests and checks run")
    if b"\0" in (change.content or b""):
        yield Concern(Severity.REFUSE, path, f"{path} would become a binary file")
    if change.mode is Mode.EXECUTABLE and old is None:
        yield Concern(Severity.DRAFT, path, f"{path} would be a new executable file")
    if change.content is None and not is_test:
        yield Concern(Severity.DRAFT, path, f"{path} would be deleted")
    if _silencers(change.content) > _silencers(old):
        yield Concern(Severity.DRAFT, path, f"{path} would tell a check to be silent")
    if is_test and old is not None:
        yield from _test_file(path, old, change.content)


def _silencers(content: bytes | None) -> int:
    return len(_SILENCER.findall(content or b""))


def _test_file(path: str, old: bytes, new: bytes | None) -> Iterator[Concern]:
    if new is None:
        yield Concern(Severity.REFUSE, path, f"{path} is a test file and would be deleted")
        return
    for weakening in weakenings(path, old, new):
        severity = Severity.REFUSE if weakening.certain else Severity.DRAFT
        yield Concern(severity, path, weakening.reason)
