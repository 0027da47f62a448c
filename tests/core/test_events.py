"""Events: small payloads parse to what they say; whatever else comes is None or Malformed, never a crash."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.events import (
    NAMES,
    Actor,
    Event,
    IssueClosed,
    IssueLabelled,
    IssueRef,
    IssueUnlabelled,
    Malformed,
    PullRequestClosed,
    RepositoriesChanged,
    RepositoryRef,
    issue_from,
    parse,
)

SENDER = {"login": "ada", "id": 7, "type": "User"}
REPOSITORY = {"id": 11, "full_name": "acme/calc", "default_branch": "trunk"}
ISSUE = {
    "number": 3,
    "title": "clamp() is wrong",
    "body": None,
    "state": "open",
    "user": {"login": "bob"},
    "labels": [{"name": "autofix"}, None, {"name": "bug"}],
}
ABOUT = {"repository": REPOSITORY, "installation": {"id": 5}, "sender": SENDER}
PULL = {"number": 9, "merged": True, "head": {"ref": "fettle/issue-3", "repo": {"id": 11}}}

ADA, CALC = Actor("ada", 7, is_bot=False), RepositoryRef(11, "acme/calc", 5, "trunk")
CLAMP = IssueRef(3, "clamp() is wrong", "", "bob", True, frozenset({"autofix", "bug"}))
ADDED = [{"id": 11, "full_name": "acme/calc"}]

GOLDEN: list[tuple[str, dict[str, Any], Event]] = [
    ("issues", {"action": "labeled", "issue": ISSUE, "label": {"name": "autofix"}, **ABOUT},
     IssueLabelled(CALC, CLAMP, "autofix", ADA)),
    ("issues", {"action": "unlabeled", "issue": ISSUE, "label": {"name": "bug"}, **ABOUT},
     IssueUnlabelled(CALC, CLAMP, "bug", ADA)),
    ("issues", {"action": "closed", "issue": ISSUE, **ABOUT}, IssueClosed(CALC, CLAMP, ADA)),
    ("pull_request", {"action": "closed", "pull_request": PULL, **ABOUT},
     PullRequestClosed(CALC, 9, "fettle/issue-3", True, ADA)),
    ("installation", {"action": "created", "installation": {"id": 5}, "repositories": ADDED},
     RepositoriesChanged(5, (RepositoryRef(11, "acme/calc", 5),))),
    ("installation", {"action": "deleted", "installation": {"id": 5}}, RepositoriesChanged(5, gone=True)),
    ("installation", {"action": "suspend", "installation": {"id": 5}}, RepositoriesChanged(5, suspended=True)),
    ("installation", {"action": "unsuspend", "installation": {"id": 5}}, RepositoriesChanged(5, suspended=False)),
    ("installation_repositories",
     {"action": "added", "installation": {"id": 5}, "repositories_added": ADDED, "repositories_removed": []},
     RepositoriesChanged(5, (RepositoryRef(11, "acme/calc", 5),))),
    ("installation_repositories",
     {"action": "removed", "installation": {"id": 5}, "repositories_added": [], "repositories_removed": ADDED},
     RepositoriesChanged(5, removed=(11,))),
]  # fmt: skip

READ = sorted({(name, payload["action"]) for name, payload, _ in GOLDEN})


@pytest.mark.parametrize(("name", "payload", "event"), GOLDEN)
def test_a_payload_says_what_it_says(name: str, payload: dict[str, Any], event: Event) -> None:
    assert parse(name, payload) == event
    assert parse(name, {**payload, "something": {"new": [1, None]}}) == event


def test_every_event_name_has_a_golden_payload() -> None:
    assert {name for name, _ in READ} == NAMES


@pytest.mark.parametrize(("name", "action"), [("issues", "opened"), ("push", ""), ("issues", ""), ("", "labeled")])
def test_what_is_not_read_is_none(name: str, action: str) -> None:
    assert parse(name, {"action": action}) is None


@pytest.mark.parametrize("key", ["issue", "label", "repository", "sender"])
def test_a_payload_without_what_it_needs_is_malformed_and_says_what(key: str) -> None:
    payload = {**GOLDEN[0][1]}
    del payload[key]
    with pytest.raises(Malformed, match=f"issues.labeled lacks '{key}'"):
        parse("issues", payload)


def test_a_pull_request_of_a_fork_has_no_branch_of_ours() -> None:
    for repo in ({"id": 12}, None):
        pull = {**PULL, "head": {"ref": "fettle/issue-3", "repo": repo}}
        event = parse("pull_request", {"action": "closed", "pull_request": pull, **ABOUT})
        assert isinstance(event, PullRequestClosed)
        assert event.branch == ""


def test_a_bot_is_known_by_its_type() -> None:
    event = parse("issues", {**GOLDEN[0][1], "sender": {"login": "x[bot]", "id": 1, "type": "Bot"}})
    assert isinstance(event, IssueLabelled)
    assert event.sender.is_bot


def test_an_issue_needs_only_a_number() -> None:
    assert issue_from({"number": 1}) == IssueRef(1, "", "", "", True, frozenset())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(READ), st.dictionaries(st.text(max_size=12), JSON, max_size=4))
def test_any_json_object_is_an_event_or_malformed(read: tuple[str, str], payload: dict[str, Any]) -> None:
    _survives(read[0], {**payload, "action": read[1]})


NONSENSE = [
    None,
    True,
    -1,
    2**70,
    float("inf"),
    float("nan"),
    "x",
    "",
    "\ud800",
    "a\0b",
    [],
    ["x"],
    [None],
    {},
    {"id": "x"},
]


@pytest.mark.parametrize("payload", [None, [], "x", 3])
def test_what_is_no_object_is_malformed(payload: Any) -> None:
    with pytest.raises(Malformed):
        parse("issues", payload)


@pytest.mark.parametrize("golden", GOLDEN)
def test_nonsense_at_any_place_is_an_event_or_malformed(golden: tuple[str, dict[str, Any], Event]) -> None:
    name, payload, _ = golden
    for place in _places(payload):
        for value in NONSENSE:
            _survives(name, _exchanged(payload, place, value))


def test_text_that_no_database_stores_is_mended() -> None:
    event = parse("issues", {**GOLDEN[2][1], "issue": {**ISSUE, "title": "a\0b\ud800c"}})
    assert isinstance(event, IssueClosed)
    assert event.issue.title == "ab?c"


@given(st.sampled_from(GOLDEN), st.data())
def test_a_golden_payload_with_one_value_exchanged_is_an_event_or_malformed(
    golden: tuple[str, dict[str, Any], Event], data: st.DataObject
) -> None:
    name, payload, _ = golden
    place = data.draw(st.sampled_from(list(_places(payload))))
    _survives(name, _exchanged(payload, place, data.draw(JSON)))


def _survives(name: str, payload: dict[str, Any]) -> None:
    with contextlib.suppress(Malformed):
        # Encodable is what a database can store.
        repr(parse(name, payload)).encode()


def _places(node: Any, at: tuple[Any, ...] = ()) -> Any:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*at, key)
        yield from _places(child, (*at, key))


def _exchanged(node: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    copy = node.copy()
    copy[place[0]] = _exchanged(node[place[0]], place[1:], value)
    return copy
