"""Issues ask for work: a label starts a run, taking it off or closing the issue cancels. Called by bot.jobs.deliver."""

from __future__ import annotations

from typing import assert_never

from bot.core import messages
from bot.core.events import IssueClosed, IssueLabelled, IssueUnlabelled
from bot.core.intents import CancelRun, Intent, Reaction, Reply, StartRun
from bot.core.policy.verdict import Allowed, Refused
from bot.core.policy.who import may_start
from bot.core.run import Subject, SubjectKind
from bot.core.view import RepoView


def labelled(event: IssueLabelled, view: RepoView) -> list[Intent]:
    """Start a run when the trigger label was put on an open issue by somebody who may ask."""
    issue = view.issue
    if event.label != view.trigger_label or issue is None or not issue.is_open or event.label not in issue.labels:
        return []
    if view.active is not None:
        return [Reply(event.repository, issue.number, messages.already_running(view.active))]
    if view.reviewed is not None:
        return [Reply(event.repository, issue.number, messages.already_in_review(view.reviewed))]
    match may_start(event.sender, view.permission):
        case Refused(reason):
            return [Reply(event.repository, issue.number, messages.refused(reason), Reaction.REFUSED)]
        case Allowed():
            subject = Subject(SubjectKind.ISSUE, issue.number, issue.title, issue.body, issue.author)
            return [StartRun(event.repository, subject, asked_by=event.sender.login)]
        case other:
            assert_never(other)


def unlabelled(event: IssueUnlabelled, view: RepoView) -> list[Intent]:
    """Cancel the active run when its label was taken off and is still off."""
    if event.label != view.trigger_label or view.active is None:
        return []
    if view.issue is not None and event.label in view.issue.labels:
        return []
    return [CancelRun(view.active.id, f"@{event.sender.login} removed the label `{event.label}`.")]


def closed(event: IssueClosed, view: RepoView) -> list[Intent]:
    """Cancel the active run when its issue was closed, deleted or moved away, and still is."""
    if view.active is None or (view.issue is not None and view.issue.is_open):
        return []
    return [CancelRun(view.active.id, f"@{event.sender.login} closed the issue.")]
