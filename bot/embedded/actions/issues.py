"""Issues, labels, comments and reactions change here."""

from typing import Any

from bot.embedded.errors import invalid, not_found
from bot.embedded.hub import Hub
from bot.embedded.shapes import issues as shapes
from bot.embedded.shapes.accounts import simple_user
from bot.embedded.shapes.pulls import pull_request
from bot.embedded.state import REACTIONS, Account, App, Comment, Issue, Label, Reaction, Repository

LONGEST_BODY = 65536
LONGEST_TITLE = 256


def open_issue(
    hub: Hub,
    repo: Repository,
    actor: Account,
    title: str,
    body: str | None = None,
    labels: list[str] | None = None,
    assignees: list[str] | None = None,
    via: App | None = None,
) -> Issue:
    """Open an issue; emits `opened`, then `labeled` for each label and `assigned` for each assignee."""
    check_text("Issue", title, body)
    now = hub.now()
    issue = Issue(hub.state.new_id(), next_number(repo), title, body, actor, now, now, via)
    people = find_assignees(hub, assignees or [])
    issue.labels = unique(ensure_label(hub, repo, name) for name in labels or [])
    issue.assignees = people
    repo.issues[issue.number] = issue
    emit_issue(hub, repo, issue, "opened", actor)
    for label in issue.labels:
        emit_issue(hub, repo, issue, "labeled", actor, label=shapes.label(hub.urls, repo, label))
    for person in people:
        emit_issue(hub, repo, issue, "assigned", actor, assignee=simple_user(hub.urls, person))
    return issue


def edit_issue(
    hub: Hub, repo: Repository, issue: Issue, actor: Account, *, title: str | None = None, body: str | None = None
) -> None:
    """Change title or body (None keeps); emits `edited` when something changed."""
    check_text("Issue", title, body)
    changes: dict[str, Any] = {}
    if title is not None and title != issue.title:
        changes["title"], issue.title = {"from": issue.title}, title
    if body is not None and body != issue.body:
        changes["body"], issue.body = {"from": issue.body or ""}, body
    if changes:
        issue.updated_at = hub.now()
        emit_issue(hub, repo, issue, "edited", actor, changes=changes)


def set_state(hub: Hub, repo: Repository, issue: Issue, actor: Account, state: str, reason: str | None = None) -> None:
    """Close or reopen; emits `closed` or `reopened`, nothing when it is so already."""
    if state not in ("open", "closed"):
        raise invalid("Issue", "state")
    if state == issue.state:
        return
    closing = state == "closed"
    issue.state = state
    issue.state_reason = (reason or "completed") if closing else "reopened"
    issue.closed_at = hub.now() if closing else None
    issue.closed_by = actor if closing else None
    issue.updated_at = hub.now()
    emit_issue(hub, repo, issue, "closed" if closing else "reopened", actor)


def add_labels(hub: Hub, repo: Repository, issue: Issue, actor: Account, names: list[str]) -> None:
    """Add labels, made when the repository has none of that name; emits `labeled` for each that is new on the issue."""
    for name in names:
        label = ensure_label(hub, repo, name)
        if label not in issue.labels:
            issue.labels.append(label)
            issue.updated_at = hub.now()
            emit_issue(hub, repo, issue, "labeled", actor, label=shapes.label(hub.urls, repo, label))


def remove_label(hub: Hub, repo: Repository, issue: Issue, actor: Account, name: str) -> None:
    """Take a label off; emits `unlabeled`. 404 when the issue does not have it."""
    label = repo.labels.get(name.lower())
    if label is None or label not in issue.labels:
        raise not_found()
    issue.labels.remove(label)
    issue.updated_at = hub.now()
    emit_issue(hub, repo, issue, "unlabeled", actor, label=shapes.label(hub.urls, repo, label))


def set_labels(hub: Hub, repo: Repository, issue: Issue, actor: Account, names: list[str]) -> None:
    """Make the labels exactly these."""
    wanted = {name.lower() for name in names}
    for label in [label for label in issue.labels if label.name.lower() not in wanted]:
        remove_label(hub, repo, issue, actor, label.name)
    add_labels(hub, repo, issue, actor, names)


