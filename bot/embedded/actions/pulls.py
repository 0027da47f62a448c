"""Pull requests change here; diffs and merges are git's."""

import re

from bot.embedded.actions import issues, refs
from bot.embedded.actions.follow import refresh
from bot.embedded.errors import ApiError, invalid
from bot.embedded.gitrepo import Person
from bot.embedded.hub import Hub
from bot.embedded.shapes import pulls as shapes
from bot.embedded.state import Account, App, Issue, Pull, Repository, Review

_CLOSES = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)", re.IGNORECASE)


async def open_pull(
    hub: Hub,
    repo: Repository,
    actor: Account,
    *,
    title: str,
    head: str,
    base: str,
    body: str | None = None,
    draft: bool = False,
    via: App | None = None,
) -> Issue:
    """Open a pull request; emits `opened`. 422 as GitHub gives it: unknown branch, nothing between, or one exists."""
    head = _branch_of(repo, head)
    issues.check_text("PullRequest", title, body)
    head_sha = await _branch_sha(repo, head, "head")
    base_sha = await _branch_sha(repo, base, "base")
    if await repo.git.merge_base(base_sha, head_sha) in (head_sha, None):
        raise _refused(f"No commits between {base} and {head}")
    if _open_pull_for(repo, head, base) is not None:
        raise _refused(f"A pull request already exists for {repo.owner.login}:{head}.")
    now = hub.now()
    pull = Pull(hub.state.new_id(), head, base, head_sha, base_sha, draft)
    issue = Issue(hub.state.new_id(), issues.next_number(repo), title, body, actor, now, now, via, pull=pull)
    repo.issues[issue.number] = issue
    await refresh(repo, issue)
    issues.emit_issue(hub, repo, issue, "opened", actor)
    return issue


async def edit_pull(
    hub: Hub,
    repo: Repository,
    issue: Issue,
    actor: Account,
    *,
    title: str | None = None,
    body: str | None = None,
    state: str | None = None,
    base: str | None = None,
) -> None:
    """Change what is given. 422 when a merged pull request, or one without its branch, is to be reopened."""
    pull = issue.pull
    assert pull is not None
    if base is not None and base != pull.base_ref:
        pull.base_sha, pull.base_ref = await _branch_sha(repo, base, "base"), base
        await refresh(repo, issue)
    issues.edit_issue(hub, repo, issue, actor, title=title, body=body)
    if state == "open" and issue.state == "closed":
        await _reopen(repo, issue)
    if state is not None:
        issues.set_state(hub, repo, issue, actor, state)


def set_draft(hub: Hub, repo: Repository, issue: Issue, actor: Account, draft: bool) -> None:
    """Make it a draft or ready (GitHub does this by GraphQL only); emits `converted_to_draft` or `ready_for_review`."""
    assert issue.pull is not None
    if issue.pull.draft != draft:
        issue.pull.draft = draft
        issue.updated_at = hub.now()
        issues.emit_issue(hub, repo, issue, "converted_to_draft" if draft else "ready_for_review", actor)


async def merge(
    hub: Hub, repo: Repository, issue: Issue, actor: Account, *, method: str = "merge", title: str = "", sha: str = ""
) -> str:
    """Merge ("merge", "squash", or "rebase", here a squash); closes the issues that the body or the commits name."""
    pull = issue.pull
    assert pull is not None
    if issue.state != "open" or pull.draft:
        raise ApiError(405, "Pull Request is not mergeable")
    if sha and sha != pull.head_sha:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.")
    base_sha = await _branch_sha(repo, pull.base_ref, "base")
    tree = await repo.git.merged_tree(base_sha, pull.head_sha)
    if tree is None:
        raise ApiError(405, "Pull Request is not mergeable")
    text = title or f"Merge pull request #{issue.number} from {repo.owner.login}/{pull.head_ref}\n\n{issue.title}"
    parents = [base_sha, pull.head_sha] if method == "merge" else [base_sha]
    author = Person(actor.name or actor.login, actor.noreply, hub.now().isoformat())
    made = await repo.git.write_commit(tree, parents, text, author, github_person(hub))
    repo.verified.add(made)
    messages = [commit.message for commit in await repo.git.log([f"{base_sha}..{pull.head_sha}"])]
    pull.merged_at, pull.merged_by, pull.merge_commit_sha = hub.now(), actor, made
    issues.set_state(hub, repo, issue, actor, "closed")
    await refs.move(hub, repo, actor, f"refs/heads/{pull.base_ref}", made, expected=base_sha)
    _close_named(hub, repo, issue, actor, messages)
    return made


