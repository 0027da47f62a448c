"""Reactions on issues and on their comments (docs: reactions)."""

from collections.abc import Callable

from starlette.responses import Response

from bot.embedded.actions import issues as actions
from bot.embedded.errors import forbidden, not_found
from bot.embedded.shapes import issues as shapes
from bot.embedded.state import Reaction, Role
from bot.embedded.web import Call, Endpoint, answer, empty, endpoint

Find = Callable[[Call], list[Reaction]]
READ = "issues:read|pull_requests:read"
WRITE = "issues:write|pull_requests:write"


def _of_issue(call: Call) -> list[Reaction]:
    return call.issue().reactions


def _of_comment(call: Call) -> list[Reaction]:
    comment = call.repo.comments.get(call.number("comment_id"))
    if comment is None:
        raise not_found()
    return comment.reactions


def _endpoints(path: str, find: Find) -> tuple[Endpoint, ...]:
    @endpoint("GET", path, READ)
    async def list_reactions(call: Call) -> Response:
        wanted = call.query("content")
        rows = [each for each in find(call) if wanted in ("", each.content)]
        return call.page(rows, lambda each: shapes.reaction(call.hub.urls, each))

    @endpoint("POST", path, WRITE, people=Role.READ)
    async def create_reaction(call: Call) -> Response:
        made, new = actions.react(call.hub, find(call), call.actor, call.need("content", "Reaction"))
        return answer(shapes.reaction(call.hub.urls, made), 201 if new else 200)

    @endpoint("DELETE", f"{path}/{{reaction_id}}", WRITE, people=Role.READ)
    async def delete_reaction(call: Call) -> Response:
        rows, wanted = find(call), call.number("reaction_id")
        found = next((each for each in rows if each.id == wanted), None)
        if found is None:
            raise not_found()
        if found.user is not call.actor:
            raise forbidden("Must be the reaction's author.")
        rows.remove(found)
        return empty()

    return list_reactions, create_reaction, delete_reaction


ENDPOINTS = (
    *_endpoints("/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions", _of_comment),
    *_endpoints("/repos/{owner}/{repo}/issues/{issue_number}/reactions", _of_issue),
)
