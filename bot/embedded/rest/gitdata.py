"""The git database: refs, commits, trees, blobs (docs: REST API endpoints for Git database)."""

import base64
import binascii
import re
from typing import Any

from starlette.responses import Response

from bot.embedded.actions import refs
from bot.embedded.actions.pulls import github_person
from bot.embedded.errors import invalid, not_found, unprocessable
from bot.embedded.gitrepo import GitError, Person
from bot.embedded.shapes import commits as shapes
from bot.embedded.web import Call, answer, empty, endpoint

_SHA = re.compile(r"[0-9a-f]{40}")
_MODES = {"100644": "blob", "100755": "blob", "040000": "tree", "160000": "commit", "120000": "blob"}


@endpoint("GET", "/repos/{owner}/{repo}/git/ref/{ref:path}", "contents:read")
async def get_ref(call: Call) -> Response:
    """One ref, named without `refs/`."""
    ref = f"refs/{call.path('ref')}"
    sha = await call.repo.git.ref(ref)
    if sha is None:
        raise not_found()
    return answer(shapes.git_ref(call.hub.urls, call.repo, ref, sha, await call.repo.git.kind(sha) or "commit"))


@endpoint("GET", "/repos/{owner}/{repo}/git/matching-refs/{ref:path}", "contents:read")
async def matching_refs(call: Call) -> Response:
    """The refs that start so."""
    found = await call.repo.git.refs("refs/")
    rows = [(ref, sha) for ref, sha in found.items() if ref.startswith(f"refs/{call.path('ref')}")]
    return answer([shapes.git_ref(call.hub.urls, call.repo, ref, sha) for ref, sha in rows])


@endpoint("POST", "/repos/{owner}/{repo}/git/refs", "contents:write")
async def create_ref(call: Call) -> Response:
    """Create a ref. 422 "Reference already exists"."""
    ref, sha = call.need("ref", "Reference"), _sha(call, "sha")
    await refs.create(call.hub, call.repo, call.actor, ref, sha)
    return answer(shapes.git_ref(call.hub.urls, call.repo, ref, sha), 201)


@endpoint("PATCH", "/repos/{owner}/{repo}/git/refs/{ref:path}", "contents:write")
async def update_ref(call: Call) -> Response:
    """Move a ref; 422 "Update is not a fast forward" without `force`."""
    ref, sha = f"refs/{call.path('ref')}", _sha(call, "sha")
    await refs.move(call.hub, call.repo, call.actor, ref, sha, force=call.flag("force"))
    return answer(shapes.git_ref(call.hub.urls, call.repo, ref, sha))


@endpoint("DELETE", "/repos/{owner}/{repo}/git/refs/{ref:path}", "contents:write")
async def delete_ref(call: Call) -> Response:
    """Delete a ref."""
    await refs.delete(call.hub, call.repo, call.actor, f"refs/{call.path('ref')}")
    return empty()


@endpoint("GET", "/repos/{owner}/{repo}/git/commits/{sha}", "contents:read")
async def get_commit(call: Call) -> Response:
    """A commit object."""
    commit = await call.repo.git.commit(call.path("sha")) if _SHA.fullmatch(call.path("sha")) else None
    if commit is None:
        raise not_found()
    return answer(shapes.git_commit(call.hub.urls, call.repo, commit))


@endpoint("POST", "/repos/{owner}/{repo}/git/commits", "contents:write")
async def create_commit(call: Call) -> Response:
    """A commit object. An app that names neither author nor committer gets a verified commit of its bot."""
    message, tree = call.need("message", "Commit"), _sha(call, "tree")
    parents = call.texts("parents") or []
    if await call.repo.git.kind(tree) != "tree":
        raise unprocessable("Tree SHA does not exist")
    for parent in parents:
        if not _SHA.fullmatch(parent) or await call.repo.git.kind(parent) != "commit":
            raise unprocessable("Parent SHA does not exist or is not a commit object")
    author, verified = author_of(call)
    committer = github_person(call.hub) if verified else _person(call, "committer") or author
    sha = await call.repo.git.write_commit(tree, parents, message, author, committer)
    if verified:
        call.repo.verified.add(sha)
    commit = await call.repo.git.commit(sha)
    assert commit is not None
    return answer(shapes.git_commit(call.hub.urls, call.repo, commit), 201)


@endpoint("GET", "/repos/{owner}/{repo}/git/trees/{sha:path}", "contents:read")
async def get_tree(call: Call) -> Response:
    """A tree by sha, commit or branch; `recursive` with any value lists the subtrees too."""
    sha = await call.repo.git.resolve(call.path("sha"), "tree")
    if sha is None:
        raise not_found()
    entries = await call.repo.git.tree(sha, recursive="recursive" in call.request.query_params)
    return answer(shapes.tree(call.hub.urls, call.repo, sha, entries))


