"""Conclude a Run: say the last word, whatever it is, and keep the best patch of one that opens no pull request."""

from __future__ import annotations

from dataclasses import replace

from bot.core import messages
from bot.core.errors import UserError
from bot.core.machine import Move, after
from bot.core.proof import ClaimName
from bot.core.run import Ending, Run
from bot.run.work import Work


async def conclude(work: Work, run: Run) -> Run:
    """Bring the Run to its end. The words are said before the state changes, so a crash says them again."""
    if _worth_keeping(run) and not run.branch:
        run = await _kept(work, run)
    if run.ending is Ending.PUBLISHED and (late := await work.stop_reason()):
        run = replace(run, reason=messages.too_late(late))
    ended = over(run)
    try:
        await work.forge.conclude(ended, await work.progress(ended))
    except UserError as error:
        # The issue may be gone or locked, the App removed: the run ends all the same, and its page says this.
        await work.note("word.lost", why=str(error))
    return ended


def over(run: Run) -> Run:
    """The Run in the state that its ending leads to."""
    match run.ending:
        case Ending.CANCELLED:
            move = Move.CANCEL
        case Ending.PUBLISHED:
            # A local repository has no review: its branch is the end of the road.
            move = Move.PUBLISH if run.pull_request is not None else Move.FINISH
        case _:
            move = Move.FAIL
    return replace(run, state=after(run.state, move))


async def _kept(work: Work, run: Run) -> Run:
    try:
        await work.mirror(run)
        kept = await work.forge.keep(run)
    except UserError as error:
        await work.note("patch.not_kept", why=str(error))
        return run
    await work.note("patch.kept", branch=kept.branch, head=kept.head)
    return replace(run, branch=kept.branch, head=kept.head)


def _worth_keeping(run: Run) -> bool:
    """A patch that policy refused stays out of the repository: it could steer CI or hold a secret."""
    if run.patch is None or run.proof is None or run.ending not in (Ending.NOT_PROVEN, Ending.BUDGET, Ending.ERROR):
        return False
    return all(claim.held for claim in run.proof.claims if claim.name is ClaimName.POLICY_KEPT)