def review(hub: Hub, repo: Repository, issue: Issue, actor: Account, state: str, body: str = "") -> Review:
    """Submit a review (`state`: APPROVED, CHANGES_REQUESTED, COMMENTED); emits `pull_request_review` `submitted`."""
    assert issue.pull is not None
    made = Review(hub.state.new_id(), actor, body, state, issue.pull.head_sha, hub.now())
    issue.pull.reviews.append(made)
    shape = shapes.review(hub.urls, repo, issue, made)
    pull = shapes.pull_simple(hub.urls, repo, issue)
    hub.emit(
        repo,
        "pull_request_review",
        actor,
        action="submitted",
        review={**shape, "state": state.lower()},
        pull_request=pull,
    )
    return made


def closes(text: str) -> list[int]:
    """The issue numbers that a text closes by GitHub's keywords (`Fixes #12`), in order."""
    return [int(number) for number in _CLOSES.findall(text)]


def github_person(hub: Hub) -> Person:
    """The committer of what GitHub commits itself."""
    return Person("GitHub", "noreply@github.com", hub.now().isoformat())


def _close_named(hub: Hub, repo: Repository, issue: Issue, actor: Account, messages: list[str]) -> None:
    assert issue.pull is not None
    if issue.pull.base_ref != repo.default_branch:
        return
    for text in (issue.body or "", *messages):
        for number in closes(text):
            named = repo.issues.get(number)
            if named is not None and named.pull is None:
                issues.set_state(hub, repo, named, actor, "closed")


def _branch_of(repo: Repository, head: str) -> str:
    owner, _, branch = head.rpartition(":")
    if owner and owner.lower() != repo.owner.login.lower():
        raise invalid("PullRequest", "head")
    return branch


async def _branch_sha(repo: Repository, branch: str, field: str) -> str:
    sha = await repo.git.ref(f"refs/heads/{branch}")
    if sha is None:
        raise invalid("PullRequest", field)
    return sha


async def _reopen(repo: Repository, issue: Issue) -> None:
    pull = issue.pull
    assert pull is not None
    sha = await repo.git.ref(f"refs/heads/{pull.head_ref}")
    if pull.merged_at is not None or sha is None:
        raise invalid("PullRequest", "state", "custom", "state cannot be changed.")
    if _open_pull_for(repo, pull.head_ref, pull.base_ref) is not None:
        raise _refused(f"A pull request already exists for {repo.owner.login}:{pull.head_ref}.")
    pull.head_sha = sha
    await refresh(repo, issue)


def _open_pull_for(repo: Repository, head: str, base: str) -> Issue | None:
    for issue in repo.pulls():
        pull = issue.pull
        if pull and issue.state == "open" and (pull.head_ref, pull.base_ref) == (head, base):
            return issue
    return None


def _refused(message: str) -> ApiError:
    return ApiError(422, "Validation Failed", [{"resource": "PullRequest", "code": "custom", "message": message}])


async def update_branch(hub: Hub, repo: Repository, issue: Issue, actor: Account) -> str:
    """Merge the base branch into the head branch, as the button does; the new sha. 422 on conflict."""
    pull = issue.pull
    assert pull is not None
    tree = await repo.git.merged_tree(pull.head_sha, pull.base_sha)
    if tree is None:
        raise ApiError(422, "merge conflict between base and head")
    message = f"Merge branch '{pull.base_ref}' into {pull.head_ref}"
    author = Person(actor.name or actor.login, actor.noreply, hub.now().isoformat())
    made = await repo.git.write_commit(tree, [pull.head_sha, pull.base_sha], message, author, github_person(hub))
    repo.verified.add(made)
    await refs.move(hub, repo, actor, f"refs/heads/{pull.head_ref}", made, expected=pull.head_sha)
    return made
