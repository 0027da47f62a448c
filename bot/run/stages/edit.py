"""Edit: ask one rung of the ladder for a Patch. Nothing found climbs to the next rung; the last one ends the Run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

from bot.core import messages
from bot.core.budget import Caps, Payer
from bot.core.errors import UserError
from bot.core.machine import Move, after
from bot.core.patch import Patch
from bot.core.proof import ClaimName, Proof
from bot.core.run import Ending, FixerName, JournalEntry, Plan, Run
from bot.core.settings import Settings
from bot.core.untrusted import clip
from bot.repair.base import Allowance, Fixer, Proposal, Purse, Rejected, Task
from bot.run.forge import BOT
from bot.run.screen import base_contents, screen_text, untold
from bot.run.stages.reject import reject_untold
from bot.run.work import Work

MOST_DIFF = 200_000  # characters; the run page shows no more


async def edit(work: Work, run: Run) -> Run:
    """Climb one rung. Safe to run twice: a rung's only lasting trace is the journal and the Patch in the Run."""
    if run.plan is None:
        raise AssertionError("a run is planned before it is edited")
    if run.rung >= len(work.ladder):
        return _out_of_rungs(work, run, run.plan, await work.entries())
    fixer = work.ladder[run.rung]
    entries = await work.entries()
    task = await _task(work, run, run.plan, fixer, entries)
    started = time.monotonic()
    await work.note("fixer.started", fixer=fixer.name.value)
    proposal = await fixer.propose(task)
    found = proposal.patch is not None and bool(proposal.patch.changes)
    tried = [screen_text(_named(fixer.name, line)) for line in proposal.tried]
    await work.note(
        "fixer.finished",
        fixer=fixer.name.value,
        found=found,
        tried=tried,
        summary=screen_text(proposal.summary),
        seconds=round(time.monotonic() - started, 3),
    )
    run = replace(run, cost_usd=round(await work.services.store.journal.cost(run.id), 6))
    if proposal.patch is None or not found:
        return replace(run, rung=run.rung + 1, tries=0)
    return await _proposed(work, run, fixer, proposal, proposal.patch)


def _named(name: FixerName, line: str) -> str:
    """Every line of what was tried says whose it is, however the fixer put it."""
    return line if line.startswith(f"{name.value}:") else f"{name.value}: {line}"


async def _proposed(work: Work, run: Run, fixer: Fixer, proposal: Proposal, patch: Patch) -> Run:
    mirror = await work.mirror(run)
    base = await base_contents(mirror, patch)
    run = replace(run, fixer=fixer.name, tries=run.tries + 1)
    if concerns := await asyncio.to_thread(untold, patch, base):
        return await reject_untold(work, run, patch, tuple(concerns))
    message = screen_text(proposal.summary) or "Candidate"
    try:
        sha = await mirror.commit(patch, message=message, author=BOT, date=run.created_at)
        diff = await mirror.diff(patch.base, sha)
    except UserError as error:
        # A patch that changes nothing, or that git refuses, is no reason to stop climbing.
        await work.note("fixer.refused", fixer=fixer.name.value, why=str(error))
        return replace(run, fixer=None, rung=run.rung + 1, tries=0)
    await work.note("run.diff", diff=clip(diff, MOST_DIFF), fixer=fixer.name.value)
    return replace(run, patch=patch, proof=None, state=after(run.state, Move.EDIT))


async def _task(work: Work, run: Run, plan: Plan, fixer: Fixer, entries: list[JournalEntry]) -> Task:
    mirror = await work.mirror(run)
    tree = await mirror.base_tree(plan.base)
    project, environment = await work.prepare(tree)
    spent = await work.services.store.journal.cost(run.id)
    return Task(
        subject=run.subject,
        plan=plan,
        base_tree=tree,
        project=project,
        environment=environment,
        open_session=lambda: work.open_session(tree, environment),
        note=work.note,
        allowance=_allowance(work.services.settings, spent),
        rejected=rejected_of(entries),
        stop=work.stop_reason,
        purse=_purse(work, run),
    )


def _allowance(settings: Settings, spent: float) -> Allowance:
    allowance = Allowance(cost_usd=max(0.0, settings.budget_usd - spent))
    return allowance if settings.policy.steps is None else replace(allowance, steps=settings.policy.steps)


def _purse(work: Work, run: Run) -> Purse:
    settings = work.services.settings
    caps = Caps(settings.budget_usd, settings.repository_day_usd, settings.installation_month_usd)
    return Purse(work.services.store.ledger, Payer(run.id, run.repository_id, run.installation_id), caps)


def rejected_of(entries: Iterable[JournalEntry]) -> tuple[Rejected, ...]:
    """The Patches of this Run that were not proven, oldest first."""
    found = [entry.data for entry in entries if entry.kind == "patch.rejected"]
    return tuple(_rejected(data) for data in found)


def _rejected(data: dict[str, object]) -> Rejected:
    patch, proof = data["patch"], data["proof"]
    if not isinstance(patch, dict) or not isinstance(proof, dict):
        raise ValueError("a journal entry patch.rejected without patch or proof")
    return Rejected(FixerName(str(data["fixer"])), Patch.from_json(patch), Proof.from_json(proof))


def _out_of_rungs(work: Work, run: Run, plan: Plan, entries: list[JournalEntry]) -> Run:
    """End the Run with its best patch, by what was shown of it (never by a fixer's word)."""
    if rejected := rejected_of(entries):
        best = max(rejected, key=lambda r: (len(r.proof.claims) - len(r.proof.missing), -r.patch.size))
        why = messages.not_proven(best.proof)
        kept = all(claim.held for claim in best.proof.claims if claim.name is ClaimName.POLICY_KEPT)
        ending = Ending.NOT_PROVEN if kept else Ending.REFUSED
        return replace(run, patch=best.patch, proof=best.proof, fixer=best.fixer, ending=ending, reason=why)
    run = replace(run, patch=None, proof=None, fixer=None)
    if short := _short_of_money(entries):
        return replace(run, ending=Ending.BUDGET, reason=messages.budget_spent(run.cost_usd, short))
    if any(fixer.name is FixerName.AGENT for fixer in work.ladder):
        return replace(run, ending=Ending.NOTHING_FOUND, reason=messages.nothing_found())
    return replace(run, ending=Ending.NEEDS_MODEL, reason=messages.needs_model(plan.target.kind))


def _short_of_money(entries: Iterable[JournalEntry]) -> str:
    """Which cap stopped the last attempt of the agent, in our own words; empty when it was something else."""
    stops = [entry.data for entry in entries if entry.kind == "agent.stopped"]
    return str(stops[-1].get("sentence")) if stops and stops[-1].get("reason") == "money" else ""
