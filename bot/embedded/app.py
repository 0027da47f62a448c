"""The ASGI application: REST under `/api/v3`, git smart HTTP and HTML pages under `/`."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from bot.embedded import rest
from bot.embedded.auth import Caller, Denied, identify
from bot.embedded.errors import ApiError, not_found
from bot.embedded.git_http import serve_git
from bot.embedded.gitrepo import GitError
from bot.embedded.graphql import serve_graphql
from bot.embedded.hub import Hub
from bot.embedded.pages import page_routes
from bot.embedded.setup_pages import setup_routes
from bot.embedded.web import Call, Endpoint, answer

VERSION_HEADERS = {"X-GitHub-Media-Type": "github.v3; format=json", "X-GitHub-Api-Version-Selected": "2022-11-28"}


def build(hub: Hub) -> ASGIApp:
    """The application over one hub."""
    api = Starlette(routes=[*_routes(hub), Route("/{path:path}", _nothing, methods=_METHODS)])

    async def git(request: Request) -> Response:
        return await serve_git(hub, request)

    async def graphql(request: Request) -> Response:
        return await serve_graphql(hub, request)

    api_routes = [Mount("/api/v3", api), Route("/api/graphql", graphql, methods=["POST"])]
    smart = Route("/{owner}/{name}.git/{service:path}", git, methods=["GET", "POST"])
    return Starlette(routes=[*api_routes, smart, *setup_routes(hub), *page_routes(hub)])


_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def _routes(hub: Hub) -> list[Route]:
    return [Route(each.path, _serve(hub, each), methods=[each.method]) for each in rest.ALL]


def _serve(hub: Hub, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        caller = Caller()
        try:
            caller = identify(hub, _credential(request))
            limits = _limit(hub, caller, free=endpoint.path == "/rate_limit")
            if endpoint.method == "POST":
                _limit_writes(hub, caller)
            response = await endpoint(await _call(hub, request, caller))
        except GitError as error:
            return _failure(ApiError(422, f"git refused: {error}"[:500]), {})
        except Denied as error:
            return _failure(ApiError(401, str(error)), {})
        except ApiError as error:
            return _failure(error, _limit(hub, caller, free=True))
        response.headers.update(limits)
        response.headers.update(VERSION_HEADERS)
        return _conditional(request, response)

    return serve


async def _call(hub: Hub, request: Request, caller: Caller) -> Call:
    names = request.path_params
    found = None
    if "owner" in names and "repo" in names:
        found = hub.state.repository(f"{names['owner']}/{names['repo']}")
        if found is None or not (caller.app or caller.sees(hub, found)):
            raise not_found()
    return Call(hub, request, caller, await _body(request), found)


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
        json.dumps(body, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "Problems parsing JSON") from error
    if isinstance(body, list) and request.url.path.endswith("/labels"):
        return {"labels": body}
    if not isinstance(body, dict):
        raise ApiError(400, "Body should be a JSON object")
    return body


def _credential(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() in ("bearer", "token") else ""


def _limit(hub: Hub, caller: Caller, *, free: bool) -> dict[str, str]:
    limit = hub.limits.per_hour
    used, reset = hub.limits.count(caller.key, hub.now(), cost=0 if free else 1)
    headers = {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(0, limit - used)),
        "X-RateLimit-Used": str(used),
        "X-RateLimit-Reset": str(reset),
        "X-RateLimit-Resource": "core",
    }
    if used > limit and not free:
        raise ApiError(403, f"API rate limit exceeded for {caller.key}.", headers=headers)
    return headers


def _limit_writes(hub: Hub, caller: Caller) -> None:
    wait = hub.limits.write(caller.key, hub.now())
    if wait:
        message = "You have exceeded a secondary rate limit and have been temporarily blocked from content creation."
        raise ApiError(403, message, headers={"Retry-After": str(wait)})


def _failure(error: ApiError, headers: dict[str, str]) -> Response:
    return answer(error.body(), error.status, {**headers, **VERSION_HEADERS, **error.headers})


def _conditional(request: Request, response: Response) -> Response:
    if request.method != "GET" or response.status_code != 200:
        return response
    tag = f'W/"{hashlib.sha256(bytes(response.body)).hexdigest()}"'
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag.removeprefix("W/") not in known:
        return response
    kept = {key: value for key, value in response.headers.items() if key not in ("content-length", "content-type")}
    return Response(status_code=304, headers=kept)


async def _nothing(request: Request) -> Response:
    return _failure(not_found(), {})
