"""Pull requests end their run: merged is done, closed is taken back. Called from bot.jobs.deliver."""

from __future__ import annotations

from bot.core.events import PullRequestClosed
from bot.core.intents import EndReview, Intent
from bot.core.view import RepoView


def closed(event: PullRequestClosed, view: RepoView) -> list[Intent]:
    """End the review of the run that opened this pull request."""
    if view.reviewed is None:
        return []
    return [EndReview(view.reviewed.id, event.merged, event.sender.login)]
