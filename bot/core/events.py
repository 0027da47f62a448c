"""Events: small frozen values with only the fields that we read, parsed tolerantly from a delivery's raw JSON.

GitHub's payloads drift, so no schema is enforced: a payload that lacks what an event needs is Malformed, all else
passes. Called from bot.jobs.deliver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


class Malformed(ValueError):
    """The payload lacks a field that this event cannot do without; the text names it."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. `id` is GitHub's user id; logins can be renamed, ids cannot."""

    login: str
    id: int
    is_bot: bool


@dataclass(frozen=True, slots=True)
class RepositoryRef:
    """Which repository, and through which installation."""

    id: int
    full_name: str
    installation_id: int
    default_branch: str = "main"


@dataclass(frozen=True, slots=True)
class IssueRef:
    """An issue as the payload showed it; its text is untrusted."""

    number: int
    title: str
    body: str
    author: str
    is_open: bool
    labels: frozenset[str]


@dataclass(frozen=True, slots=True)
class IssueLabelled:
    """A label was put on an issue."""

    repository: RepositoryRef
    issue: IssueRef
    label: str
    sender: Actor


@dataclass(frozen=True, slots=True)
class IssueUnlabelled:
    """A label was taken off an issue."""

    repository: RepositoryRef
    issue: IssueRef
    label: str
    sender: Actor


@dataclass(frozen=True, slots=True)
class IssueClosed:
    """An issue was closed."""

    repository: RepositoryRef
    issue: IssueRef
    sender: Actor


@dataclass(frozen=True, slots=True)
class PullRequestClosed:
    """A pull request was closed, merged or not; `branch` is its head branch in this repository, empty for a fork's."""

    repository: RepositoryRef
    number: int
    branch: str
    merged: bool
    sender: Actor


@dataclass(frozen=True, slots=True)
class RepositoriesChanged:
    """An installation gained or lost repositories, or the whole of it came, went, or was suspended."""

    installation_id: int
    added: tuple[RepositoryRef, ...] = ()
    removed: tuple[int, ...] = ()
    gone: bool = False
    suspended: bool | None = None


Event = IssueLabelled | IssueUnlabelled | IssueClosed | PullRequestClosed | RepositoriesChanged


def parse(name: str, payload: Mapping[str, Any]) -> Event | None:
    """The Event in a delivery named `name`, or None when it is one that we do not read; raises Malformed."""
    reader = _READERS.get((name, str(payload.get("action", ""))))
    if reader is None:
        return None
    try:
        return reader(payload)
    except (KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"{name}.{payload.get('action')} lacks {error}") from None


def _actor(data: Mapping[str, Any]) -> Actor:
    return Actor(str(data["login"]), int(data.get("id", 0)), data.get("type") == "Bot")


def _repository(payload: Mapping[str, Any]) -> RepositoryRef:
    data = payload["repository"]
    installation = payload.get("installation") or {}
    return RepositoryRef(
        int(data["id"]),
        str(data["full_name"]),
        int(installation.get("id", 0)),
        str(data.get("default_branch") or "main"),
    )


def issue_from(data: Mapping[str, Any]) -> IssueRef:
    """An issue object, of a payload or of the REST API; raises KeyError without a number."""
    return IssueRef(
        number=int(data["number"]),
        title=str(data.get("title") or ""),
        body=str(data.get("body") or ""),
        author=str((data.get("user") or {}).get("login", "")),
        is_open=data.get("state") != "closed",
        labels=frozenset(
            str(label.get("name", "")) for label in data.get("labels") or () if isinstance(label, Mapping)
        ),
    )


def _labelled(payload: Mapping[str, Any]) -> Event:
    issue = issue_from(payload["issue"])
    return IssueLabelled(_repository(payload), issue, str(payload["label"]["name"]), _actor(payload["sender"]))


def _unlabelled(payload: Mapping[str, Any]) -> Event:
    issue = issue_from(payload["issue"])
    return IssueUnlabelled(_repository(payload), issue, str(payload["label"]["name"]), _actor(payload["sender"]))


def _closed(payload: Mapping[str, Any]) -> Event:
    return IssueClosed(_repository(payload), issue_from(payload["issue"]), _actor(payload["sender"]))


def _pull_closed(payload: Mapping[str, Any]) -> Event:
    pull, repository = payload["pull_request"], _repository(payload)
    head = pull["head"]
    ours = (head.get("repo") or {}).get("id") == repository.id
    branch = str(head["ref"]) if ours else ""
    return PullRequestClosed(
        repository, int(pull["number"]), branch, bool(pull.get("merged")), _actor(payload["sender"])
    )


def _refs(items: Any, installation_id: int) -> tuple[RepositoryRef, ...]:
    return tuple(RepositoryRef(int(item["id"]), str(item["full_name"]), installation_id) for item in items or ())


def _installed(payload: Mapping[str, Any]) -> Event:
    installation_id = int(payload["installation"]["id"])
    return RepositoriesChanged(installation_id, added=_refs(payload.get("repositories"), installation_id))


def _uninstalled(payload: Mapping[str, Any]) -> Event:
    return RepositoriesChanged(int(payload["installation"]["id"]), gone=True)


def _suspension(suspended: bool) -> Callable[[Mapping[str, Any]], Event]:
    return lambda payload: RepositoriesChanged(int(payload["installation"]["id"]), suspended=suspended)


def _repositories(payload: Mapping[str, Any]) -> Event:
    installation_id = int(payload["installation"]["id"])
    removed = tuple(int(item["id"]) for item in payload.get("repositories_removed") or ())
    return RepositoriesChanged(installation_id, _refs(payload.get("repositories_added"), installation_id), removed)


_READERS: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Event]] = {
    ("issues", "labeled"): _labelled,
    ("issues", "unlabeled"): _unlabelled,
    ("issues", "closed"): _closed,
    ("pull_request", "closed"): _pull_closed,
    ("installation", "created"): _installed,
    ("installation", "deleted"): _uninstalled,
    ("installation", "suspend"): _suspension(True),
    ("installation", "unsuspend"): _suspension(False),
    ("installation_repositories", "added"): _repositories,
    ("installation_repositories", "removed"): _repositories,
}

NAMES = frozenset(name for name, _ in _READERS)
"""Every webhook event name that is read; app.yml asks for exactly these (installation events come unasked)."""
