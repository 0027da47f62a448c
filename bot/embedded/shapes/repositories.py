"""Repositories as JSON (`repository`, `full-repository`)."""

from typing import Any

from bot.embedded.shapes.accounts import simple_user
from bot.embedded.state import Repository, Role
from bot.embedded.urls import Urls, iso, node_id

_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_COUNTS = ("forks", "forks_count", "stargazers_count", "watchers", "watchers_count", "size")


def repository(urls: Urls, repo: Repository, role: Role | None = None) -> dict[str, Any]:
    """`repository`; `permissions` only when the viewer's role is given."""
    url, page = urls.repo(repo), urls.page(repo)
    opened = sum(issue.state == "open" for issue in repo.issues.values())
    shape = {
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
        "owner": simple_user(urls, repo.owner),
        "html_url": page,
        "description": repo.description,
        "fork": False,
        "url": url,
        **{key: url + tail for key, tail in _LINKS.items()},
        **dict.fromkeys(_COUNTS, 0),
        **_addresses(page),
        **_switches(repo),
        "created_at": iso(repo.created_at),
        "updated_at": iso(repo.pushed_at),
        "pushed_at": iso(repo.pushed_at),
        "open_issues": opened,
        "open_issues_count": opened,
        "default_branch": repo.default_branch,
    }
    return shape if role is None else {**shape, "permissions": permissions(role)}


def full_repository(urls: Urls, repo: Repository, role: Role | None = None) -> dict[str, Any]:
    """`full-repository`, what getting one repository answers."""
    return {**repository(urls, repo, role), "network_count": 0, "subscribers_count": 0}


def permissions(role: Role) -> dict[str, bool]:
    """What a role may do, as GitHub spells it."""
    return {
        "admin": role.rank >= Role.ADMIN.rank,
        "maintain": role.rank >= Role.MAINTAIN.rank,
        "push": role.rank >= Role.WRITE.rank,
        "triage": role.rank >= Role.TRIAGE.rank,
        "pull": True,
    }


def _addresses(page: str) -> dict[str, Any]:
    return {
        "git_url": f"git://{page.split('://', 1)[1]}.git",
        "ssh_url": f"git@{page.split('://', 1)[1]}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "mirror_url": None,
        "homepage": None,
    }


def _switches(repo: Repository) -> dict[str, Any]:
    return {
        "language": None,
        "license": None,
        "has_issues": True,
        "has_projects": False,
        "has_downloads": False,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "archived": False,
        "disabled": False,
        "visibility": "private" if repo.private else "public",
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
    }
