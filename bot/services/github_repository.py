"""What Fettle does on one repository of GitHub. Made by `GitHubApp.repository`, used by perform and the run's stages.

Each method is one wish and at most a few calls; those that write say whether doing them twice is the same as once.
Texts longer than GitHub takes are cut, with a word that says so.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from pydantic import SecretStr

from bot.core.events import RepositoryRef
from bot.core.intents import Reaction
from bot.core.patch import FileChange, Patch
from bot.core.policy.who import Permission
from bot.services.github_errors import NotFound, Unprocessable
from bot.services.github_models import Annotation, CheckRun, Comment, Commit, Conclusion, Issue, Json, Pull, Repository

_MOST_TEXT = 65_000  # GitHub takes 65,535 characters
_MOST_ANNOTATIONS = 50  # a request


class Calls(Protocol):
    """How requests are sent: with a token for this repository, errors already turned into fates."""

    async def call(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """The JSON of the answer."""
        ...

    def pages(self, path: str, key: str | None = None, **params: Any) -> AsyncIterator[Json]:
        """The items of every page of a list."""
        ...

    async def token(self) -> SecretStr:
        """The token itself."""
        ...

    async def revoke(self) -> None:
        """End the token."""
        ...


class RepositoryClient:
    """One repository. Every method raises UserError (Forbidden, NotFound, Unprocessable) or Retry."""

    def __init__(
        self, ref: RepositoryRef, calls: Calls, bot_login: Callable[[], Awaitable[str]], server_url: str
    ) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", ref.full_name) or ".." in ref.full_name.split("/"):
            raise ValueError(f"not a repository's name: {ref.full_name!r}")
        self.ref = ref
        self.clone_url = f"{server_url}/{ref.full_name}.git"
        self._calls = calls
        self._bot_login = bot_login
        self._root = f"/repos/{ref.full_name}"

    async def get_repository(self) -> Repository:
        """The repository as it is now."""
        return Repository.read(await self._get(""))

    async def token(self) -> SecretStr:
        """A token for git, good for five minutes at least."""
        return await self._calls.token()

    async def revoke(self) -> None:
        """End this client's token now; a later call mints another."""
        await self._calls.revoke()

    async def permission(self, login: str) -> Permission:
        """What a person may do here, as GitHub says at this moment; nobody it knows may do nothing."""
        try:
            data = await self._get(f"/collaborators/{quote(login, safe='')}/permission")
        except NotFound:
            return Permission.NONE
        known = [role for role in (data.get("role_name"), data.get("permission")) if role in set(Permission)]
        return Permission(known[0]) if known else Permission.NONE

    async def file(self, path: str, ref: str | None = None) -> bytes | None:
        """A file's bytes at `ref` (default: the default branch), None when there is none; at most 1 MiB."""
        params = {"ref": ref} if ref else None
        try:
            data = await self._calls.call("GET", f"{self._root}/contents/{quote(path)}", params=params)
        except NotFound:
            return None
        is_file = isinstance(data, dict) and data.get("type") == "file" and data.get("encoding") == "base64"
        return base64.b64decode(data["content"]) if is_file else None

    # Issues and comments

    async def issue(self, number: int) -> Issue:
        """An issue or pull request as it is now."""
        return Issue.read(await self._get(f"/issues/{number}"))

    async def create_issue(self, title: str, body: str, labels: Sequence[str] = ()) -> Issue:
        """Open an issue."""
        data = {"title": title[:256], "body": fit(body), "labels": list(labels)}
        return Issue.read(await self._post("/issues", data))

    async def close_issue(self, number: int, *, planned: bool = True) -> Issue:
        """Close an issue as completed, or as not planned; twice is once."""
        reason = "completed" if planned else "not_planned"
        return Issue.read(await self._patch(f"/issues/{number}", {"state": "closed", "state_reason": reason}))

    async def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Put labels on an issue or pull request; twice is once."""
        await self._post(f"/issues/{number}/labels", {"labels": list(labels)})

    async def list_comments(self, number: int) -> tuple[Comment, ...]:
        """Every comment of an issue or pull request, oldest first."""
        return tuple([Comment.read(data) async for data in self._calls.pages(f"{self._root}/issues/{number}/comments")])

    async def find_comment(self, number: int, marker: str) -> Comment | None:
        """Our own first comment that holds `marker`; a comment of anybody else that copies it does not count."""
        bot = await self._bot_login()
        comments = await self.list_comments(number)
        return next((found for found in comments if found.author == bot and marker in found.body), None)

    async def create_comment(self, number: int, body: str) -> Comment:
        """Write a comment; look for its marker with `find_comment` before."""
        return Comment.read(await self._post(f"/issues/{number}/comments", {"body": fit(body)}))

    async def update_comment(self, comment_id: int, body: str) -> Comment:
        """Replace a comment's text; twice is once."""
        return Comment.read(await self._patch(f"/issues/comments/{comment_id}", {"body": fit(body)}))

    async def add_reaction(self, reaction: Reaction, *, issue: int | None = None, comment: int | None = None) -> None:
        """React to an issue (its first post) or to a comment; twice is once."""
        await self._post(_reactions(issue, comment), {"content": reaction.value})

    async def remove_reaction(
        self, reaction: Reaction, *, issue: int | None = None, comment: int | None = None
    ) -> None:
        """Take our own reaction back, if it is there."""
        path, bot = _reactions(issue, comment), await self._bot_login()
        async for data in self._calls.pages(self._root + path, content=reaction.value):
            if (data.get("user") or {}).get("login") == bot and data.get("content") == reaction.value:
                await self._calls.call("DELETE", f"{self._root}{path}/{data['id']}")

    # Git data

    async def get_ref(self, ref: str) -> str | None:
        """The commit at a ref such as `heads/main`, None when there is none."""
        try:
            data = await self._get(f"/git/ref/{quote(ref)}")
        except NotFound:
            return None
        return str(data["object"]["sha"])

    async def create_ref(self, ref: str, sha: str) -> None:
        """Make a ref such as `heads/fettle/x`; raises Unprocessable when it is there."""
        await self._post("/git/refs", {"ref": f"refs/{ref}", "sha": sha})

    async def update_ref(self, ref: str, sha: str, *, force: bool = False) -> None:
        """Move a ref; raises Unprocessable when that is no fast-forward, unless `force`."""
        await self._patch(f"/git/refs/{quote(ref)}", {"sha": sha, "force": force})

    async def delete_ref(self, ref: str) -> None:
        """Remove a ref; twice is once."""
        try:
            await self._calls.call("DELETE", f"{self._root}/git/refs/{quote(ref)}")
        except NotFound:
            return
        except Unprocessable as refusal:
            if "does not exist" not in str(refusal):
                raise

    async def get_commit(self, sha: str) -> Commit:
        """A commit with its tree's id."""
        return Commit.read(await self._get(f"/git/commits/{sha}"))

    async def commit_patch(self, patch: Patch, message: str, *, parent: str | None = None) -> Commit:
        """Commit `patch` on `parent` (default: the patch's base) through the Git Data API; on no branch yet.

        No author is given, so that GitHub signs it as the App's: "Verified". Twice makes two commits of the same tree.
        """
        parent = parent or patch.base
        base = await self.get_commit(parent)
        entries = [await self._entry(change) for change in patch.changes]
        tree = await self._post("/git/trees", {"base_tree": base.tree, "tree": entries})
        if tree["sha"] == base.tree:
            raise Unprocessable("The patch changes nothing.")
        data = {"message": message, "tree": tree["sha"], "parents": [parent]}
        return Commit.read(await self._post("/git/commits", data))

    async def _entry(self, change: FileChange) -> dict[str, Any]:
        """A tree's entry; text goes along with the tree, other bytes as a blob of their own."""
        entry: dict[str, Any] = {"path": change.path, "mode": change.mode.value, "type": "blob"}
        if change.content is None:
            return entry | {"sha": None}
        try:
            text = change.content.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" not in text:
            return entry | {"content": text}
        encoded = base64.b64encode(change.content).decode()
        blob = await self._post("/git/blobs", {"content": encoded, "encoding": "base64"})
        return entry | {"sha": blob["sha"]}

    # Pull requests

    async def find_pull(self, branch: str) -> Pull | None:
        """The newest pull request, open or not, from a branch of this repository."""
        owner = self.ref.full_name.split("/")[0]
        params = {"head": f"{owner}:{branch}", "state": "all", "sort": "created", "direction": "desc"}
        found = [Pull.read(data) async for data in self._calls.pages(f"{self._root}/pulls", **params)]
        return next((pull for pull in found if pull.head == branch), None)

    async def get_pull(self, number: int) -> Pull:
        """A pull request as it is now."""
        return Pull.read(await self._get(f"/pulls/{number}"))

    async def create_pull(self, *, title: str, body: str, branch: str, base: str, draft: bool) -> Pull:
        """Open a pull request; ready, not draft, where the plan has no drafts. Raises Unprocessable on a second."""
        data = {"title": title[:256], "body": fit(body), "head": branch, "base": base, "draft": draft}
        try:
            return Pull.read(await self._post("/pulls", data))
        except Unprocessable as refusal:
            if not draft or "draft" not in str(refusal).lower():
                raise
            return Pull.read(await self._post("/pulls", data | {"draft": False}))

    async def update_pull(self, number: int, *, title: str, body: str, is_open: bool | None = None) -> Pull:
        """Replace title and body, and reopen or close; twice is once."""
        state = {} if is_open is None else {"state": "open" if is_open else "closed"}
        return Pull.read(await self._patch(f"/pulls/{number}", {"title": title[:256], "body": fit(body), **state}))

    # Check runs

    async def find_check(self, name: str, sha: str, external_id: str) -> CheckRun | None:
        """Our check run of that name and external id on a commit."""
        path = f"{self._root}/commits/{sha}/check-runs"
        async for data in self._calls.pages(path, "check_runs", check_name=name, filter="all"):
            found = CheckRun.read(data)
            if (found.name, found.external_id) == (name, external_id):
                return found
        return None

    async def upsert_check(
        self,
        *,
        name: str,
        sha: str,
        external_id: str,
        title: str,
        summary: str,
        conclusion: Conclusion | None = None,
        annotations: Sequence[Annotation] = (),
        url: str = "",
    ) -> CheckRun:
        """Make the check run be so: in progress, or completed with `conclusion`; twice is once.

        GitHub adds annotations to those that are there, so they are sent only while there are none.
        """
        found = await self.find_check(name, sha, external_id)
        batches = _batches([] if found and found.annotations else annotations)
        output: dict[str, Any] = {"title": title[:255], "summary": fit(summary)}
        state = (
            {"status": "in_progress"} if conclusion is None else {"status": "completed", "conclusion": conclusion.value}
        )
        data = {**state, "output": {**output, "annotations": batches[0]}} | ({"details_url": url} if url else {})
        if found is None:
            data |= {"name": name, "head_sha": sha, "external_id": external_id}
            check = CheckRun.read(await self._post("/check-runs", data))
        else:
            check = CheckRun.read(await self._patch(f"/check-runs/{found.id}", data))
        for batch in batches[1:]:
            await self._patch(f"/check-runs/{check.id}", {"output": {**output, "annotations": batch}})
        return check

    async def _get(self, path: str) -> Any:
        return await self._calls.call("GET", self._root + path)

    async def _post(self, path: str, data: Mapping[str, Any]) -> Any:
        return await self._calls.call("POST", self._root + path, json=data)

    async def _patch(self, path: str, data: Mapping[str, Any]) -> Any:
        return await self._calls.call("PATCH", self._root + path, json=data)


def fit(text: str, limit: int = _MOST_TEXT) -> str:
    """`text` as long as GitHub takes it, with a last line that says when it was cut."""
    notice = "\n\n… cut here: longer than GitHub takes."
    return text if len(text) <= limit else text[: limit - len(notice)] + notice


def _reactions(issue: int | None, comment: int | None) -> str:
    if (issue is None) == (comment is None):
        raise ValueError("name either an issue or a comment")
    return f"/issues/{issue}/reactions" if comment is None else f"/issues/comments/{comment}/reactions"


def _batches(annotations: Iterable[Annotation]) -> list[list[dict[str, object]]]:
    """At least one batch, of as many annotations as a request may carry."""
    data = [annotation.to_json() for annotation in annotations]
    return [data[start : start + _MOST_ANNOTATIONS] for start in range(0, len(data), _MOST_ANNOTATIONS)] or [[]]
