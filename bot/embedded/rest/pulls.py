"""Pull requests (docs: pulls, reviews)."""

from starlette.responses import Response

from bot.embedded.actions import pulls as actions
from bot.embedded.errors import ApiError
from bot.embedded.rest import diffs
from bot.embedded.shapes import commits as commit_shapes
from bot.embedded.shapes import pulls as shapes
from bot.embedded.state import Issue, Pull
from bot.embedded.web import Call, answer, empty, endpoint

READ = "pull_requests:read"
WRITE = "pull_requests:write"


@endpoint("GET", "/repos/{owner}/{repo}/pulls", READ)
async def list_pulls(call: Call) -> Response:
    """Pull requests: `state`, `head` (owner:branch), `base`, `sort`, `direction`."""
    rows = [issue for issue in call.repo.pulls() if _matches(call, issue)]
    if call.query("sort") == "updated":
        rows.sort(key=lambda issue: issue.updated_at)
    if call.query("direction", "desc") == "desc":
        rows.reverse()
    return call.page(rows, lambda issue: shapes.pull_simple(call.hub.urls, call.repo, issue))


@endpoint("POST", "/repos/{owner}/{repo}/pulls", WRITE)
async def create_pull(call: Call) -> Response:
    """A new pull request. 422 when there is one for this head and base, or no commits between them."""
    issue = await actions.open_pull(
        call.hub,
        call.repo,
        call.actor,
        title=call.need("title", "PullRequest"),
        head=call.need("head", "PullRequest"),
        base=call.need("base", "PullRequest"),
        body=call.text("body", "PullRequest"),
        draft=call.flag("draft"),
        via=call.caller.via,
    )
    return answer(shapes.pull_request(call.hub.urls, call.repo, issue), 201)


@endpoint("GET", "/repos/{owner}/{repo}/pulls/{pull_number}", READ)
async def get_pull(call: Call) -> Response:
    """One pull request, or its diff by the media type."""
    issue = call.pull()
    base, head = await _span(call, _pull(issue))
    if (text := await diffs.as_text(call, base, head)) is not None:
        return text
    return answer(shapes.pull_request(call.hub.urls, call.repo, issue))


@endpoint("PATCH", "/repos/{owner}/{repo}/pulls/{pull_number}", WRITE)
async def update_pull(call: Call) -> Response:
    """Change title, body, state, base."""
    issue = call.pull()
    await actions.edit_pull(
        call.hub,
        call.repo,
        issue,
        call.actor,
        title=call.text("title", "PullRequest"),
        body=call.text("body", "PullRequest"),
        state=call.text("state", "PullRequest"),
        base=call.text("base", "PullRequest"),
    )
    return answer(shapes.pull_request(call.hub.urls, call.repo, issue))


@endpoint("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/files", READ)
async def list_files(call: Call) -> Response:
    """The changed files with their patches."""
    base, head = await _span(call, _pull(call.pull()))
    return call.page(await diffs.rows(call, base, head), lambda row: row)


@endpoint("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/commits", READ)
async def list_commits(call: Call) -> Response:
    """The commits, oldest first."""
    base, head = await _span(call, _pull(call.pull()))
    commits = (await call.repo.git.log([f"{base}..{head}"]))[::-1]
    people = diffs.accounts_by_address(call)
    return call.page(commits, lambda each: commit_shapes.commit(call.hub.urls, call.repo, each, people))


@endpoint("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/merge", READ)
async def is_merged(call: Call) -> Response:
    """204 when merged, else 404."""
    return empty(404 if _pull(call.pull()).merged_at is None else 204)


@endpoint("PUT", "/repos/{owner}/{repo}/pulls/{pull_number}/merge", "contents:write")
async def merge_pull(call: Call) -> Response:
    """Merge it. 405 when it cannot be merged, 409 when `sha` is not the head."""
    method = call.text("merge_method", "PullRequest") or "merge"
    if method not in ("merge", "squash", "rebase"):
        raise ApiError(422, "Invalid merge_method")
    title, sha = call.text("commit_title", "PullRequest") or "", call.text("sha", "PullRequest") or ""
    made = await actions.merge(call.hub, call.repo, call.pull(), call.actor, method=method, title=title, sha=sha)
    return answer({"sha": made, "merged": True, "message": "Pull Request successfully merged"})


@endpoint("PUT", "/repos/{owner}/{repo}/pulls/{pull_number}/update-branch", WRITE)
async def update_branch(call: Call) -> Response:
    """Merge the base into the head branch. 422 on conflict."""
    await actions.update_branch(call.hub, call.repo, call.pull(), call.actor)
    return answer({"message": "Updating pull request branch.", "url": call.hub.urls.page(call.repo)}, 202)


@endpoint("GET", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", READ)
async def list_reviews(call: Call) -> Response:
    """The submitted reviews."""
    issue = call.pull()
    return call.page(_pull(issue).reviews, lambda each: shapes.review(call.hub.urls, call.repo, issue, each))


@endpoint("POST", "/repos/{owner}/{repo}/pulls/{pull_number}/reviews", WRITE)
async def create_review(call: Call) -> Response:
    """Submit a review (`event`: APPROVE, REQUEST_CHANGES, COMMENT). 422 for approving one's own."""
    issue, event = call.pull(), call.need("event", "PullRequestReview")
    states = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
    if event not in states or (issue.user is call.actor and event != "COMMENT"):
        raise ApiError(422, "Unprocessable Entity", ["Can not approve your own pull request"])  # type: ignore[list-item]  # GitHub gives bare strings here
    body = call.text("body", "PullRequestReview") or ""
    made = actions.review(call.hub, call.repo, issue, call.actor, states[event], body)
    return answer(shapes.review(call.hub.urls, call.repo, issue, made))


def _pull(issue: Issue) -> Pull:
    assert issue.pull is not None
    return issue.pull


async def _span(call: Call, pull: Pull) -> tuple[str, str]:
    base = await call.repo.git.merge_base(pull.base_sha, pull.head_sha)
    return base or pull.base_sha, pull.head_sha


def _matches(call: Call, issue: Issue) -> bool:
    pull = _pull(issue)
    head = f"{call.repo.owner.login}:{pull.head_ref}".lower()
    wanted = call.query("head").lower()
    return (
        call.query("state", "open") in ("all", issue.state)
        and wanted in ("", head)
        and call.query("base") in ("", pull.base_ref)
    )


ENDPOINTS = (
    list_pulls,
    create_pull,
    get_pull,
    update_pull,
    list_files,
    list_commits,
    is_merged,
    merge_pull,
    update_branch,
    list_reviews,
    create_review,
)
