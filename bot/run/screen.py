"""What may be written down of what a fixer proposes: the journal is shown, kept and copied, so no secret enters it.

Used by the edit stage before it journals anything, and by validate once more. CPU-heavy parts are plain functions: call
them in a thread, or a large patch stops the lease from being renewed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bot.core.errors import UserError
from bot.core.patch import FileChange, Patch
from bot.core.policy.diff import Concern, PatchLimits, Severity, sizes
from bot.services.git import Mirror
from checks.secrets import scan_patch

_LEFT_OUT = "(left out: it seems to hold a secret)"


async def base_contents(mirror: Mirror, patch: Patch) -> dict[str, bytes | None]:
    """The old bytes of each path that `patch` touches; None when the base does not have it."""

    async def old(path: str) -> bytes | None:
        try:
            return await mirror.show(patch.base, path)
        except UserError:
            return None  # the patch adds this file

    return dict(zip(patch.paths, await asyncio.gather(*map(old, patch.paths)), strict=True))


def untold(patch: Patch, base: Mapping[str, bytes | None]) -> list[Concern]:
    """Why the content of `patch` must not be journalled: it is too large, or holds a secret; empty when it may."""
    return [*sizes(patch, base, PatchLimits()), *secrets(patch, base)]


def secrets(patch: Patch, base: Mapping[str, bytes | None]) -> list[Concern]:
    """A refusal for each line that `patch` adds and that seems to hold a secret; it does not repeat the line."""
    return [
        Concern(Severity.REFUSE, finding.path, f"{finding.path}:{finding.line} seems to hold a secret ({finding.rule})")
        for finding in scan_patch(patch, base.get)
    ]


def tellable(patch: Patch, concerns: tuple[Concern, ...]) -> Patch:
    """The part of `patch` that may be journalled: without the paths of `concerns`, nothing when it is too large."""
    if any(not concern.path for concern in concerns):
        return Patch(patch.base)
    return patch.without({concern.path for concern in concerns})


def screen_text(text: str) -> str:
    """`text` with each line that seems to hold a secret replaced."""
    lines = text.split("\n")
    content = "\n".join(" ".join(line.splitlines()) for line in lines).encode(errors="replace")
    found = scan_patch(Patch("0" * 40, (FileChange("text.txt", content),)), lambda path: None)
    for finding in found:
        lines[finding.line - 1] = _LEFT_OUT
    return "\n".join(lines)
