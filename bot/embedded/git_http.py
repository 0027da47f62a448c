"""Git smart HTTP: `git http-backend` behind a small ASGI bridge, with GitHub's tokens as passwords.

Mounted by `bot.embedded.app` at `/{owner}/{name}.git/...`. A push moves refs, so they are compared before and
after, and what moved is announced as on GitHub (`push`, `synchronize`, ...).
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from bot.embedded.actions import refs
from bot.embedded.auth import Caller, Denied, identify
from bot.embedded.gitrepo import ZERO, environment
from bot.embedded.hub import Hub
from bot.embedded.state import Repository, Role

CHUNK = 1 << 16
SERVICES = ("info/refs", "git-upload-pack", "git-receive-pack")


async def serve_git(hub: Hub, request: Request) -> Response:
    """Answer one smart HTTP request: clone and fetch need contents:read, push needs contents:write."""
    service = request.path_params["service"]
    repo = hub.state.repository(f"{request.path_params['owner']}/{request.path_params['name']}")
    pushing = "git-receive-pack" in (service, request.query_params.get("service", ""))
    if service not in SERVICES:
        return PlainTextResponse("Not Found", 404)
    try:
        caller = identify(hub, _credential(request))
    except Denied:
        return _unauthorized()
    if repo is None or not caller.sees(hub, repo):
        return _unauthorized() if caller.actor is None else PlainTextResponse("Repository not found.", 404)
    if caller.actor is None and pushing:
        return _unauthorized()
    needs, people = ("contents:write", Role.WRITE) if pushing else ("contents:read", Role.READ)
    if not caller.may(hub, repo, needs, people):
        return PlainTextResponse(f"Permission to {repo.full_name}.git denied.", 403)
    if service != "git-receive-pack":
        return await _bridge(request, repo, caller)
    # A push is announced before it is answered: whoever pushed may rely on the events being under way.
    async with repo.git.moving:
        before = await repo.git.refs("refs/")
        answer = await _bridge(request, repo, caller)
        content = b"".join([bytes(chunk) async for chunk in answer.body_iterator if not isinstance(chunk, str)])
        await _announce(hub, repo, caller, before)
    return Response(content, answer.status_code, dict(answer.headers))


async def _bridge(request: Request, repo: Repository, caller: Caller) -> StreamingResponse:
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(request, repo, caller),
    )
    feeding = asyncio.create_task(_feed(request, process))
    status, headers = await _head(process)
    return StreamingResponse(_body(process, feeding), status, headers)


def _environment(request: Request, repo: Repository, caller: Caller) -> dict[str, str]:
    headers = request.headers
    values = {
        **environment(),
        "GIT_PROJECT_ROOT": str(repo.git.path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{request.path_params['service']}",
        "QUERY_STRING": request.url.query,
        "REQUEST_METHOD": request.method,
        "REMOTE_USER": caller.actor.login if caller.actor else "",
        "REMOTE_ADDR": request.client.host if request.client else "",
        "CONTENT_TYPE": headers.get("content-type", ""),
        "CONTENT_LENGTH": headers.get("content-length", ""),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "GIT_COMMITTER_NAME": "embedded",
        "GIT_COMMITTER_EMAIL": "embedded@users.noreply.github.com",
    }
    return {key: value for key, value in values.items() if value}


async def _feed(request: Request, process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    try:
        async for chunk in request.stream():
            process.stdin.write(chunk)
            await process.stdin.drain()
    except (ClientDisconnect, ConnectionError):
        pass  # the other side went away: git sees the end of its input and gives up by itself
    finally:
        process.stdin.close()


async def _head(process: asyncio.subprocess.Process) -> tuple[int, dict[str, str]]:
    assert process.stdout is not None
    status, headers = 200, {}
    while line := (await process.stdout.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name] = value.strip()
    return status, headers


async def _body(process: asyncio.subprocess.Process, feeding: asyncio.Task[None]) -> AsyncIterator[bytes]:
    assert process.stdout is not None
    try:
        while chunk := await process.stdout.read(CHUNK):
            yield chunk
        await process.wait()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _announce(hub: Hub, repo: Repository, caller: Caller, before: dict[str, str]) -> None:
    after = await repo.git.refs("refs/")
    for ref in sorted(before.keys() | after.keys()):
        old, new = before.get(ref, ZERO), after.get(ref, ZERO)
        if old != new and caller.actor is not None:
            await refs.moved(hub, repo, caller.actor, ref, old, new)


def _credential(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Denied("Bad credentials") from error
    return password if password not in ("", "x-oauth-basic") else user


def _unauthorized() -> Response:
    headers = {"WWW-Authenticate": 'Basic realm="GitHub"'}
    return PlainTextResponse("Authentication required", 401, headers=headers)
