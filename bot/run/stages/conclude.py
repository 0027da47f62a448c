"""Conclude a Run that opens no pull request: keep its best patch, say why, what was tried and what to do."""

from __future__ import annotations

from dataclasses import replace

from bot.core.machine import Move, after
from bot.core.proof import ClaimName
from bot.core.run import Ending, Run
from bot.run.work import Work


async def conclude(work: Work, run: Run) -> Run:
    """Bring the Run to failed or cancelled. The words are said before the state changes, so a crash says them again."""
    if _worth_keeping(run) and not run.branch:
        kept = await work.forge.keep(run)
        run = replace(run, branch=kept.branch, head=kept.head)
        await work.note("patch.kept", branch=kept.branch, head=kept.head)
    move = Move.CANCEL if run.ending is Ending.CANCELLED else Move.FAIL
    ended = replace(run, state=after(run.state, move))
    await work.forge.conclude(ended, await work.progress(ended))
    return ended


def _worth_keeping(run: Run) -> bool:
    """A patch that policy refused stays out of the repository: it could steer CI or hold a secret."""
    if run.patch is None or run.ending is not Ending.NOT_PROVEN or run.proof is None:
        return False
    return all(claim.held for claim in run.proof.claims if claim.name is ClaimName.POLICY_KEPT)
