"""What Fettle reads of GitHub's answers: small frozen values with only the fields that are used.

GitHub's payloads drift and its published schemas are stricter than they are, so nothing else is validated. Text that
people wrote (titles, bodies) is untrusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository; `id` stays when it is renamed."""

    id: int
    full_name: str
    default_branch: str
    private: bool
    archived: bool

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON."""
        return cls(
            int(data["id"]),
            str(data["full_name"]),
            str(data.get("default_branch") or "main"),
            bool(data.get("private")),
            bool(data.get("archived")),
        )


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue or, with `is_pull`, a pull request seen as one."""

    number: int
    title: str
    body: str
    author: str
    is_open: bool
    is_pull: bool
    labels: frozenset[str]
    url: str

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON."""
        labels = (label["name"] if isinstance(label, Mapping) else label for label in data.get("labels") or ())
        return cls(
            int(data["number"]),
            str(data.get("title") or ""),
            str(data.get("body") or ""),
            _login(data),
            data.get("state") == "open",
            data.get("pull_request") is not None,
            frozenset(str(label) for label in labels),
            str(data.get("html_url") or ""),
        )


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on an issue or pull request."""

    id: int
    body: str
    author: str
    is_bot: bool
    url: str

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON."""
        user = data.get("user") or {}
        return cls(
            int(data["id"]),
            str(data.get("body") or ""),
            _login(data),
            user.get("type") == "Bot",
            str(data.get("html_url") or ""),
        )


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request; `head_repository` is the full name, empty when the fork is gone."""

    number: int
    title: str
    body: str
    head: str
    head_sha: str
    head_repository: str
    base: str
    is_open: bool
    merged: bool
    draft: bool
    node_id: str
    url: str

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON, of one pull request or of a list."""
        head = data["head"]
        return cls(
            int(data["number"]),
            str(data.get("title") or ""),
            str(data.get("body") or ""),
            str(head["ref"]),
            str(head["sha"]),
            str((head.get("repo") or {}).get("full_name") or ""),
            str(data["base"]["ref"]),
            data.get("state") == "open",
            bool(data.get("merged") or data.get("merged_at")),
            bool(data.get("draft")),
            str(data.get("node_id") or ""),
            str(data.get("html_url") or ""),
        )


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit made or read through the Git Data API; `verified` says that GitHub shows it as signed."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    verified: bool

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON."""
        return cls(
            str(data["sha"]),
            str(data["tree"]["sha"]),
            tuple(str(parent["sha"]) for parent in data.get("parents") or ()),
            bool((data.get("verification") or {}).get("verified")),
        )


class Conclusion(StrEnum):
    """How a check run ended, by GitHub's own names."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    CANCELLED = "cancelled"
    ACTION_REQUIRED = "action_required"


@dataclass(frozen=True, slots=True)
class Annotation:
    """A remark on lines of a file in a check run; `level` is notice, warning or failure."""

    path: str
    start_line: int
    end_line: int
    level: str
    message: str
    title: str = ""

    def to_json(self) -> dict[str, object]:
        """As GitHub wants it."""
        data = {
            "path": self.path,
            "start_line": self.start_line,
            "end_line": self.end_line,
            "annotation_level": self.level,
            "message": self.message[:60_000],
        }
        return data | ({"title": self.title[:255]} if self.title else {})


@dataclass(frozen=True, slots=True)
class CheckRun:
    """A check run on a commit; `conclusion` is None until it is completed."""

    id: int
    name: str
    head_sha: str
    external_id: str
    status: str
    conclusion: str | None
    annotations: int
    url: str

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON."""
        return cls(
            int(data["id"]),
            str(data["name"]),
            str(data["head_sha"]),
            str(data.get("external_id") or ""),
            str(data.get("status") or ""),
            data.get("conclusion"),
            int((data.get("output") or {}).get("annotations_count") or 0),
            str(data.get("html_url") or ""),
        )


@dataclass(frozen=True, slots=True)
class AppInfo:
    """The App itself; `bot` is the login that its comments and commits carry."""

    id: int
    slug: str
    name: str
    url: str
    permissions: Mapping[str, str]
    events: tuple[str, ...]

    @property
    def bot(self) -> str:
        """The login of the App's user."""
        return f"{self.slug}[bot]"

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON."""
        return cls(
            int(data["id"]),
            str(data["slug"]),
            str(data.get("name") or data["slug"]),
            str(data.get("html_url") or ""),
            dict(data.get("permissions") or {}),
            tuple(data.get("events") or ()),
        )


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation of the App on an account."""

    id: int
    account: str
    suspended: bool
    permissions: Mapping[str, str]

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON."""
        account = str((data.get("account") or {}).get("login") or "")
        return cls(int(data["id"]), account, bool(data.get("suspended_at")), dict(data.get("permissions") or {}))


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """A delivery that never got a 2xx; `id` is what `redeliver` takes, `guid` the id that the inbox knows."""

    id: int
    guid: str
    event: str
    delivered_at: datetime

    @classmethod
    def read(cls, data: Json) -> Self:
        """From GitHub's JSON."""
        return cls(int(data["id"]), str(data["guid"]), str(data.get("event") or ""), when(data["delivered_at"]))


def when(text: str) -> datetime:
    """A time of GitHub's, such as `2026-11-20T12:00:00Z`, with or without fractions of a second."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _login(data: Json) -> str:
    return str((data.get("user") or {}).get("login") or "ghost")
