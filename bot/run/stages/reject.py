"""Reject a Patch: journal why, and say who tries next. Used by the edit and validate stages."""

from __future__ import annotations

from dataclasses import replace

from bot.core import routing
from bot.core.patch import Patch
from bot.core.policy.diff import Concern
from bot.core.proof import Proof
from bot.core.run import FixerName, Run
from bot.run.prove import Evidence, prove
from bot.run.screen import tellable
from bot.run.work import Work


async def reject(work: Work, run: Run, patch: Patch, proof: Proof) -> Run:
    """The Run at its next rung, or once more at the agent's; `patch` is written down as it is."""
    if run.fixer is None:
        raise AssertionError("a rejected patch has its fixer")
    why = "; ".join(f"{claim.name.value}: {claim.detail}" for claim in proof.missing)
    await work.note("patch.rejected", fixer=run.fixer.value, why=why, patch=patch.to_json(), proof=proof.to_json())
    again = run.fixer is FixerName.AGENT and run.tries < routing.attempts(max(1, len(work.services.models)))
    rung, tries = (run.rung, run.tries) if again else (run.rung + 1, 0)
    return replace(run, rung=rung, tries=tries)


async def reject_untold(work: Work, run: Run, patch: Patch, concerns: tuple[Concern, ...]) -> Run:
    """Reject a Patch that must not be written down: only what `concerns` leave of it is, and it is never run."""
    if run.plan is None:
        raise AssertionError("a run is planned before it is edited")
    proof = prove(run.plan.target, run.plan.baseline, unheard_of(run, concerns))
    return replace(await reject(work, run, tellable(patch, concerns), proof), patch=None, proof=None)


def unheard_of(run: Run, concerns: tuple[Concern, ...]) -> Evidence:
    """The evidence about a Patch that is refused anyway, and therefore never run."""
    if run.plan is None:
        raise AssertionError("a run is planned before its patch is judged")
    return Evidence(run.plan.baseline.tests, run.plan.baseline.findings, concerns)