@endpoint("POST", "/repos/{owner}/{repo}/git/trees", "contents:write")
async def create_tree(call: Call) -> Response:
    """A tree of `tree` entries laid over `base_tree`; `content` makes a blob, `sha: null` removes."""
    rows = call.body.get("tree")
    if not isinstance(rows, list) or not rows:
        raise unprocessable("Invalid tree info")
    base = call.text("base_tree", "Tree")
    base_sha = None if base is None else await call.repo.git.resolve(base, "tree")
    if base is not None and base_sha is None:
        raise unprocessable("base_tree is not a valid tree oid")
    entries = {row["path"]: await _tree_entry(call, row) for row in rows if _checked_row(row)}
    try:
        sha = await call.repo.git.write_tree(base_sha, entries)
    except GitError as error:
        raise unprocessable("GitRPC::BadObjectState") from error
    return answer(shapes.tree(call.hub.urls, call.repo, sha, await call.repo.git.tree(sha)), 201)


@endpoint("GET", "/repos/{owner}/{repo}/git/blobs/{sha}", "contents:read")
async def get_blob(call: Call) -> Response:
    """A blob in base64; raw bytes by the media type."""
    sha = call.path("sha")
    if not _SHA.fullmatch(sha) or await call.repo.git.kind(sha) != "blob":
        raise not_found()
    data = await call.repo.git.blob(sha)
    if "application/vnd.github.raw" in call.request.headers.get("accept", ""):
        return Response(data, media_type="application/vnd.github.raw; charset=utf-8")
    return answer(shapes.blob(call.hub.urls, call.repo, sha, data))


@endpoint("POST", "/repos/{owner}/{repo}/git/blobs", "contents:write")
async def create_blob(call: Call) -> Response:
    """A blob of `content`, which is text or base64 by `encoding`."""
    content = call.text("content", "Blob", required=True) or ""
    try:
        data = base64.b64decode(content) if call.text("encoding", "Blob") == "base64" else content.encode()
    except binascii.Error as error:
        raise unprocessable("content is not valid Base64") from error
    sha = await call.repo.git.write_blob(data)
    return answer({"sha": sha, "url": f"{call.hub.urls.repo(call.repo)}/git/blobs/{sha}"}, 201)


def author_of(call: Call) -> tuple[Person, bool]:
    """The commit's author, and whether GitHub signs it (an app's token that names neither author nor committer)."""
    named = _person(call, "author") or _person(call, "committer")
    if named is not None:
        return named, False
    return bot_person(call), call.caller.installation is not None


def bot_person(call: Call) -> Person:
    """The acting account as author of a commit."""
    account = call.actor
    return Person(account.name or account.login, account.email or account.noreply, call.hub.now().isoformat())


def _person(call: Call, key: str) -> Person | None:
    value = call.body.get(key)
    if value is None:
        return None
    if not isinstance(value, dict) or not value.get("name") or not value.get("email"):
        raise invalid("Commit", key)
    return Person(str(value["name"]), str(value["email"]), str(value.get("date") or call.hub.now().isoformat()))


def _sha(call: Call, name: str) -> str:
    sha = call.need(name, "Reference")
    if not _SHA.fullmatch(sha):
        raise unprocessable(f"The {name} parameter must be exactly 40 characters and contain only [0-9a-f].")
    return sha


def _checked_row(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("path"), str) or row.get("mode") not in _MODES:
        raise unprocessable("Must supply a valid tree.mode")
    path = row["path"]
    if (
        "\0" in path
        or not path
        or path.startswith("/")
        or any(part in ("", ".", "..") or part.lower() == ".git" for part in path.split("/"))
    ):
        raise unprocessable("tree.path contains a malformed path component")
    if "sha" not in row and "content" not in row:
        raise unprocessable("Must supply either tree.sha or tree.content")
    return True


async def _tree_entry(call: Call, row: dict[str, Any]) -> tuple[str, str] | None:
    if "content" in row:
        return row["mode"], await call.repo.git.write_blob(str(row["content"]).encode())
    if row["sha"] is None:
        return None
    kind = await call.repo.git.kind(row["sha"]) if _SHA.fullmatch(str(row["sha"])) else None
    if kind != _MODES[row["mode"]] and row["mode"] != "160000":
        raise unprocessable(f"tree.sha {row['sha']} is not a valid {_MODES[row['mode']]}")
    return row["mode"], row["sha"]


ENDPOINTS = (
    get_ref,
    matching_refs,
    create_ref,
    update_ref,
    delete_ref,
    get_commit,
    create_commit,
    get_tree,
    create_tree,
    get_blob,
    create_blob,
)
