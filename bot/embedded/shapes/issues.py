"""Issues, labels, comments and reactions as JSON."""

from typing import Any
from urllib.parse import quote

from bot.embedded.shapes.accounts import optional_user, simple_user
from bot.embedded.shapes.apps import optional_app
from bot.embedded.state import REACTIONS, Account, AccountKind, Comment, Issue, Label, Reaction, Repository, Role
from bot.embedded.urls import Urls, iso, iso_or_none, node_id


def label(urls: Urls, repo: Repository, value: Label) -> dict[str, Any]:
    """`label`."""
    return {
        "id": value.id,
        "node_id": node_id("Label", value.id),
        "url": f"{urls.repo(repo)}/labels/{quote(value.name)}",
        "name": value.name,
        "color": value.color,
        "default": False,
        "description": value.description,
    }


def issue(urls: Urls, repo: Repository, value: Issue) -> dict[str, Any]:
    """`issue`; with `pull_request` when it is one."""
    url = f"{urls.repo(repo)}/issues/{value.number}"
    kind = "issues" if value.pull is None else "pull"
    assignees = [simple_user(urls, account) for account in value.assignees]
    shape = {
        "url": url,
        "repository_url": urls.repo(repo),
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{urls.page(repo)}/{kind}/{value.number}",
        "id": value.id,
        "node_id": node_id("Issue", value.id),
        "number": value.number,
        "title": value.title,
        "user": simple_user(urls, value.user),
        "labels": [label(urls, repo, each) for each in value.labels],
        "state": value.state,
        "state_reason": value.state_reason,
        "locked": False,
        "active_lock_reason": None,
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "milestone": None,
        "comments": len(repo.comments_of(value.number)),
        "created_at": iso(value.created_at),
        "updated_at": iso(value.updated_at),
        "closed_at": iso_or_none(value.closed_at),
        "closed_by": optional_user(urls, value.closed_by),
        "author_association": association(repo, value.user),
        "body": value.body,
        "reactions": rollup(f"{url}/reactions", value.reactions),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": optional_app(urls, value.app),
    }
    return (
        shape
        if value.pull is None
        else {**shape, "draft": value.pull.draft, "pull_request": _pull_links(urls, repo, value)}
    )


def comment(urls: Urls, repo: Repository, value: Comment) -> dict[str, Any]:
    """`issue-comment`."""
    url = f"{urls.repo(repo)}/issues/comments/{value.id}"
    kind = "issues" if repo.issues[value.issue_number].pull is None else "pull"
    return {
        "url": url,
        "html_url": f"{urls.page(repo)}/{kind}/{value.issue_number}#issuecomment-{value.id}",
        "issue_url": f"{urls.repo(repo)}/issues/{value.issue_number}",
        "id": value.id,
        "node_id": node_id("IssueComment", value.id),
        "user": simple_user(urls, value.user),
        "created_at": iso(value.created_at),
        "updated_at": iso(value.updated_at),
        "author_association": association(repo, value.user),
        "body": value.body,
        "reactions": rollup(f"{url}/reactions", value.reactions),
        "performed_via_github_app": optional_app(urls, value.app),
    }


def reaction(urls: Urls, value: Reaction) -> dict[str, Any]:
    """`reaction`."""
    return {
        "id": value.id,
        "node_id": node_id("Reaction", value.id),
        "user": simple_user(urls, value.user),
        "content": value.content,
        "created_at": iso(value.created_at),
    }


def rollup(url: str, reactions: list[Reaction]) -> dict[str, Any]:
    """`reaction-rollup`."""
    counts = {content: sum(each.content == content for each in reactions) for content in REACTIONS}
    return {"url": url, "total_count": len(reactions), **counts}


def association(repo: Repository, account: Account) -> str:
    """`author_association`, as far as the state model knows people."""
    if account is repo.owner:
        return "OWNER"
    if account.kind is AccountKind.BOT:
        return "NONE"
    role = repo.role(account)
    if role is None:
        return "NONE"
    member = repo.owner.kind is AccountKind.ORGANIZATION and role is Role.ADMIN
    return "MEMBER" if member else "COLLABORATOR"


def _pull_links(urls: Urls, repo: Repository, value: Issue) -> dict[str, Any]:
    assert value.pull is not None
    page = f"{urls.page(repo)}/pull/{value.number}"
    return {
        "url": f"{urls.repo(repo)}/pulls/{value.number}",
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "merged_at": iso_or_none(value.pull.merged_at),
    }
