"""The agent rung: a model explores, edits and submits inside the sandbox. Climbed last by the edit stage."""

from __future__ import annotations

from bot.core.run import FixerName
from bot.repair.agent import context, prompts
from bot.repair.agent.history import History
from bot.repair.agent.loop import Ended, Loop
from bot.repair.agent.meter import Meter
from bot.repair.agent.stops import StopReason
from bot.repair.agent.tools import Toolbox
from bot.repair.base import Proposal, Task
from bot.repair.collect import Collected, collect
from bot.services.llm import Models


class AgentFixer:
    """Implements Fixer with one model. Its key stays in this process: the Session gets the project's variables only."""

    name = FixerName.AGENT

    def __init__(self, models: Models) -> None:
        self._models = models

    async def propose(self, task: Task) -> Proposal:
        """Let the model work within `task.allowance`; what it edited is proposed even when it did not submit."""
        meter = Meter(task.allowance)
        async with await task.open_session() as session:
            toolbox = Toolbox(session, task.environment.variables, lambda: meter.seconds_left)
            history = History(prompts.SYSTEM, await context.build(task, session))
            ended = await Loop(self._models, toolbox, task, meter, history).run()
            collected = await collect(session, task.plan.base, task.base_tree)
        await task.note("agent.stopped", reason=ended.reason.value, sentence=ended.sentence, figures=meter.figures)
        return _proposal(task, ended, collected, meter)


def _proposal(task: Task, ended: Ended, collected: Collected, meter: Meter) -> Proposal:
    tried = [f"{ended.sentence.rstrip('.')} ({meter.figures}).", *collected.refused]
    patch = collected.patch if ended.reason.keeps_work and not collected.empty else None
    if patch is not None and any(patch == rejected.patch for rejected in task.rejected):
        patch = None
        tried.append("It proposed a patch that was refused before.")
    elif patch is None and ended.reason is StopReason.SUBMITTED:
        tried.append("It submitted nothing to change.")
    return Proposal(patch, ended.summary, tuple(tried), meter.cost_usd, meter.tokens)
