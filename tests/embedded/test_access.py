"""Who gets in, and how far."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from bot.embedded.github import GitHub
from tests.embedded.conftest import World, app_jwt
from tests.embedded.test_tour import REPO


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 1_000_000_000, "iat": 999_999_900}, "'Expiration time' claim ('exp') is in the past"),
        ({"exp": 4_000_000_000}, "'Expiration time' claim ('exp') is too far in the future"),
        ({"iss": "999999"}, "Integration not found"),
    ],
)
async def test_a_bad_jwt_is_refused(world: World, claims: dict[str, object], message: str) -> None:
    async with world.client(app_jwt(world.app, **claims)) as client:
        refused = await client.get("/app")
    assert (refused.status_code, refused.json()["message"]) == (401, message)


async def test_a_jwt_signed_by_another_key_is_refused(world: World) -> None:
    other = world.github.create_app("other")
    async with world.client(app_jwt(other, iss=str(world.app.id))) as client:
        assert (await client.get("/app")).json()["message"] == "A JSON web token could not be decoded"


async def test_a_jwt_is_for_app_routes_only(world: World) -> None:
    async with world.client(app_jwt(world.app)) as client:
        assert (await client.get(f"{REPO}/issues")).status_code == 401
    async with world.bot() as client:
        assert (await client.get("/app")).status_code == 401


async def test_a_token_cannot_have_more_than_was_granted(world: World) -> None:
    path = f"/app/installations/{world.installation.id}/access_tokens"
    async with world.client(app_jwt(world.app)) as client:
        refused = await client.post(path, json={"permissions": {"administration": "write"}})
        assert refused.status_code == 422
        bad: list[dict[str, object]] = [{"repositories": ["nothing"]}, {"repository_ids": "x"}]
        for body in [*bad, {"permissions": {"issues": []}}]:
            assert (await client.post(path, json=body)).status_code == 422, body
        assert (await client.post("/app/installations/1/access_tokens")).status_code == 404
        world.installation.suspended_at = datetime.now(UTC)
        assert (await client.post(path)).status_code == 403
        world.installation.suspended_at = None


async def test_a_narrow_token_is_held_to_its_permissions(world: World) -> None:
    async with world.bot(issues="read") as client:
        assert (await client.get(f"{REPO}/issues")).status_code == 200
        refused = await client.post(f"{REPO}/issues", json={"title": "x"})
        assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
        assert (await client.get(f"{REPO}/pulls")).status_code == 403
        assert (await client.get(f"{REPO}/contents/calc.py")).status_code == 403
        assert (await client.get(REPO)).status_code == 200


async def test_a_token_narrowed_to_one_repository_does_not_reach_another(world: World) -> None:
    await world.github.create_repository("acme/secret", private=True)
    path = f"/app/installations/{world.installation.id}/access_tokens"
    async with world.client(app_jwt(world.app)) as client:
        token = (await client.post(path, json={"repository_ids": [world.repo.id]})).json()["token"]
    async with world.client(token) as client:
        assert (await client.get("/repos/acme/secret")).status_code == 404
        assert (await client.get(REPO)).status_code == 200
    async with world.bot() as client:
        assert (await client.get("/repos/acme/secret")).status_code == 200


async def test_a_token_ends_after_an_hour(tmp_path: Path) -> None:
    moment = [datetime(2026, 1, 1, tzinfo=UTC)]
    github = GitHub(tmp_path, clock=lambda: moment[0])
    await github.create_repository("acme/calc")
    token = github.installation_token(github.install(github.create_app(), "acme"))
    headers = {"Authorization": f"token {token}"}
    transport = httpx.ASGITransport(github.asgi)
    async with httpx.AsyncClient(transport=transport, base_url=github.api_url, headers=headers) as client:
        moment[0] += timedelta(minutes=59)
        assert (await client.get(REPO)).status_code == 200
        moment[0] += timedelta(minutes=1)
        refused = await client.get(REPO)
    assert (refused.status_code, refused.json()["message"]) == (401, "Bad credentials")


async def test_people_may_what_their_role_allows(world: World) -> None:
    world.repo.open_issue("broken")
    world.repo.add_collaborator("helper", "triage")
    async with world.person("stranger") as client:
        assert (await client.post(f"{REPO}/issues/1/comments", json={"body": "hi"})).status_code == 201
        refused = await client.post(f"{REPO}/issues/1/labels", json={"labels": ["autofix"]})
        assert refused.status_code == 403
        made = await client.post(f"{REPO}/issues", json={"title": "mine", "labels": ["autofix"]})
        assert made.json()["labels"] == []
        assert (await client.patch(f"{REPO}/issues/1", json={"state": "closed"})).status_code == 403
    async with world.person("helper") as client:
        assert (await client.post(f"{REPO}/issues/1/labels", json={"labels": ["autofix"]})).status_code == 200
        assert (await client.post(f"{REPO}/git/refs", json={"ref": "refs/heads/x", "sha": "0" * 40})).status_code == 403


async def test_nobody_reads_a_private_repository_or_writes_anywhere(world: World) -> None:
    await world.github.create_repository("acme/secret", {"a": "b"}, private=True)
    async with world.client() as client:
        assert (await client.get("/repos/acme/secret")).status_code == 404
        assert (await client.get(f"{REPO}/issues")).status_code == 200
        assert (await client.post(f"{REPO}/issues", json={"title": "x"})).status_code == 401
    async with world.client("ghs_invented") as client:
        assert (await client.get(REPO)).json()["message"] == "Bad credentials"


async def test_an_uninstalled_app_is_out(world: World) -> None:
    async with world.bot() as client:
        world.github.uninstall(world.installation)
        assert (await client.get(REPO)).status_code == 401
    assert (await world.events())[-1] == ("installation", "deleted")
