"""Repositories, collaborators, branches, commits, comparisons (docs: repositories, branches, commits)."""

from starlette.responses import Response

from bot.embedded.actions import accounts
from bot.embedded.errors import ApiError, forbidden, not_found
from bot.embedded.gitrepo import CommitInfo
from bot.embedded.rest import diffs
from bot.embedded.shapes import commits as shapes
from bot.embedded.shapes import repositories as repository_shapes
from bot.embedded.shapes.accounts import simple_user
from bot.embedded.state import Account, AccountKind, Repository, Role
from bot.embedded.web import Call, answer, empty, endpoint


@endpoint("GET", "/repos/{owner}/{repo}")
async def get_repository(call: Call) -> Response:
    """A repository by name."""
    return answer(repository_shapes.full_repository(call.hub.urls, call.repo, _role(call, call.repo)))


@endpoint("GET", "/repositories/{repository_id}")
async def get_repository_by_id(call: Call) -> Response:
    """A repository by id."""
    repo = call.hub.state.repositories.get(call.number("repository_id"))
    if repo is None or not call.caller.sees(call.hub, repo):
        raise not_found()
    return answer(repository_shapes.full_repository(call.hub.urls, repo, _role(call, repo)))


@endpoint("POST", "/user/repos", only="known")
async def create_repository(call: Call) -> Response:
    """A repository for the person behind the token; `auto_init` gives it a README."""
    if call.caller.user is None:
        raise forbidden()
    name = call.need("name", "Repository")
    files = {"README.md": f"# {name}\n"} if call.flag("auto_init") else {}
    repo = await accounts.create_repository(
        call.hub,
        call.caller.user,
        name,
        files,
        private=call.flag("private"),
        description=call.text("description", "Repository"),
    )
    return answer(repository_shapes.full_repository(call.hub.urls, repo, Role.ADMIN), 201)


@endpoint("GET", "/repos/{owner}/{repo}/collaborators/{username}/permission")
async def get_permission(call: Call) -> Response:
    """A person's permission: admin, write, read or none (triage counts as read, maintain as write)."""
    account = call.hub.state.accounts.get(call.path("username").lower())
    if account is None:
        raise ApiError(404, f"{call.path('username')} is not a user")
    role = call.repo.role(account) or (None if call.repo.private else Role.READ)
    coarse = {Role.TRIAGE: Role.READ, Role.MAINTAIN: Role.WRITE}
    name = "none" if role is None else role.value
    user = {
        **simple_user(call.hub.urls, account),
        "permissions": repository_shapes.permissions(role or Role.READ) | {"pull": role is not None},
        "role_name": name,
    }
    permission = "none" if role is None else coarse.get(role, role).value
    return answer({"permission": permission, "role_name": name, "user": user})


@endpoint("PUT", "/repos/{owner}/{repo}/collaborators/{username}", "administration:write", people=Role.ADMIN)
async def add_collaborator(call: Call) -> Response:
    """Give a person a role at once (GitHub would send an invitation)."""
    account = call.hub.state.accounts.get(call.path("username").lower())
    if account is None:
        raise not_found()
    asked = {"pull": "read", "push": "write"}.get(wanted := call.text("permission", "Repository") or "push", wanted)
    if asked not in list(Role):
        raise ApiError(422, "Validation Failed")
    call.repo.collaborators[account.login.lower()] = Role(asked)
    return empty()


@endpoint("GET", "/repos/{owner}/{repo}/branches", "contents:read")
async def list_branches(call: Call) -> Response:
    """All branches."""
    refs = await call.repo.git.refs()
    url = f"{call.hub.urls.repo(call.repo)}/commits"
    return call.page(
        sorted(refs.items()),
        lambda row: {
            "name": row[0].removeprefix("refs/heads/"),
            "commit": {"sha": row[1], "url": f"{url}/{row[1]}"},
            "protected": False,
        },
    )


@endpoint("GET", "/repos/{owner}/{repo}/branches/{branch:path}", "contents:read")
async def get_branch(call: Call) -> Response:
    """One branch with its commit."""
    name = call.path("branch")
    sha = await call.repo.git.ref(f"refs/heads/{name}")
    if sha is None:
        raise ApiError(404, "Branch not found")
    commit = await call.repo.git.commit(sha)
    assert commit is not None
    url = f"{call.hub.urls.repo(call.repo)}/branches/{name}"
    return answer(
        {
            "name": name,
            "commit": _commit(call, commit),
            "_links": {"self": url, "html": f"{call.hub.urls.page(call.repo)}/tree/{name}"},
            "protected": False,
            "protection": {
                "enabled": False,
                "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
            },
            "protection_url": f"{url}/protection",
        }
    )


