"""The ground that every REST endpoint stands on: who calls, what they may, request bodies, pages of results.

`bot.embedded.rest` declares `Endpoint`s with the decorator `endpoint`; `bot.embedded.app` makes routes of them.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response

from bot.embedded.auth import Caller
from bot.embedded.errors import ApiError, forbidden, invalid, not_found
from bot.embedded.hub import Hub
from bot.embedded.state import Account, Issue, Repository, Role

T = TypeVar("T")
JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an endpoint. `body` is the JSON object ({} when there is none)."""

    hub: Hub
    request: Request
    caller: Caller
    body: dict[str, Any]
    found: Repository | None = None

    @property
    def repo(self) -> Repository:
        """The repository that the path names."""
        assert self.found is not None
        return self.found

    @property
    def actor(self) -> Account:
        """The account that acts; 401 when nobody is signed in."""
        if self.caller.actor is None:
            raise ApiError(401, "Requires authentication")
        return self.caller.actor

    def path(self, name: str) -> str:
        """A path parameter."""
        return str(self.request.path_params[name])

    def number(self, name: str) -> int:
        """A numeric path parameter; 404 when it is not one."""
        text = self.path(name)
        if not text.isdecimal():
            raise not_found()
        return int(text)

    def query(self, name: str, default: str = "") -> str:
        """A query parameter."""
        return self.request.query_params.get(name, default)

    def moment(self, name: str) -> datetime | None:
        """A query parameter that is a time (ISO 8601; UTC when it does not say), None when missing; 422."""
        text = self.query(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise invalid("Query", name) from error
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def issue(self, name: str = "issue_number") -> Issue:
        """The issue (or pull request) that the path names; 404."""
        issue = self.repo.issues.get(self.number(name))
        if issue is None:
            raise not_found()
        return issue

    def pull(self) -> Issue:
        """The pull request that the path names; 404."""
        issue = self.issue("pull_number")
        if issue.pull is None:
            raise not_found()
        return issue

    def text(self, name: str, resource: str, *, required: bool = False) -> str | None:
        """A string of the body; 422 when it is missing (if required) or of another type."""
        value = self.body.get(name)
        if value is None:
            if required:
                raise invalid(resource, name, "missing_field")
            return None
        if not isinstance(value, str):
            raise ApiError(422, f"Invalid request.\n\nFor 'properties/{name}', {json.dumps(value)} is not a string.")
        return value

    def need(self, name: str, resource: str) -> str:
        """A string of the body that must be there and not be empty; 422."""
        value = self.text(name, resource, required=True)
        if not value:
            raise invalid(resource, name, "missing_field")
        return value

    def texts(self, name: str) -> list[str] | None:
        """A list of strings of the body (labels also as `{"name": ...}`); 422 when it is anything else."""
        value = self.body.get(name)
        if value is None:
            return None
        rows = value if isinstance(value, list) else [None]
        names = [item.get("name") if isinstance(item, dict) else item for item in rows]
        if not all(isinstance(item, str) for item in names):
            raise ApiError(422, f"Invalid request.\n\nFor 'properties/{name}', {json.dumps(value)} is not an array.")
        return [str(name) for name in names]

    def flag(self, name: str) -> bool:
        """A boolean of the body, false when missing; 422 when it is anything else."""
        value = self.body.get(name) or False
        if not isinstance(value, bool):
            raise ApiError(422, f"Invalid request.\n\nFor 'properties/{name}', {json.dumps(value)} is not a boolean.")
        return value

    def page(self, items: Sequence[T], render: Callable[[T], Any], wrap: str = "") -> Response:
        """One page of `items`; in an object under `wrap` with `total_count` when that is given. Sets `Link`."""
        size = min(_positive(self.query("per_page"), 30), 100)
        number = _positive(self.query("page"), 1)
        rows = [render(item) for item in items[(number - 1) * size : number * size]]
        last = max(1, -(-len(items) // size))
        headers = {"Link": link} if (link := self._links(number, last)) else {}
        return answer({"total_count": len(items), wrap: rows} if wrap else rows, headers=headers)

    def _links(self, number: int, last: int) -> str:
        targets = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        shown = [name for name in ("prev", "first") if number > 1] + [n for n in ("next", "last") if number < last]
        return ", ".join(f'<{self._page_url(targets[name])}>; rel="{name}"' for name in shown)

    def _page_url(self, number: int) -> str:
        pairs = [(key, value) for key, value in parse_qsl(self.request.url.query) if key != "page"]
        path = self.request.url.path
        return f"{self.hub.urls.server}{path}?{urlencode([*pairs, ('page', str(number))])}"


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route. `needs` are alternatives ("issues:write|pull_requests:write"); `people` is the role a person needs."""

    method: str
    path: str
    handler: Handler
    needs: str
    people: Role
    only: str

    async def __call__(self, call: Call) -> Response:
        """Check who calls, then answer. Raises ApiError."""
        match self.only:
            case "app" if call.caller.app is None:
                raise ApiError(401, "A JSON web token could not be decoded")
            case "installation" if call.caller.installation is None:
                raise forbidden(
                    "You must authenticate with an installation access token in order to access this resource."
                )
            case "known" if call.caller.actor is None:
                raise ApiError(401, "Requires authentication")
        if call.found is not None:
            self._permit(call)
        return await self.handler(call)

    def _permit(self, call: Call) -> None:
        if call.caller.app is not None:
            if self.only != "app":
                raise ApiError(401, "A JSON web token could not be decoded")
            return
        if call.caller.actor is None and ":write" in self.needs:
            raise ApiError(401, "Requires authentication")
        if not call.caller.may(call.hub, call.repo, self.needs, self.people):
            installed = call.caller.installation is not None
            raise forbidden() if installed else forbidden("Must have admin rights to Repository.")


def endpoint(
    method: str, path: str, needs: str = "metadata:read", *, people: Role | None = None, only: str = ""
) -> Callable[[Handler], Endpoint]:
    """Declare an endpoint. People need write where `needs` says write, else read, unless `people` says otherwise.

    `only`: "app" (JWT), "installation" (its token), "known" (anybody signed in), or "" for all.
    """
    role = people or (Role.WRITE if ":write" in needs else Role.READ)
    return lambda handler: Endpoint(method, path, handler, needs, role, only)


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    return Response(body, status, headers=headers, media_type=JSON_TYPE)


def empty(status: int = 204) -> Response:
    """A response without a body."""
    return Response(status_code=status)


def _positive(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and int(text) > 0 else default
