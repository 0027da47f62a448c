"""The agent rung: a model explores, edits and submits inside the sandbox. Climbed last by the edit stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.core import routing
from bot.core.policy.verdict import Refused
from bot.core.routing import NO_LIMITS, Policy
from bot.core.run import FixerName
from bot.repair.agent import context, prompts
from bot.repair.agent.asking import Asker
from bot.repair.agent.history import History
from bot.repair.agent.loop import Ended, Loop
from bot.repair.agent.meter import Meter
from bot.repair.agent.stops import StopReason
from bot.repair.agent.tools import Toolbox
from bot.repair.base import Allowance, Proposal, Task
from bot.repair.collect import Collected, collect
from bot.services.llm import Models


class AgentFixer:
    """Implements Fixer with one model, or several in order of preference, within the limits of a policy.

    Keys stay in this process: the Session gets the project's variables only.
    """

    name = FixerName.AGENT

    def __init__(self, models: Models | Sequence[Models], policy: Policy = NO_LIMITS) -> None:
        self._models = (models,) if isinstance(models, Models) else tuple(models)
        self._policy = policy

    async def propose(self, task: Task) -> Proposal:
        """Let a model work within `task.allowance`; what it edited is proposed even when it did not submit."""
        turn = await self._turn(task)
        if isinstance(turn, Refused):
            await task.note("agent.stopped", reason=StopReason.NO_MODEL.value, sentence=turn.reason, figures="")
            return Proposal(None, tried=(turn.reason,))
        meter = Meter(self._allowance(task.allowance, turn[0].model))
        async with await task.open_session() as session:
            toolbox = Toolbox(session, task.environment.variables, lambda: meter.seconds_left)
            history = History(prompts.SYSTEM, await context.build(task, session))
            ended = await Loop(Asker(turn, task, meter), toolbox, task, meter, history).run()
            collected = await collect(session, task.plan.base, task.base_tree)
        await task.note("agent.stopped", reason=ended.reason.value, sentence=ended.sentence, figures=meter.figures)
        return _proposal(task, ended, collected, meter)

    async def _turn(self, task: Task) -> tuple[Models, ...] | Refused:
        """Who works on this attempt, and who steps in."""
        if len(self._models) == 1 and self._policy == NO_LIMITS:
            return self._models
        by_name = {models.model: models for models in self._models}
        candidates = [await models.candidate() for models in self._models]
        fit = routing.allowed(self._policy, candidates, token_cap=task.allowance.tokens)
        if isinstance(fit, Refused):
            return fit
        attempt = sum(rejected.fixer is FixerName.AGENT for rejected in task.rejected)
        return tuple(by_name[candidate.name] for candidate in routing.order(fit, attempt))

    def _allowance(self, allowance: Allowance, model: str) -> Allowance:
        steps, cost_usd = self._policy.steps_for(model), self._policy.cost_usd
        return replace(
            allowance,
            steps=allowance.steps if steps is None else min(steps, allowance.steps),
            cost_usd=allowance.cost_usd if cost_usd is None else min(cost_usd, allowance.cost_usd),
        )


def _proposal(task: Task, ended: Ended, collected: Collected, meter: Meter) -> Proposal:
    tried = [f"{ended.sentence.rstrip('.')} ({meter.figures}).", *collected.refused]
    patch = collected.patch if ended.reason.keeps_work and not collected.empty else None
    if patch is not None and any(patch == rejected.patch for rejected in task.rejected):
        patch = None
        tried.append("It proposed a patch that was refused before.")
    elif patch is None and ended.reason is StopReason.SUBMITTED:
        tried.append("It submitted nothing to change.")
    return Proposal(patch, ended.summary, tuple(tried), meter.cost_usd, meter.tokens)
