"""Whatever is sent, the answer is a 4xx in GitHub's words, never a crash; whatever is committed, the diff says it."""

import asyncio
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.embedded import rest
from bot.embedded.actions.accounts import new_private_key
from bot.embedded.github import GitHub
from bot.embedded.gitrepo import BareRepository, Person
from bot.embedded.web import Endpoint
from tests.embedded.conftest import app_jwt

KEY = new_private_key()
FIELDS = (
    *("title", "body", "labels", "assignees", "state", "state_reason", "content", "sha", "ref", "force", "tree"),
    *("base_tree", "parents", "author", "committer", "message", "encoding", "head", "base", "draft", "merge_method"),
    *("commit_title", "event", "name", "color", "description", "head_sha", "status", "conclusion", "output", "actions"),
    *("started_at", "permissions", "repositories", "repository_ids", "url", "secret", "permission", "context"),
    *("private", "auto_init", "branch"),
)
QUERIES = (
    *("per_page", "page", "state", "labels", "since", "sort", "direction", "creator", "ref", "sha", "path", "head"),
    *("base", "cursor", "status", "filter"),
)
INNER = ("path", "mode", "annotations", "summary", "email")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99) | st.text(max_size=8) | st.sampled_from(["main", "0" * 40]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, "path", "mode", "annotations", "summary", "email"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
PLAUSIBLE = {
    "title": "x",
    "body": "y",
    "labels": ["main"],
    "head": "topic",
    "base": "main",
    "name": "n",
    "message": "m",
    "ref": "refs/heads/new",
    "sha": "0" * 40,
    "tree": [{"path": "new", "mode": "100644", "content": "c"}],
    "base_tree": "main",
    "content": "eyes",
    "event": "COMMENT",
    "state": "open",
    "output": {"title": "t", "summary": "s"},
    "head_sha": "0" * 40,
}
QUIET: dict[str, Any] = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@dataclass(frozen=True)
class Attempt:
    """One request: an endpoint, what stands in its path, what is sent."""

    endpoint: Endpoint
    body: dict[str, Any]
    query: dict[str, str]
    filling: str

    @property
    def path(self) -> str:
        path = self.endpoint.path.replace("{owner}", "acme").replace("{repo}", "calc")
        return re.sub(r"\{[^}]+\}", self.filling, re.sub(r"\{(\w+_number)\}", "1", path))


ATTEMPTS = st.builds(
    Attempt,
    st.sampled_from(rest.ALL),
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4).map(lambda change: {**PLAUSIBLE, **change}),
    st.dictionaries(st.sampled_from(QUERIES), st.text(max_size=6) | st.just("main"), max_size=3),
    st.sampled_from(["1", "main", "calc.py", "0" * 40, "é", "-x", "a..b", "heads/main"]),
)


@settings(max_examples=8, **QUIET)
@given(st.lists(ATTEMPTS, min_size=20, max_size=40))
def test_no_request_crashes_the_server(attempts: list[Attempt]) -> None:
    assert max(asyncio.run(_send_all(attempts))) < 500


async def _send_all(attempts: list[Attempt]) -> list[int]:
    with tempfile.TemporaryDirectory() as folder:
        github = GitHub(Path(folder))
        repo = await github.create_repository("acme/calc", {"calc.py": "a = 1\n"})
        sha = await repo.push({"calc.py": "a = 2\n"}, branch="topic")
        await repo.open_pull("Fix", "topic", body=sha)
        repo.open_issue("broken", labels=["main"])
        app = github.create_app(private_key=KEY)
        credentials = {
            "": github.installation_token(github.install(app, "acme")),
            "app": app_jwt(app),
            "known": github.user_token("acme"),
        }
        transport = httpx.ASGITransport(github.asgi)
        async with httpx.AsyncClient(transport=transport, base_url=github.api_url) as client:
            return [await _send(client, attempt, credentials, sha) for attempt in attempts]


async def _send(client: httpx.AsyncClient, attempt: Attempt, credentials: dict[str, str], sha: str) -> int:
    endpoint = attempt.endpoint
    headers = {"Authorization": f"Bearer {credentials.get(endpoint.only, credentials[''])}"}
    content = None if endpoint.method in ("GET", "DELETE") else json.dumps(attempt.body).replace("0" * 40, sha)
    answer = await client.request(endpoint.method, attempt.path, params=attempt.query, content=content, headers=headers)
    return answer.status_code


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6
)
PATHS = st.builds(lambda folder, name: f"d{folder}/f{name}" if folder else f"f{name}", st.just("") | NAMES, NAMES)
TREES = st.dictionaries(PATHS, st.binary(max_size=30) | st.text("ab\n", max_size=12).map(str.encode), max_size=4)


@settings(max_examples=15, **QUIET)
@given(before=TREES, after=TREES)
def test_a_diff_says_what_changed(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    found = asyncio.run(_diff(before, after))
    removed = {path for path in before if path not in after}
    added = {path for path in after if path not in before}
    modified = {path for path in after if path in before and before[path] != after[path]}
    renamed = {path: status for path, status in found.items() if status.startswith("renamed")}
    assert {path for path, status in found.items() if status == "modified"} == modified
    assert set(found) - modified - added - removed == set()
    assert len(added) == sum(status == "added" for status in found.values()) + len(renamed)


async def _diff(before: dict[str, bytes], after: dict[str, bytes]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        git = BareRepository(Path(folder) / "r.git")
        await git.init("main")
        ada = Person("Ada", "ada@example.com")
        one = await git.commit_files("main", {"keep": b"", **before}, "one", ada)
        gone: dict[str, str | bytes | None] = {path: None for path in before if path not in after}
        two = await git.commit_files("main", {**gone, **after}, "two", ada)
        return {each.path: each.status for each in await git.files(one, two)}
