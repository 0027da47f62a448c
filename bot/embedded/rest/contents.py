"""Files by path (docs: repository contents)."""

import base64
import binascii

from starlette.responses import Response

from bot.embedded.actions import refs
from bot.embedded.errors import ApiError, invalid, not_found
from bot.embedded.gitrepo import TreeEntry
from bot.embedded.rest.gitdata import author_of, bot_person
from bot.embedded.shapes import commits as shapes
from bot.embedded.web import Call, answer, endpoint


@endpoint("GET", "/repos/{owner}/{repo}/contents/{path:path}", "contents:read")
async def get_contents(call: Call) -> Response:
    """A file, or a folder's rows, at `ref` (default branch); raw bytes by the media type."""
    path, ref = call.path("path").strip("/"), call.query("ref") or call.repo.default_branch
    sha = await call.repo.git.resolve(ref)
    if sha is None:
        raise ApiError(404, f"No commit found for the ref {ref}")
    if not path:
        return answer(await _rows(call, ref, sha, ""))
    entry = await _entry(call, sha, path)
    if entry is None:
        raise not_found()
    if entry.type == "tree":
        return answer(await _rows(call, ref, entry.sha, f"{path}/"))
    return await _file(call, ref, path, entry)


@endpoint("GET", "/repos/{owner}/{repo}/readme", "contents:read")
async def get_readme(call: Call) -> Response:
    """The README of the default branch."""
    ref = call.query("ref") or call.repo.default_branch
    sha = await call.repo.git.resolve(ref)
    entries = await call.repo.git.tree(sha) if sha else []
    found = [entry for entry in entries if entry.path.lower().startswith("readme")]
    if not found:
        raise not_found()
    return await _file(call, ref, found[0].path, found[0])


@endpoint("PUT", "/repos/{owner}/{repo}/contents/{path:path}", "contents:write")
async def put_contents(call: Call) -> Response:
    """Write one file as one commit; `sha` must be the present blob's when the file exists."""
    path = call.path("path")
    branch = call.text("branch", "Contents") or call.repo.default_branch
    ref = f"refs/heads/{branch}"
    tip = await call.repo.git.ref(ref)
    present = await _entry(call, tip, path) if tip else None
    _check_sha(call, present)
    try:
        data = base64.b64decode(call.need("content", "Contents"))
    except binascii.Error as error:
        raise ApiError(422, "content is not valid Base64") from error
    blob = await call.repo.git.write_blob(data)
    mode = present.mode if present else "100644"
    made = await _commit(call, tip, path, (mode, blob))
    await _land(call, ref, tip, made)
    entry = TreeEntry(mode, "blob", blob, len(data), path)
    return answer(await _written(call, branch, path, entry, made), 200 if present else 201)


@endpoint("DELETE", "/repos/{owner}/{repo}/contents/{path:path}", "contents:write")
async def delete_contents(call: Call) -> Response:
    """Delete one file as one commit."""
    path = call.path("path")
    branch = call.text("branch", "Contents") or call.repo.default_branch
    ref = f"refs/heads/{branch}"
    tip = await call.repo.git.ref(ref)
    present = await _entry(call, tip, path) if tip else None
    if tip is None or present is None:
        raise not_found()
    _check_sha(call, present)
    made = await _commit(call, tip, path, None)
    await _land(call, ref, tip, made)
    return answer(await _written(call, branch, path, None, made))


async def _entry(call: Call, sha: str, path: str) -> TreeEntry | None:
    found = await call.repo.git.tree(sha, path=path)
    return found[0] if found else None


async def _rows(call: Call, ref: str, sha: str, prefix: str) -> list[dict[str, object]]:
    entries = await call.repo.git.tree(sha)
    return [shapes.content(call.hub.urls, call.repo, ref, prefix + entry.path, entry) for entry in entries]


async def _file(call: Call, ref: str, path: str, entry: TreeEntry) -> Response:
    data = await call.repo.git.blob(entry.sha)
    accept = call.request.headers.get("accept", "")
    if "application/vnd.github.raw" in accept or "application/vnd.github.v3.raw" in accept:
        return Response(data, media_type="application/vnd.github.raw; charset=utf-8")
    shape = shapes.content(call.hub.urls, call.repo, ref, path, entry)
    return answer({**shape, "content": shapes.wrapped(data), "encoding": "base64"})


def _check_sha(call: Call, present: TreeEntry | None) -> None:
    given = call.text("sha", "Contents")
    if present is not None and given is None:
        raise ApiError(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if given is not None and (present is None or given != present.sha):
        raise ApiError(409, f"{call.path('path')} does not match {given}")


async def _commit(call: Call, tip: str | None, path: str, entry: tuple[str, str] | None) -> str:
    if not path or path.startswith("/") or any(part in ("", ".", "..", ".git") for part in path.split("/")):
        raise invalid("Commit", "path")
    tree = await call.repo.git.write_tree(tip, {path: entry})
    author, verified = author_of(call)
    committer = bot_person(call) if not verified else author
    made = await call.repo.git.write_commit(
        tree, [tip] if tip else [], call.need("message", "Commit"), author, committer
    )
    if verified:
        call.repo.verified.add(made)
    return made


async def _land(call: Call, ref: str, tip: str | None, made: str) -> None:
    if tip is None:
        await refs.create(call.hub, call.repo, call.actor, ref, made)
    else:
        await refs.move(call.hub, call.repo, call.actor, ref, made, expected=tip)


async def _written(call: Call, branch: str, path: str, entry: TreeEntry | None, made: str) -> dict[str, object]:
    commit = await call.repo.git.commit(made)
    assert commit is not None
    content = None if entry is None else shapes.content(call.hub.urls, call.repo, branch, path, entry)
    return {"content": content, "commit": shapes.git_commit(call.hub.urls, call.repo, commit)}


ENDPOINTS = (get_readme, get_contents, put_contents, delete_contents)
