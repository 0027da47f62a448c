"""Publish: bring branch, pull request, check run and comment to what the Run wants. A reconciler that may run twice."""

from __future__ import annotations

from dataclasses import replace

from bot.core.run import Ending, Run
from bot.run.progress import summary_of
from bot.run.work import Work


async def publish(work: Work, run: Run) -> Run:
    """Hand the proven (or weakly proven) Patch to the forge. The last word, and the next state, are conclude's."""
    await work.mirror(run)
    published = await work.forge.publish(run, summary_of(await work.entries()), await work.progress(run))
    return replace(
        run,
        branch=published.branch,
        head=published.head,
        pull_request=published.pull_request,
        ending=Ending.PUBLISHED,
    )
