"""Refs move here, whoever moves them: REST, a merge, or a push over smart HTTP."""

from typing import Any

from bot.embedded.actions.follow import follow
from bot.embedded.errors import ApiError, unprocessable
from bot.embedded.gitrepo import ZERO, CommitInfo, GitError
from bot.embedded.hub import Hub
from bot.embedded.shapes.accounts import simple_user
from bot.embedded.state import Account, Repository
from bot.embedded.urls import iso


async def create(hub: Hub, repo: Repository, actor: Account, ref: str, sha: str) -> None:
    """Create a ref; emits `create` and `push`. 422 when it exists, its name is bad, or there is no such object."""
    if not ref.startswith("refs/") or ref.count("/") < 2 or not await repo.git.valid_ref(ref):
        raise unprocessable(f"{ref} is not a valid ref name.")
    if await repo.git.kind(sha) is None:
        raise unprocessable("Object does not exist")
    if ref.startswith("refs/heads/") and await repo.git.kind(sha) != "commit":
        raise unprocessable("Reference cannot be updated: object is not a commit")
    async with repo.git.moving:
        await _update(repo, ref, sha, ZERO, "Reference already exists")
        await moved(hub, repo, actor, ref, ZERO, sha)


async def move(
    hub: Hub, repo: Repository, actor: Account, ref: str, sha: str, *, expected: str | None = None, force: bool = True
) -> None:
    """Point a ref elsewhere; emits `push`. 422 when it does not exist or, without force, does not go forward."""
    before = await repo.git.ref(ref)
    if before is None:
        raise unprocessable("Reference does not exist")
    if await repo.git.kind(sha) is None:
        raise unprocessable("Object does not exist")
    if not force and await repo.git.merge_base(before, sha) != before:
        raise unprocessable("Update is not a fast forward")
    async with repo.git.moving:
        await _update(repo, ref, sha, expected or before, "Reference cannot be updated")
        await moved(hub, repo, actor, ref, before, sha)


async def delete(hub: Hub, repo: Repository, actor: Account, ref: str) -> None:
    """Delete a ref; emits `delete` and `push`. 422 when it does not exist or is the default branch."""
    before = await repo.git.ref(ref)
    if before is None:
        raise unprocessable("Reference does not exist")
    if ref == f"refs/heads/{repo.default_branch}":
        raise unprocessable("Cannot delete the default branch")
    async with repo.git.moving:
        await _update(repo, ref, ZERO, before, "Reference cannot be updated")
        await moved(hub, repo, actor, ref, before, ZERO)


async def moved(hub: Hub, repo: Repository, actor: Account, ref: str, before: str, after: str) -> None:
    """A ref went from `before` to `after` (ZERO: none): tell the apps, move the pull requests along.

    The caller holds the repository's lock `git.moving`.
    """
    if before == after or not ref.startswith(("refs/heads/", "refs/tags/")):
        return
    repo.pushed_at = hub.now()
    if ZERO in (before, after):
        _emit_made_or_gone(hub, repo, actor, ref, made=before == ZERO)
    hub.emit(repo, "push", actor, **await _push(hub, repo, actor, ref, before, after))
    if ref.startswith("refs/heads/"):
        branch = ref.removeprefix("refs/heads/")
        await follow(hub, repo, actor, branch, before, None if after == ZERO else after)


async def _update(repo: Repository, ref: str, new: str, old: str, message: str) -> None:
    try:
        await repo.git.update_ref(ref, new, old)
    except GitError as error:
        raise ApiError(422, message) from error


def _emit_made_or_gone(hub: Hub, repo: Repository, actor: Account, ref: str, *, made: bool) -> None:
    _, kind, name = ref.split("/", 2)
    body: dict[str, Any] = {
        "ref": name,
        "ref_type": "branch" if kind == "heads" else "tag",
        "pusher_type": "user",
    }
    if made:
        body |= {"master_branch": repo.default_branch, "description": repo.description}
    hub.emit(repo, "create" if made else "delete", actor, **body)


async def _push(hub: Hub, repo: Repository, actor: Account, ref: str, before: str, after: str) -> dict[str, Any]:
    gone, made = after == ZERO, before == ZERO
    span = [after, f"^{repo.default_branch}"] if made and ref != f"refs/heads/{repo.default_branch}" else [after]
    if not made:
        span = [f"{before}..{after}"]
    commits = [] if gone else await repo.git.log(span, limit=2048)
    head = None if gone else await repo.git.commit(after)
    forced = not made and not gone and await repo.git.merge_base(before, after) != before
    rows = [await _commit(hub, repo, commit) for commit in reversed(commits[:20])]
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "base_ref": None,
        "created": made,
        "deleted": gone,
        "forced": forced,
        "compare": f"{hub.urls.page(repo)}/compare/{before[:12]}...{after[:12]}",
        "commits": rows,
        "head_commit": None if head is None else await _commit(hub, repo, head),
        "pusher": {"name": actor.login, "email": actor.noreply, "date": iso(hub.now())},
    }


async def _commit(hub: Hub, repo: Repository, commit: CommitInfo) -> dict[str, Any]:
    parent = commit.parents[0] if commit.parents else None
    files = await repo.git.changed_paths(parent, commit.sha)
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": commit.committer.date,
        "url": f"{hub.urls.page(repo)}/commit/{commit.sha}",
        "author": _person(hub, commit.author.name, commit.author.email),
        "committer": _person(hub, commit.committer.name, commit.committer.email),
        **files,
    }


def _person(hub: Hub, name: str, email: str) -> dict[str, Any]:
    account = next((each for each in hub.state.accounts.values() if email in (each.email, each.noreply)), None)
    known = {} if account is None else {"username": simple_user(hub.urls, account)["login"]}
    return {"name": name, "email": email, **known}