def set_assignees(hub: Hub, repo: Repository, issue: Issue, actor: Account, logins: list[str]) -> None:
    """Make the assignees exactly these; emits `assigned` and `unassigned`."""
    wanted = find_assignees(hub, logins)
    gone = [person for person in issue.assignees if person not in wanted]
    new = [person for person in wanted if person not in issue.assignees]
    issue.assignees = wanted
    for action, people in (("unassigned", gone), ("assigned", new)):
        for person in people:
            emit_issue(hub, repo, issue, action, actor, assignee=simple_user(hub.urls, person))


def comment(hub: Hub, repo: Repository, issue: Issue, actor: Account, body: str, via: App | None = None) -> Comment:
    """Comment on an issue or pull request; emits `issue_comment` `created`."""
    check_text("IssueComment", None, body)
    now = hub.now()
    made = Comment(hub.state.new_id(), issue.number, actor, body, now, now, via)
    repo.comments[made.id] = made
    issue.updated_at = now
    _emit_comment(hub, repo, made, "created", actor)
    return made


def edit_comment(hub: Hub, repo: Repository, value: Comment, actor: Account, body: str) -> None:
    """Change a comment; emits `edited`."""
    check_text("IssueComment", None, body)
    before, value.body = value.body, body
    value.updated_at = hub.now()
    _emit_comment(hub, repo, value, "edited", actor, changes={"body": {"from": before}})


def delete_comment(hub: Hub, repo: Repository, value: Comment, actor: Account) -> None:
    """Delete a comment; emits `deleted`."""
    _emit_comment(hub, repo, value, "deleted", actor)
    del repo.comments[value.id]


def react(hub: Hub, reactions: list[Reaction], actor: Account, content: str) -> tuple[Reaction, bool]:
    """Add a reaction; (reaction, whether it is new). The same person's same reaction is not added twice."""
    if content not in REACTIONS:
        raise invalid("Reaction", "content")
    known = next((each for each in reactions if each.user is actor and each.content == content), None)
    if known is not None:
        return known, False
    made = Reaction(hub.state.new_id(), content, actor, hub.now())
    reactions.append(made)
    return made, True


def ensure_label(hub: Hub, repo: Repository, name: str, color: str = "ededed", description: str | None = None) -> Label:
    """The repository's label of that name (case does not matter), made when there is none."""
    known = repo.labels.get(name.lower())
    if known is None:
        known = repo.labels[name.lower()] = Label(hub.state.new_id(), name, color, description)
    return known


def emit_issue(hub: Hub, repo: Repository, issue: Issue, action: str, actor: Account, **extra: Any) -> None:
    """Emit an `issues` event, or `pull_request` when the issue is one."""
    if issue.pull is not None:
        body = pull_request(hub.urls, repo, issue)
        hub.emit(repo, "pull_request", actor, action=action, number=issue.number, pull_request=body, **extra)
    else:
        hub.emit(repo, "issues", actor, action=action, issue=shapes.issue(hub.urls, repo, issue), **extra)


def find_assignees(hub: Hub, logins: list[str]) -> list[Account]:
    """The accounts of these logins; 422 for an unknown one."""
    found = [hub.state.accounts.get(login.lower()) for login in logins]
    if None in found:
        raise invalid("Issue", "assignees")
    return unique(account for account in found if account is not None)


def next_number(repo: Repository) -> int:
    """The next number of issues and pull requests, which share one sequence."""
    return max(repo.issues, default=0) + 1


def check_text(resource: str, title: str | None, body: str | None) -> None:
    """422 when a title or a body is longer than GitHub takes."""
    for name, text, longest in (("title", title, LONGEST_TITLE), ("body", body, LONGEST_BODY)):
        if text is not None and len(text) > longest:
            raise invalid(resource, name, "custom", f"{name} is too long (maximum is {longest} characters)")


def unique(items: Any) -> list[Any]:
    """The items without repetition, in order."""
    return list(dict.fromkeys(items))


def _emit_comment(hub: Hub, repo: Repository, value: Comment, action: str, actor: Account, **extra: Any) -> None:
    issue = repo.issues[value.issue_number]
    hub.emit(
        repo,
        "issue_comment",
        actor,
        action=action,
        issue=shapes.issue(hub.urls, repo, issue),
        comment=shapes.comment(hub.urls, repo, value),
        **extra,
    )
