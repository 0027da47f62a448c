"""Handlers as tables: every event, every branch, and the one intent (or none) that it asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.core.events import (
    Actor,
    Event,
    IssueClosed,
    IssueLabelled,
    IssueRef,
    IssueUnlabelled,
    PullRequestClosed,
    RepositoriesChanged,
    RepositoryRef,
)
from bot.core.intents import (
    CancelRun,
    EndReview,
    Forget,
    Intent,
    Reaction,
    Register,
    Reply,
    StartRun,
    Suspend,
)
from bot.core.machine import State
from bot.core.policy.who import Permission
from bot.core.run import Run, Subject, SubjectKind
from bot.core.view import RepoView
from handlers import handle

ADA, ROBOT = Actor("ada", 7, is_bot=False), Actor("robot[bot]", 8, is_bot=True)
CALC, TOOLS = RepositoryRef(11, "acme/calc", 5), RepositoryRef(12, "acme/tools", 5)
ISSUE = IssueRef(3, "clamp() is wrong", "above the range", "bob", True, frozenset({"autofix"}))
SUBJECT = Subject(SubjectKind.ISSUE, 3, "clamp() is wrong", "above the range", "bob")
NOW = datetime(2026, 11, 20, tzinfo=UTC)
RUN = Run("r1", 11, 5, "acme/calc", SUBJECT, State.EDITING, "ada", NOW, NOW)

LABELLED = IssueLabelled(CALC, ISSUE, "autofix", ADA)
UNLABELLED = IssueUnlabelled(CALC, replace(ISSUE, labels=frozenset()), "autofix", ADA)
CLOSED = IssueClosed(CALC, replace(ISSUE, is_open=False), ADA)
MERGED = PullRequestClosed(CALC, 9, "fettle/issue-3", True, ADA)

VIEW = RepoView("autofix", issue=ISSUE, permission=Permission.WRITE)
BARE = replace(ISSUE, labels=frozenset())
SHUT = replace(ISSUE, is_open=False)

START: list[Intent] = [StartRun(CALC, SUBJECT, "ada")]
RUNNING = "A run for this issue is already under way (`r1`, editing); it goes on."

TABLE: list[tuple[str, Event, RepoView, list[Intent]]] = [
    ("the label starts a run", LABELLED, VIEW, START),
    ("a maintainer may", LABELLED, replace(VIEW, permission=Permission.MAINTAIN), START),
    ("an admin may", LABELLED, replace(VIEW, permission=Permission.ADMIN), START),
    ("another label is nothing", replace(LABELLED, label="bug"), VIEW, []),
    ("another trigger label is ours", replace(LABELLED, label="mend"),
     replace(VIEW, trigger_label="mend", issue=replace(ISSUE, labels=frozenset({"mend"}))), START),
    ("an issue that is gone", LABELLED, replace(VIEW, issue=None), []),
    ("an issue that was closed since", LABELLED, replace(VIEW, issue=SHUT), []),
    ("a label that was taken off since", LABELLED, replace(VIEW, issue=BARE), []),
    ("the issue as it is now, not as it was", replace(LABELLED, issue=replace(ISSUE, title="old")), VIEW, START),
    ("a run that works already", LABELLED, replace(VIEW, active=RUN), [Reply(CALC, 3, RUNNING)]),
    ("a run that works already, whoever asks", LABELLED, replace(VIEW, active=RUN, permission=Permission.NONE),
     [Reply(CALC, 3, RUNNING)]),
    ("a bot is refused", replace(LABELLED, sender=ROBOT), VIEW,
     [Reply(CALC, 3, "I did not start: @robot[bot] is a bot, and bots do not start runs.", Reaction.REFUSED)]),
    ("taking the label off cancels", UNLABELLED, replace(VIEW, issue=BARE, active=RUN),
     [CancelRun("r1", "@ada removed the label `autofix`.")]),
    ("also when the issue was not fetched", UNLABELLED, replace(VIEW, issue=None, active=RUN),
     [CancelRun("r1", "@ada removed the label `autofix`.")]),
    ("taking another label off is nothing", replace(UNLABELLED, label="bug"), replace(VIEW, active=RUN), []),
    ("nothing to cancel", UNLABELLED, replace(VIEW, issue=BARE), []),
    ("the label is back", UNLABELLED, replace(VIEW, active=RUN), []),
    ("closing cancels", CLOSED, replace(VIEW, issue=SHUT, active=RUN), [CancelRun("r1", "@ada closed the issue.")]),
    ("closing cancels, not fetched", CLOSED, replace(VIEW, issue=None, active=RUN),
     [CancelRun("r1", "@ada closed the issue.")]),
    ("closed and open again", CLOSED, replace(VIEW, active=RUN), []),
    ("closed with nothing at work", CLOSED, replace(VIEW, issue=SHUT), []),
    ("merged", MERGED, replace(VIEW, reviewed=RUN), [EndReview("r1", True, "ada")]),
    ("closed unmerged", replace(MERGED, merged=False), replace(VIEW, reviewed=RUN), [EndReview("r1", False, "ada")]),
    ("somebody else's pull request", MERGED, VIEW, []),
    ("installed", RepositoriesChanged(5, (CALC, TOOLS)), VIEW, [Register((CALC, TOOLS))]),
    ("repositories taken away", RepositoriesChanged(5, removed=(11,)), VIEW, [Forget(5, (11,))]),
    ("both at once", RepositoriesChanged(5, (TOOLS,), (11,)), VIEW, [Register((TOOLS,)), Forget(5, (11,))]),
    ("uninstalled", RepositoriesChanged(5, gone=True), VIEW, [Forget(5, whole=True)]),
    ("suspended", RepositoriesChanged(5, suspended=True), VIEW, [Suspend(5, True)]),
    ("back again", RepositoriesChanged(5, suspended=False), VIEW, [Suspend(5, False)]),
    ("installed without repositories", RepositoriesChanged(5), VIEW, []),
]  # fmt: skip


@pytest.mark.parametrize(("event", "view", "intents"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_an_event_asks_for(event: Event, view: RepoView, intents: list[Intent]) -> None:
    assert handle(event, view) == intents
    assert handle(event, view) == intents


@pytest.mark.parametrize("permission", [Permission.NONE, Permission.READ, Permission.TRIAGE])
def test_whoever_may_not_write_is_refused_and_reads_why(permission: Permission) -> None:
    (reply,) = handle(LABELLED, replace(VIEW, permission=permission))

    assert isinstance(reply, Reply)
    assert reply.reaction is Reaction.REFUSED
    assert f"@ada has {permission} permission here" in reply.text


def test_an_intent_is_data() -> None:
    assert hash(START[0]) == hash(StartRun(CALC, SUBJECT, "ada"))
