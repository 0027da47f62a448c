"""What makes a webhook request acceptable: signature, JSON, a body that looks like its event. Used by bot.intake.

A payload is never refused because a model does not validate (DESIGN.md decision 1): GitHub's payloads drift. But the
signature covers only the body, so `X-GitHub-Event` is held against the few keys that tell one body from another.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic_core import from_json

MAX_BODY = 25 * 1024 * 1024
"""Bytes; GitHub's own cap on payloads (docs.github.com, "Webhook events and payloads")."""

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:-]{0,127}")
_NAME = re.compile(r"[a-z][a-z_]{0,63}")


class BadBody(ValueError):
    """The body cannot be a delivery of that event; the text is the answer's sentence."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which keys hold an object in an event's body, and which keys only other events' bodies have."""

    has: tuple[str, ...]
    lacks: tuple[str, ...] = ()


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "issues": Shape(("issue", "repository"), ("comment", "pull_request")),
        "issue_comment": Shape(("issue", "comment", "repository")),
        "pull_request": Shape(("pull_request", "repository"), ("comment", "review", "thread")),
        "pull_request_review": Shape(("pull_request", "review", "repository"), ("comment",)),
        "pull_request_review_comment": Shape(("pull_request", "comment", "repository")),
        "pull_request_review_thread": Shape(("pull_request", "thread", "repository")),
        "check_run": Shape(("check_run", "repository")),
        "check_suite": Shape(("check_suite", "repository"), ("check_run",)),
        "workflow_run": Shape(("workflow_run", "repository")),
        "workflow_job": Shape(("workflow_job", "repository")),
        "push": Shape(("repository", "pusher"), ("issue", "pull_request", "comment")),
        "installation": Shape(("installation",), ("issue", "pull_request", "comment", "repository")),
        "installation_repositories": Shape(("installation",), ("issue", "pull_request", "comment", "repository")),
        "installation_target": Shape(("installation", "account")),
        "repository": Shape(("repository",), ("issue", "pull_request", "comment", "pusher")),
    }
)
"""Events that Fettle reads, or may soon; an event that is not here is only held to be a JSON object."""


def signed(secrets: Sequence[bytes], body: bytes, signature: bytes) -> bool:
    """Whether `signature` (`sha256=` and 64 hex digits) is `body`'s under any of the secrets, in constant time."""
    held = False
    for secret in secrets:
        expected = b"sha256=" + hmac.digest(secret, body, hashlib.sha256).hex().encode()
        held |= hmac.compare_digest(expected, signature)
    return held


def names(delivery_id: str, event: str) -> bool:
    """Whether both headers are plain words that may stand in a table, a log and a label."""
    return bool(_ID.fullmatch(delivery_id) and _NAME.fullmatch(event))


def action_of(event: str, body: bytes) -> str:
    """The body's `action`, empty when it has none; raises BadBody when it is not JSON or not such an event's body."""
    payload = _parse(body)
    if not isinstance(payload, dict):
        raise BadBody("The body is not a JSON object.")
    shape = SHAPES.get(event)
    if shape is not None:
        _check(event, shape, payload)
    action = payload.get("action")
    return action if isinstance(action, str) and _NAME.fullmatch(action) else ""


def _check(event: str, shape: Shape, payload: Mapping[str, Any]) -> None:
    missing = [key for key in shape.has if not isinstance(payload.get(key), dict)]
    foreign = [key for key in shape.lacks if key in payload]
    if missing or foreign:
        what = f"has no {missing[0]}" if missing else f"has a {foreign[0]}"
        raise BadBody(f"The body is not one of the event {event}: it {what}.")


def _parse(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        pass
    # The fast parser refuses lone surrogates, which GitHub sends when a name or a text was cut in the middle.
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadBody("The body cannot be parsed as JSON.") from None
