"""Checks responses and webhook payloads against GitHub's own OpenAPI description, to keep the embedded server honest.

    checker = OpenApiChecker(Description(openapi_source.load()))
    github = GitHub(folder, wrap=checker.around)
    ...
    assert checker.failures == []

`Description.response_problems` and `webhook_problems` can be asked directly too.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jsonschema_rs
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/api/v3"
# Statuses that GitHub answers on any route, whether its description lists them for that route or not.
EVERYWHERE = {304, 400, 401, 403, 404, 405, 409, 422, 429, 500, 502, 503}
BASIC_ERROR = {"$ref": "#/components/schemas/basic-error"}
# What GitHub answers but does not document: the same as another route.
ALIASES = {re.compile(r"/repositories/\d+"): "/repos/owner/repo"}
# Where the description contradicts itself: its account would have to be a person and an enterprise at once.
CORRECTED = {
    "GET /app/installations -> 200": {"type": "array", "items": {"$ref": "#/components/schemas/installation"}},
}
MULTI_SEGMENT = {"path", "ref", "branch", "basehead", "tree_sha"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented method of one path."""

    template: str
    method: str
    pattern: re.Pattern[str]
    responses: dict[str, Any]


class Description:
    """GitHub's description, with a validator for each (path, method, status), made on first use."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._components: dict[str, Any] = document["components"]["schemas"]
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def response_problems(self, method: str, path: str, status: int, media_type: str, body: bytes) -> list[str]:
        """What is wrong with a response, one sentence each; an empty list when nothing is."""
        operation = self._find(method, next((known for alias, known in ALIASES.items() if alias.fullmatch(path)), path))
        if operation is None:
            return [] if status == 404 else [f"{method} {path}: GitHub documents no such route"]
        where = f"{method} {operation.template} -> {status}"
        response = operation.responses.get(str(status))
        if response is None:
            return self._undocumented(where, status, media_type, body)
        content = self._resolve(response).get("content", {})
        if "application/json" not in content:
            return [f"{where}: a body where GitHub sends none"] if body and status in (204, 304) else []
        if not media_type.startswith("application/json"):
            return []
        schema = CORRECTED.get(where, content["application/json"]["schema"])
        return self._invalid(where, schema if status < 400 else _tolerant(schema), body)

    def webhook_problems(self, event: str, payload: dict[str, Any]) -> list[str]:
        """What is wrong with a webhook payload."""
        action = payload.get("action")
        name = "-".join([event, action] if isinstance(action, str) else [event]).replace("_", "-")
        webhook = self._document["x-webhooks"].get(name)
        if webhook is None:
            return [f"webhook {name}: GitHub documents no such event"]
        schema = webhook["post"]["requestBody"]["content"]["application/json"]["schema"]
        return self._invalid(f"webhook {name}", schema, json.dumps(payload).encode())

    @cached_property
    def _operations(self) -> dict[str, list[Operation]]:
        found: dict[str, list[Operation]] = {}
        for template, methods in self._document["paths"].items():
            for method, operation in methods.items():
                known = Operation(template, method.upper(), _pattern(template), operation.get("responses", {}))
                found.setdefault(method.upper(), []).append(known)
        for operations in found.values():
            operations.sort(key=lambda each: (each.template.count("{"), -each.template.count("/")))
        return found

    def _find(self, method: str, path: str) -> Operation | None:
        matching = [each for each in self._operations.get(method, []) if each.pattern.fullmatch(path)]
        return min(matching, key=_openness, default=None)

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in node:
            return node
        _, _, kind, name = node["$ref"].split("/")
        found: dict[str, Any] = self._document["components"][kind][name]
        return found

    def _undocumented(self, where: str, status: int, media_type: str, body: bytes) -> list[str]:
        if status not in EVERYWHERE:
            return [f"{where}: GitHub documents no such status"]
        return self._invalid(where, BASIC_ERROR, body) if media_type.startswith("application/json") else []

    def _invalid(self, where: str, schema: dict[str, Any], body: bytes) -> list[str]:
        try:
            instance = json.loads(body)
        except ValueError:
            return [f"{where}: the body is not JSON"]
        errors = self._validator(where, schema).iter_errors(instance)
        return [f"{where}: {_place(error)}: {error.message[:300]}" for error in errors]

    def _validator(self, where: str, schema: dict[str, Any]) -> jsonschema_rs.Validator:
        known = self._validators.get(where)
        if known is None:
            whole = {**schema, "components": {"schemas": self._reachable(schema)}}
            known = self._validators[where] = jsonschema_rs.Draft202012Validator(
                whole, validate_formats=True, formats={"email": _anything}
            )
        return known

    def _reachable(self, schema: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        waiting = [schema]
        while waiting:
            for name in _references(waiting.pop()):
                if name not in found:
                    found[name] = self._components[name]
                    waiting.append(found[name])
        return found


@dataclass(slots=True)
class OpenApiChecker:
    """Collects what is wrong with the responses of the application that it stands around."""

    description: Description
    failures: list[str] = field(default_factory=list)
    checked: int = 0

    def around(self, app: ASGIApp) -> ASGIApp:
        """ASGI middleware: `app`, its REST responses checked."""

        async def checked(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
                await app(scope, receive, send)
                return
            messages: list[Message] = []

            async def record(message: Message) -> None:
                messages.append(message)
                await send(message)

            await app(scope, receive, record)
            self._check(scope, messages)

        return checked

    def _check(self, scope: Scope, messages: list[Message]) -> None:
        head = next(each for each in messages if each["type"] == "http.response.start")
        body = b"".join(each.get("body", b"") for each in messages if each["type"] == "http.response.body")
        media_type = dict(head["headers"]).get(b"content-type", b"").decode()
        path = scope["path"].removeprefix(PREFIX)
        self.checked += 1
        self.failures += self.description.response_problems(scope["method"], path, head["status"], media_type, body)


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]+\})", template)
    return re.compile("".join(_part(part) for part in parts))


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    return ".*" if part[1:-1] in MULTI_SEGMENT else "[^/]+"


def _openness(operation: Operation) -> tuple[int, int]:
    names = set(re.findall(r"\{([^}]+)\}", operation.template))
    return len(names & MULTI_SEGMENT), operation.template.count("{") - len(operation.template) // 8


def _tolerant(schema: dict[str, Any]) -> dict[str, Any]:
    # Errors are described as oneOf shapes that include each other, which no body can satisfy.
    return {"anyOf": schema["oneOf"]} if "oneOf" in schema else schema


def _anything(value: str) -> bool:
    # GitHub's own "1+name[bot]@users.noreply.github.com" is no address by the RFC.
    return True


def _place(error: jsonschema_rs.ValidationError) -> str:
    return "/".join(str(step) for step in error.instance_path) or "(top)"


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference.rsplit("/", 1)[1]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)
