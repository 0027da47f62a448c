"""Events: small frozen values with only the fields that we read, parsed tolerantly from a delivery's raw JSON.

GitHub's payloads drift, so no schema is enforced: a payload that lacks what an event needs is Malformed, all else
passes. Called from bot.jobs.deliver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_MOST = 2**63 - 1  # of an id or a number: what a database's integer holds


class Malformed(ValueError):
    """The payload lacks a field that this event cannot do without, or has nonsense there; the text says which."""


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
    """An issue was closed, deleted or moved to another repository."""

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
    if not isinstance(payload, Mapping):
        raise Malformed(f"{name} is not a JSON object")
    action = str(payload.get("action", ""))
    reader = _READERS.get((name, action))
    if reader is None:
        return None
    try:
        return reader(payload)
    except KeyError as error:
        raise Malformed(f"{name}.{action} lacks {error}") from None
    except (TypeError, AttributeError, ValueError, OverflowError) as error:
        raise Malformed(f"{name}.{action} is not as GitHub sends it: {error}") from None


def _actor(data: Mapping[str, Any]) -> Actor:
    return Actor(_text(data["login"]), _number(data.get("id", 0)), data.get("type") == "Bot")


def _number(value: Any) -> int:
    number = int(value)
    if not 0 <= number <= _MOST:
        raise ValueError("a number is out of range")
    return number


def _text(value: Any) -> str:
    # JSON can say what no database stores: lone surrogates, and NUL.
    return str(value).replace("\0", "").encode(errors="replace").decode()


def _repository(payload: Mapping[str, Any]) -> RepositoryRef:
    data = payload["repository"]
    installation = payload.get("installation") or {}
    return RepositoryRef(
        _number(data["id"]),
        _text(data["full_name"]),
        _number(installation.get("id", 0)),
        _text(data.get("default_branch") or "main"),
    )


def issue_from(data: Mapping[str, Any]) -> IssueRef:
    """An issue object, of a payload or of the REST API; raises KeyError without a number."""
    return IssueRef(
        number=_number(data["number"]),
        title=_text(data.get("title") or ""),
        body=_text(data.get("body") or ""),
        author=_text((data.get("user") or {}).get("login", "")),
        is_open=data.get("state") != "closed",
        labels=frozenset(
            _text(label.get("name", "")) for label in data.get("labels") or () if isinstance(label, Mapping)
        ),
    )


def _labelled(payload: Mapping[str, Any]) -> Event:
    issue = issue_from(payload["issue"])
    return IssueLabelled(_repository(payload), issue, _text(payload["label"]["name"]), _actor(payload["sender"]))


def _unlabelled(payload: Mapping[str, Any]) -> Event:
    issue = issue_from(payload["issue"])
    return IssueUnlabelled(_repository(payload), issue, _text(payload["label"]["name"]), _actor(payload["sender"]))


def _closed(payload: Mapping[str, Any]) -> Event:
    return IssueClosed(_repository(payload), issue_from(payload["issue"]), _actor(payload["sender"]))


def _pull_closed(payload: Mapping[str, Any]) -> Event:
    pull, repository = payload["pull_request"], _repository(payload)
    head = pull["head"]
    ours = (head.get("repo") or {}).get("id") == repository.id
    branch = _text(head["ref"]) if ours else ""
    return PullRequestClosed(
        repository, _number(pull["number"]), branch, bool(pull.get("merged")), _actor(payload["sender"])
    )


def _refs(items: Any, installation_id: int) -> tuple[RepositoryRef, ...]:
    return tuple(RepositoryRef(_number(item["id"]), _text(item["full_name"]), installation_id) for item in items or ())


def _installed(payload: Mapping[str, Any]) -> Event:
    installation_id = _number(payload["installation"]["id"])
    return RepositoriesChanged(installation_id, added=_refs(payload.get("repositories"), installation_id))


def _uninstalled(payload: Mapping[str, Any]) -> Event:
    return RepositoriesChanged(_number(payload["installation"]["id"]), gone=True)


def _suspension(suspended: bool) -> Callable[[Mapping[str, Any]], Event]:
    return lambda payload: RepositoriesChanged(_number(payload["installation"]["id"]), suspended=suspended)


def _repositories(payload: Mapping[str, Any]) -> Event:
    installation_id = _number(payload["installation"]["id"])
    removed = tuple(_number(item["id"]) for item in payload.get("repositories_removed") or ())
    return RepositoriesChanged(installation_id, _refs(payload.get("repositories_added"), installation_id), removed)


_READERS: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Event]] = {
    ("issues", "labeled"): _labelled,
    ("issues", "unlabeled"): _unlabelled,
    ("issues", "closed"): _closed,
    ("issues", "deleted"): _closed,
    ("issues", "transferred"): _closed,
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
