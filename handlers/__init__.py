"""Pure functions from an Event and a view of the repository to Intents. Called from bot.jobs.deliver."""

from __future__ import annotations

from typing import assert_never

from bot.core.events import (
    Event,
    IssueClosed,
    IssueLabelled,
    IssueUnlabelled,
    PullRequestClosed,
    RepositoriesChanged,
)
from bot.core.intents import Intent
from bot.core.view import RepoView
from handlers import installations, issues, reviews


def handle(event: Event, view: RepoView) -> list[Intent]:
    """Say what `event` asks for, by the one handler that it has."""
    match event:
        case IssueLabelled():
            return issues.labelled(event, view)
        case IssueUnlabelled():
            return issues.unlabelled(event, view)
        case IssueClosed():
            return issues.closed(event, view)
        case PullRequestClosed():
            return reviews.closed(event, view)
        case RepositoriesChanged():
            return installations.changed(event, view)
        case other:
            assert_never(other)
