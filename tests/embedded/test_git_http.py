"""Real git against the server: clone, push, who may, and what a push sets off."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bot.embedded.running import Running
from tests.embedded.conftest import World
from tests.embedded.test_tour import REPO, branch

QUIET = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


@pytest.fixture
async def server(world: World) -> AsyncIterator[Running]:
    running = await world.github.serve()
    yield running
    await running.aclose()


async def git(*argv: str, cwd: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "git",
        *argv,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **QUIET},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def clone(world: World, token: str, folder: Path) -> tuple[int, str]:
    url = world.repo.clone_url.replace("http://", f"http://x-access-token:{token}@" if token else "http://")
    return await git("clone", "-q", url, "work", cwd=folder)


async def change(folder: Path, text: str) -> tuple[int, str]:
    work = folder / "work"
    (work / "calc.py").write_text(text)
    await git(*AUTHOR, "commit", "-qam", "Change", cwd=work)
    return await git("push", "-q", "origin", "HEAD", cwd=work)


async def test_clone_and_push(world: World, server: Running, tmp_path: Path) -> None:
    token = world.github.installation_token(world.installation)
    assert await clone(world, token, tmp_path) == (0, "")
    assert await change(tmp_path, "a = 2\n" * 500_000) == (0, "")
    assert len(await world.repo.read("calc.py")) == 3_000_000
    assert (await world.events())[-1] == ("push", None)
    push = world.github.deliveries[-1].payload
    assert (push["ref"], push["sender"]["type"], push["commits"][0]["modified"]) == (
        "refs/heads/main",
        "Bot",
        ["calc.py"],
    )
    assert push["after"] == (await world.repo.refs())["main"]


async def test_a_push_moves_the_pull_request_along(world: World, server: Running, tmp_path: Path) -> None:
    async with world.bot() as client:
        await branch(client)
        body = {"title": "Fix", "head": "fettle/issue-1", "base": "main"}
        await client.post(f"{REPO}/pulls", json=body)
    await clone(world, world.github.installation_token(world.installation), tmp_path)
    await git("checkout", "-q", "fettle/issue-1", cwd=tmp_path / "work")
    await change(tmp_path, "a = 3\nb = 4\n")
    assert (await world.events())[-2:] == [("push", None), ("pull_request", "synchronize")]
    assert (world.repo.pull(1).commits, world.repo.pull(1).additions) == (2, 2)
    await git("push", "-q", "origin", ":fettle/issue-1", cwd=tmp_path / "work")
    assert world.repo.issue(1).state == "closed"


async def test_who_may(world: World, server: Running, tmp_path: Path) -> None:
    assert (await clone(world, "", tmp_path))[0] == 0
    assert (await change(tmp_path, "x = 1\n"))[0] == 128
    reader = world.github.installation_token(world.installation, {"contents": "read"})
    url = world.repo.clone_url.replace("http://", f"http://x-access-token:{reader}@")
    code, out = await git("push", "-q", url, "HEAD", cwd=tmp_path / "work")
    assert (code, "403" in out) == (128, True)
    url = world.repo.clone_url.replace("http://", "http://x-access-token:ghs_invented@")
    code, out = await git("push", "-q", url, "HEAD", cwd=tmp_path / "work")
    assert (code, "Authentication failed" in out) == (128, True)
    assert await world.repo.read("calc.py") == "a = 1\n"


async def test_a_private_repository_hides(world: World, server: Running, tmp_path: Path) -> None:
    secret = await world.github.create_repository("acme/secret", {"a": "b"}, private=True)
    hidden = World(world.github, world.app, secret, world.installation, world.receiver)
    assert (await clone(hidden, "", tmp_path))[0] == 128
    assert (await clone(hidden, world.github.user_token("stranger"), tmp_path))[0] == 128
    assert (await clone(hidden, world.github.user_token("acme"), tmp_path))[0] == 0


async def test_other_services_are_not_there(world: World, server: Running) -> None:
    async with httpx.AsyncClient(base_url=server.url) as client:
        assert (await client.get("/acme/calc.git/HEAD")).status_code == 404
        assert (await client.get("/acme/calc.git/objects/../config")).status_code == 404
        assert (await client.get("/acme/calc.git/info/refs")).status_code == 200


async def test_a_shallow_partial_fetch_and_two_pushes_at_once(world: World, server: Running, tmp_path: Path) -> None:
    token = world.github.installation_token(world.installation)
    url = world.repo.clone_url.replace("http://", f"http://x-access-token:{token}@")
    await git("init", "-q", "work", cwd=tmp_path)
    fetched = await git("fetch", "-q", "--depth=1", "--filter=blob:none", url, "main", cwd=tmp_path / "work")
    assert fetched == (0, "")
    await git("checkout", "-q", "--detach", "FETCH_HEAD", cwd=tmp_path / "work")
    pushes = [git("push", "-q", url, f"HEAD:refs/heads/try-{n}", cwd=tmp_path / "work") for n in range(2)]
    assert [code for code, _ in await asyncio.gather(*pushes)] == [0, 0]
    created = [each.payload["ref"] for each in world.github.deliveries if each.event == "create"]
    assert sorted(created) == ["try-0", "try-1"]
