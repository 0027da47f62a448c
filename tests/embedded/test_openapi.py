"""The checker itself: it must find what is wrong, or its silence means nothing."""

import json

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.harness.openapi import Description, OpenApiChecker
from tests.harness.openapi_source import with_null


@pytest.mark.parametrize(
    ("method", "path", "status", "body", "expected"),
    [
        ("GET", "/repos/a/b/issues/1", 200, {"id": 1}, '"assignee" is a required property'),
        ("GET", "/repos/a/b/issues/1", 418, {}, "documents no such status"),
        ("GET", "/repos/a/b/nonsense", 200, {}, "documents no such route"),
        ("GET", "/repos/a/b/issues", 200, {}, "is not of type"),
        ("GET", "/repos/a/b/git/ref/heads/x/y", 200, {"ref": 1}, "is not of type"),
        ("GET", "/repos/a/b/issues/1", 404, {"message": 1}, "is not of type"),
    ],
)
def test_a_bad_response_is_found(
    description: Description, method: str, path: str, status: int, body: object, expected: str
) -> None:
    problems = description.response_problems(method, path, status, "application/json", json.dumps(body).encode())
    assert any(expected in problem for problem in problems), problems


def test_a_good_response_passes(description: Description) -> None:
    body = {"id": 1, "node_id": "L", "url": "http://x/l", "name": "bug", "color": "f00", "default": False}
    with_description = json.dumps([{**body, "description": None}]).encode()
    assert description.response_problems("GET", "/repos/a/b/labels", 200, "application/json", with_description) == []
    missing = json.dumps([body]).encode()
    assert description.response_problems("GET", "/repos/a/b/labels", 200, "application/json", missing)


def test_a_bad_webhook_is_found(description: Description) -> None:
    assert description.webhook_problems("issues", {"action": "labeled", "issue": {}})
    assert description.webhook_problems("issues", {"action": "exploded"}) == [
        "webhook issues-exploded: GitHub documents no such event"
    ]


async def test_the_middleware_collects_and_does_not_disturb(description: Description) -> None:
    async def bad(request: Request) -> Response:
        return JSONResponse({"login": 7})

    checker = OpenApiChecker(description)
    app = checker.around(Starlette(routes=[Route("/api/v3/user", bad), Route("/page", bad)]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://github.test") as client:
        assert (await client.get("/page")).json() == {"login": 7}
        assert checker.checked == 0
        assert (await client.get("/api/v3/user")).json() == {"login": 7}
    assert checker.checked == 1
    assert checker.failures


def test_nullable_becomes_a_choice() -> None:
    before = {"type": "object", "properties": {"a": {"type": "string", "nullable": True}, "b": [{"nullable": False}]}}
    assert with_null(before) == {
        "type": "object",
        "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "b": [{}]},
    }
