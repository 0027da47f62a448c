"""Comments on issues and pull requests (docs: issue comments)."""

from starlette.responses import Response

from bot.embedded.actions import issues as actions
from bot.embedded.errors import forbidden, not_found
from bot.embedded.shapes import issues as shapes
from bot.embedded.state import Comment, Role
from bot.embedded.web import Call, answer, empty, endpoint

READ = "issues:read|pull_requests:read"
WRITE = "issues:write|pull_requests:write"


@endpoint("GET", "/repos/{owner}/{repo}/issues/{issue_number}/comments", READ)
async def list_comments(call: Call) -> Response:
    """An issue's comments, oldest first, `since` when given."""
    return call.page(_since(call, call.repo.comments_of(call.issue().number)), lambda each: _shape(call, each))


@endpoint("GET", "/repos/{owner}/{repo}/issues/comments", READ)
async def list_all_comments(call: Call) -> Response:
    """The comments of all issues; `direction=desc` turns them round."""
    rows = _since(call, list(call.repo.comments.values()))
    return call.page(rows[::-1] if call.query("direction") == "desc" else rows, lambda each: _shape(call, each))


@endpoint("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments", WRITE, people=Role.READ)
async def create_comment(call: Call) -> Response:
    """A new comment."""
    issue, body = call.issue(), call.need("body", "IssueComment")
    made = actions.comment(call.hub, call.repo, issue, call.actor, body, call.caller.via)
    return answer(_shape(call, made), 201)


@endpoint("GET", "/repos/{owner}/{repo}/issues/comments/{comment_id}", READ)
async def get_comment(call: Call) -> Response:
    """One comment."""
    return answer(_shape(call, _comment(call)))


@endpoint("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}", WRITE, people=Role.READ)
async def update_comment(call: Call) -> Response:
    """Change a comment: one's own, or anybody's with write permission."""
    comment = _own(call)
    actions.edit_comment(call.hub, call.repo, comment, call.actor, call.need("body", "IssueComment"))
    return answer(_shape(call, comment))


@endpoint("DELETE", "/repos/{owner}/{repo}/issues/comments/{comment_id}", WRITE, people=Role.READ)
async def delete_comment(call: Call) -> Response:
    """Delete a comment: one's own, or anybody's with write permission."""
    actions.delete_comment(call.hub, call.repo, _own(call), call.actor)
    return empty()


def _comment(call: Call) -> Comment:
    found = call.repo.comments.get(call.number("comment_id"))
    if found is None:
        raise not_found()
    return found


def _own(call: Call) -> Comment:
    comment = _comment(call)
    role = call.repo.role(call.actor)
    may = call.caller.installation is not None or (role is not None and role.rank >= Role.WRITE.rank)
    if comment.user is not call.actor and not may:
        raise forbidden("Must have admin rights to Repository.")
    return comment


def _since(call: Call, comments: list[Comment]) -> list[Comment]:
    since = call.moment("since")
    return [comment for comment in comments if since is None or comment.updated_at >= since]


def _shape(call: Call, comment: Comment) -> dict[str, object]:
    return shapes.comment(call.hub.urls, call.repo, comment)


ENDPOINTS = (list_all_comments, get_comment, update_comment, delete_comment, list_comments, create_comment)
