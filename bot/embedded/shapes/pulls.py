"""Pull requests, reviews and changed files as JSON."""

from typing import Any
from urllib.parse import quote

from bot.embedded.gitdiff import FileDiff
from bot.embedded.shapes.accounts import optional_user, simple_user
from bot.embedded.shapes.issues import association, label
from bot.embedded.shapes.repositories import repository
from bot.embedded.state import Issue, Pull, Repository, Review
from bot.embedded.urls import Urls, iso, iso_or_none, node_id


def pull_simple(urls: Urls, repo: Repository, issue: Issue) -> dict[str, Any]:
    """`pull-request-simple`, the rows of the list."""
    pull = _pull(issue)
    assignees = [simple_user(urls, account) for account in issue.assignees]
    return {
        **_links(urls, repo, issue),
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "number": issue.number,
        "state": issue.state,
        "locked": False,
        "active_lock_reason": None,
        "title": issue.title,
        "user": simple_user(urls, issue.user),
        "body": issue.body,
        "created_at": iso(issue.created_at),
        "updated_at": iso(issue.updated_at),
        "closed_at": iso_or_none(issue.closed_at),
        "merged_at": iso_or_none(pull.merged_at),
        "merge_commit_sha": pull.merge_commit_sha,
        "assignee": assignees[0] if assignees else None,
        "assignees": assignees,
        "requested_reviewers": [simple_user(urls, account) for account in pull.requested_reviewers],
        "requested_teams": [],
        "labels": [label(urls, repo, each) for each in issue.labels],
        "milestone": None,
        "draft": pull.draft,
        "head": _side(urls, repo, pull.head_ref, pull.head_sha),
        "base": _side(urls, repo, pull.base_ref, pull.base_sha),
        "author_association": association(repo, issue.user),
        "auto_merge": None,
    }


def pull_request(urls: Urls, repo: Repository, issue: Issue) -> dict[str, Any]:
    """`pull-request`, what getting one answers and what webhooks carry."""
    pull = _pull(issue)
    return {
        **pull_simple(urls, repo, issue),
        "merged": pull.merged_at is not None,
        "mergeable": pull.mergeable,
        "rebaseable": pull.mergeable,
        "mergeable_state": {True: "clean", False: "dirty", None: "unknown"}[pull.mergeable],
        "merged_by": optional_user(urls, pull.merged_by),
        "comments": len(repo.comments_of(issue.number)),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": pull.commits,
        "additions": pull.additions,
        "deletions": pull.deletions,
        "changed_files": pull.changed_files,
    }


def pull_minimal(urls: Urls, repo: Repository, issue: Issue) -> dict[str, Any]:
    """`pull-request-minimal`, inside check runs."""
    pull = _pull(issue)
    about = {"id": repo.id, "url": urls.repo(repo), "name": repo.name}
    return {
        "id": pull.id,
        "number": issue.number,
        "url": f"{urls.repo(repo)}/pulls/{issue.number}",
        "head": {"ref": pull.head_ref, "sha": pull.head_sha, "repo": about},
        "base": {"ref": pull.base_ref, "sha": pull.base_sha, "repo": about},
    }


def file(urls: Urls, repo: Repository, head_sha: str, value: FileDiff) -> dict[str, Any]:
    """`diff-entry`."""
    path = quote(value.path)
    shape: dict[str, Any] = {
        "sha": value.sha,
        "filename": value.path,
        "status": value.status,
        "additions": value.additions,
        "deletions": value.deletions,
        "changes": value.additions + value.deletions,
        "blob_url": f"{urls.page(repo)}/blob/{head_sha}/{path}",
        "raw_url": f"{urls.page(repo)}/raw/{head_sha}/{path}",
        "contents_url": f"{urls.repo(repo)}/contents/{path}?ref={head_sha}",
    }
    if value.patch is not None:
        shape["patch"] = value.patch
    if value.previous is not None:
        shape["previous_filename"] = value.previous
    return shape


def review(urls: Urls, repo: Repository, issue: Issue, value: Review) -> dict[str, Any]:
    """`pull-request-review`."""
    page = f"{urls.page(repo)}/pull/{issue.number}#pullrequestreview-{value.id}"
    pull_url = f"{urls.repo(repo)}/pulls/{issue.number}"
    return {
        "id": value.id,
        "node_id": node_id("PullRequestReview", value.id),
        "user": simple_user(urls, value.user),
        "body": value.body,
        "state": value.state,
        "html_url": page,
        "pull_request_url": pull_url,
        "author_association": association(repo, value.user),
        "_links": {"html": {"href": page}, "pull_request": {"href": pull_url}},
        "submitted_at": iso(value.submitted_at),
        "commit_id": value.commit_id,
    }


def _pull(issue: Issue) -> Pull:
    assert issue.pull is not None
    return issue.pull


def _side(urls: Urls, repo: Repository, ref: str, sha: str) -> dict[str, Any]:
    return {
        "label": f"{repo.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": simple_user(urls, repo.owner),
        "repo": repository(urls, repo),
    }


def _links(urls: Urls, repo: Repository, issue: Issue) -> dict[str, Any]:
    pull = _pull(issue)
    url = f"{urls.repo(repo)}/pulls/{issue.number}"
    issue_url = f"{urls.repo(repo)}/issues/{issue.number}"
    page = f"{urls.page(repo)}/pull/{issue.number}"
    links = {
        "html": page,
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{urls.repo(repo)}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{urls.repo(repo)}/statuses/{pull.head_sha}",
    }
    return {
        "url": url,
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": issue_url,
        **{f"{key}_url": value for key, value in links.items() if key not in ("html", "issue")},
        "_links": {"self": {"href": url}, **{key: {"href": value} for key, value in links.items()}},
    }
