"""Put a Patch into a Session's workspace; used by validate and by fixers that try a candidate."""

from __future__ import annotations

from bot.core.errors import Infrastructure
from bot.core.patch import Mode, Patch
from bot.sandbox.protocol import Session


async def apply(session: Session, patch: Patch) -> None:
    """Write and delete what `patch` says, whatever the workspace holds now; raises Infrastructure when that fails."""
    for change in patch.changes:
        if change.content is not None:
            await session.write(change.path, change.content)
    deleted = [change.path for change in patch.changes if change.content is None]
    await _run(session, ["rm", "-f", "--", *deleted], deleted)
    executable = [c.path for c in patch.changes if c.mode is Mode.EXECUTABLE and c.content is not None]
    await _run(session, ["chmod", "755", "--", *executable], executable)


async def _run(session: Session, argv: list[str], paths: list[str]) -> None:
    if paths and not (result := await session.run(argv)).ok:
        raise Infrastructure(f"The patch could not be applied in the sandbox: {result.stderr.text[:300]}")