@endpoint("GET", "/repos/{owner}/{repo}/commits", "contents:read")
async def list_commits(call: Call) -> Response:
    """History of `sha` (a branch or commit; default branch), of `path` when given."""
    start = call.query("sha") or call.repo.default_branch
    sha = await call.repo.git.resolve(start)
    if sha is None:
        if not await call.repo.git.refs():
            raise ApiError(409, "Git Repository is empty.")
        raise not_found()
    paths = [call.query("path")] if call.query("path") else []
    return call.page(await call.repo.git.log([sha], limit=5000, paths=paths), lambda commit: _commit(call, commit))


@endpoint("GET", "/repos/{owner}/{repo}/commits/{ref:path}", "contents:read")
async def get_commit(call: Call) -> Response:
    """One commit with its files, or its diff by the media type."""
    sha = await call.repo.git.resolve(call.path("ref"))
    commit = None if sha is None else await call.repo.git.commit(sha)
    if commit is None:
        raise ApiError(422, f"No commit found for SHA: {call.path('ref')}")
    base = commit.parents[0] if commit.parents else diffs.EMPTY_TREE
    if (text := await diffs.as_text(call, base, commit.sha)) is not None:
        return text
    files = await diffs.rows(call, base, commit.sha)
    additions, deletions = sum(row["additions"] for row in files), sum(row["deletions"] for row in files)
    stats = {"additions": additions, "deletions": deletions, "total": additions + deletions}
    return answer({**_commit(call, commit), "stats": stats, "files": files})


@endpoint("GET", "/repos/{owner}/{repo}/compare/{basehead:path}", "contents:read")
async def compare(call: Call) -> Response:
    """`base...head`: status, commits and files since the merge base."""
    names = call.path("basehead").split("...")
    if len(names) != 2:
        raise not_found()
    git = call.repo.git
    base, head = [await git.resolve(name.split(":")[-1]) for name in names]
    ancestor = await git.merge_base(base, head) if base and head else None
    if base is None or head is None or ancestor is None:
        raise not_found()
    if (text := await diffs.as_text(call, ancestor, head)) is not None:
        return text
    return answer(await _comparison(call, base, head, ancestor))


async def _comparison(call: Call, base: str, head: str, ancestor: str) -> dict[str, object]:
    git = call.repo.git
    commits = await git.log([f"{base}..{head}"])
    ahead, behind = await git.count(f"{base}..{head}"), await git.count(f"{head}..{base}")
    status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}.get(
        (ahead > 0, behind > 0), "diverged"
    )
    url = f"{call.hub.urls.repo(call.repo)}/compare/{base}...{head}"
    page = f"{call.hub.urls.page(call.repo)}/compare/{base}...{head}"
    ends = [await git.commit(sha) for sha in (base, ancestor)]
    base_commit, merge_base = [_commit(call, commit) for commit in ends if commit is not None]
    return {
        "url": url,
        "html_url": page,
        "permalink_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "base_commit": base_commit,
        "merge_base_commit": merge_base,
        "status": status,
        "ahead_by": ahead,
        "behind_by": behind,
        "total_commits": ahead,
        "commits": [_commit(call, commit) for commit in reversed(commits)],
        "files": await diffs.rows(call, ancestor, head),
    }


def _commit(call: Call, commit: CommitInfo) -> dict[str, object]:
    return shapes.commit(call.hub.urls, call.repo, commit, diffs.accounts_by_address(call))


def _role(call: Call, repo: Repository) -> Role | None:
    if call.caller.installation is not None:
        return Role.WRITE if call.caller.permissions.get("contents") == "write" else Role.READ
    user: Account | None = call.caller.user
    return None if user is None or user.kind is AccountKind.ORGANIZATION else repo.role(user) or Role.READ


ENDPOINTS = (
    get_permission,
    add_collaborator,
    list_branches,
    get_branch,
    list_commits,
    compare,
    get_repository,
    get_repository_by_id,
    create_repository,
)
LAST = (get_commit,)
