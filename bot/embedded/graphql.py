"""The two GraphQL mutations that REST lacks: making a pull request a draft, or ready for review.

Mounted by `bot.embedded.app` at `/api/graphql`, where GHES has it. Not a GraphQL server: the mutation's name and the
pull request's node id are looked up in the query and its variables, and the answer has the fields `id` and `isDraft`.
"""

import json
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from bot.embedded.actions.pulls import set_draft
from bot.embedded.auth import Caller, Denied, identify
from bot.embedded.errors import ApiError
from bot.embedded.hub import Hub
from bot.embedded.state import Issue, Repository, Role
from bot.embedded.urls import node_id
from bot.embedded.web import answer

_MUTATIONS = {"markPullRequestReadyForReview": False, "convertPullRequestToDraft": True}
_LITERAL = re.compile(r'pullRequestId\s*:\s*"([^"]+)"')


async def serve_graphql(hub: Hub, request: Request) -> Response:
    """Answer one mutation; errors are GraphQL's, with status 200, but for 401."""
    try:
        caller = identify(hub, request.headers.get("authorization", "").partition(" ")[2].strip())
        body = json.loads(await request.body())
        query, variables = str(body["query"]), body.get("variables") or {}
    except Denied as error:
        return answer(ApiError(401, str(error)).body(), 401)
    except (ValueError, KeyError, TypeError):
        return answer({"message": "Problems parsing JSON", "documentation_url": "https://docs.github.com/graphql"}, 400)
    name = next((known for known in _MUTATIONS if known in query), None)
    if name is None:
        return _error("UNIMPLEMENTED", "The embedded GitHub knows two mutations only: " + ", ".join(_MUTATIONS))
    return _mutate(hub, caller, name, _strings(variables) | set(_LITERAL.findall(query)))


def _mutate(hub: Hub, caller: Caller, name: str, ids: set[str]) -> Response:
    found = _find(hub, ids)
    if found is None or not caller.sees(hub, found[0]):
        return _error("NOT_FOUND", "Could not resolve to a node with the global id given.")
    repo, issue = found
    if caller.actor is None or not caller.may(hub, repo, "pull_requests:write", Role.WRITE):
        return _error("FORBIDDEN", "Resource not accessible by integration")
    assert issue.pull is not None
    set_draft(hub, repo, issue, caller.actor, _MUTATIONS[name])
    pull = {"id": node_id("PullRequest", issue.pull.id), "number": issue.number, "isDraft": issue.pull.draft}
    return answer({"data": {name: {"pullRequest": pull}}})


def _find(hub: Hub, ids: set[str]) -> tuple[Repository, Issue] | None:
    for repo in hub.state.repositories.values():
        for issue in repo.pulls():
            if issue.pull is not None and node_id("PullRequest", issue.pull.id) in ids:
                return repo, issue
    return None


def _strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for each in inner for text in _strings(each)}


def _error(kind: str, message: str) -> Response:
    return answer({"data": None, "errors": [{"type": kind, "message": message}]})
