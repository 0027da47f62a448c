"""Publish: bring branch, pull request, check run and comment to what the Run wants. A reconciler that may run twice."""

from __future__ import annotations

from dataclasses import replace

from bot.core.machine import Move, after
from bot.core.run import Ending, Run
from bot.run.progress import summary_of
from bot.run.work import Work


async def publish(work: Work, run: Run) -> Run:
    """Hand the proven (or weakly proven) Patch to the forge."""
    entries = await work.entries()
    published = await work.forge.publish(run, summary_of(entries), await work.progress(run))
    done = replace(
        run,
        branch=published.branch,
        head=published.head,
        pull_request=published.pull_request,
        ending=Ending.PUBLISHED,
    )
    # A local repository has no review: its branch is the end of the road.
    move = Move.PUBLISH if published.pull_request is not None else Move.FINISH
    return replace(done, state=after(run.state, move))
