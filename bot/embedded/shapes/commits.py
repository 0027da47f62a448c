"""Commits, refs, trees, blobs, contents and comparisons as JSON."""

import base64
from typing import Any
from urllib.parse import quote

from bot.embedded.gitrepo import CommitInfo, Person, TreeEntry
from bot.embedded.shapes.accounts import simple_user
from bot.embedded.state import Account, Repository
from bot.embedded.urls import Urls, node_id


def git_ref(urls: Urls, repo: Repository, ref: str, sha: str, kind: str = "commit") -> dict[str, Any]:
    """`git-ref`."""
    return {
        "ref": ref,
        "node_id": node_id("Ref", f"{repo.id}:{ref}"),
        "url": f"{urls.repo(repo)}/git/{quote(ref)}",
        "object": {"sha": sha, "type": kind, "url": f"{urls.repo(repo)}/git/{kind}s/{sha}"},
    }


def git_commit(urls: Urls, repo: Repository, value: CommitInfo) -> dict[str, Any]:
    """`git-commit`."""
    url, page = f"{urls.repo(repo)}/git", urls.page(repo)
    return {
        "sha": value.sha,
        "node_id": node_id("Commit", value.sha),
        "url": f"{url}/commits/{value.sha}",
        "html_url": f"{page}/commit/{value.sha}",
        "author": _person(value.author),
        "committer": _person(value.committer),
        "message": value.message,
        "tree": {"sha": value.tree, "url": f"{url}/trees/{value.tree}"},
        "parents": [
            {"sha": sha, "url": f"{url}/commits/{sha}", "html_url": f"{page}/commit/{sha}"} for sha in value.parents
        ],
        "verification": verification(repo, value),
    }


def commit(urls: Urls, repo: Repository, value: CommitInfo, accounts: dict[str, Account]) -> dict[str, Any]:
    """`commit`; `accounts` maps an author's address to the account that it belongs to."""
    url, page = f"{urls.repo(repo)}/commits", f"{urls.page(repo)}/commit"
    return {
        "sha": value.sha,
        "node_id": node_id("Commit", value.sha),
        "url": f"{url}/{value.sha}",
        "html_url": f"{page}/{value.sha}",
        "comments_url": f"{url}/{value.sha}/comments",
        "commit": {
            "author": _person(value.author),
            "committer": _person(value.committer),
            "message": value.message,
            "tree": {"sha": value.tree, "url": f"{urls.repo(repo)}/git/trees/{value.tree}"},
            "url": f"{urls.repo(repo)}/git/commits/{value.sha}",
            "comment_count": 0,
            "verification": verification(repo, value),
        },
        "author": _account(urls, accounts, value.author),
        "committer": _account(urls, accounts, value.committer),
        "parents": [{"sha": sha, "url": f"{url}/{sha}", "html_url": f"{page}/{sha}"} for sha in value.parents],
    }


def verification(repo: Repository, value: CommitInfo) -> dict[str, Any]:
    """`verification`: GitHub signs what it commits itself for an app or on its pages; here that is only noted."""
    if value.sha not in repo.verified:
        return {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}
    return {
        "verified": True,
        "reason": "valid",
        "signature": "-----BEGIN PGP SIGNATURE-----\n\nembedded\n-----END PGP SIGNATURE-----\n",
        "payload": f"tree {value.tree}\n",
        "verified_at": value.committer.date,
    }


def tree(urls: Urls, repo: Repository, sha: str, entries: list[TreeEntry]) -> dict[str, Any]:
    """`git-tree`."""
    return {
        "sha": sha,
        "url": f"{urls.repo(repo)}/git/trees/{sha}",
        "tree": [_tree_row(urls, repo, entry) for entry in entries],
        "truncated": False,
    }


def blob(urls: Urls, repo: Repository, sha: str, content: bytes) -> dict[str, Any]:
    """`blob`, in base64 as GitHub wraps it (60 characters a line)."""
    return {
        "sha": sha,
        "node_id": node_id("Blob", sha),
        "size": len(content),
        "url": f"{urls.repo(repo)}/git/blobs/{sha}",
        "content": wrapped(content),
        "encoding": "base64",
    }


def content(urls: Urls, repo: Repository, ref: str, path: str, entry: TreeEntry) -> dict[str, Any]:
    """A row of `content-directory`; `content-file` adds `content` and `encoding`."""
    kind = {"tree": "dir", "blob": "file", "commit": "submodule"}[entry.type]
    if entry.mode == "120000":
        kind = "symlink"
    place = quote(path)
    url = f"{urls.repo(repo)}/contents/{place}?ref={quote(ref)}"
    git_url = f"{urls.repo(repo)}/git/{'trees' if kind == 'dir' else 'blobs'}/{entry.sha}"
    page = f"{urls.page(repo)}/{'tree' if kind == 'dir' else 'blob'}/{quote(ref)}/{place}"
    raw = None if kind == "dir" else f"{urls.page(repo)}/raw/{quote(ref)}/{place}"
    return {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": entry.sha,
        "size": entry.size or 0,
        "url": url,
        "html_url": page,
        "git_url": git_url,
        "download_url": raw,
        "type": kind,
        "_links": {"self": url, "git": git_url, "html": page},
    }


def wrapped(data: bytes) -> str:
    """Base64 with a newline every 60 characters and at the end."""
    text = base64.b64encode(data).decode()
    return "".join(f"{text[start : start + 60]}\n" for start in range(0, len(text), 60))


def _person(value: Person) -> dict[str, str]:
    return {"name": value.name, "email": value.email, "date": value.date}


def _account(urls: Urls, accounts: dict[str, Account], person: Person) -> dict[str, Any] | None:
    account = accounts.get(person.email.lower())
    return None if account is None else simple_user(urls, account)


def _tree_row(urls: Urls, repo: Repository, entry: TreeEntry) -> dict[str, Any]:
    row: dict[str, Any] = {"path": entry.path, "mode": entry.mode, "type": entry.type, "sha": entry.sha}
    if entry.size is not None:
        row["size"] = entry.size
    if entry.type != "commit":
        row["url"] = f"{urls.repo(repo)}/git/{entry.type}s/{entry.sha}"
    return row
