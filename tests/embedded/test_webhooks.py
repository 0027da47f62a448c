"""What is sent to an app, in which order, signed how, and what happens when nobody takes it."""

import hashlib
import hmac
import json
import uuid

from tests.embedded.conftest import World, app_jwt
from tests.embedded.test_tour import REPO


async def test_an_issue_with_a_label_is_opened_then_labeled(world: World) -> None:
    world.repo.open_issue("broken", author="alice", labels=["autofix"])
    assert await world.events() == [("installation", "created"), ("issues", "opened"), ("issues", "labeled")]
    payload = world.github.deliveries[-1].payload
    assert (payload["label"]["name"], payload["sender"]["login"], payload["sender"]["type"]) == (
        "autofix",
        "alice",
        "User",
    )
    assert payload["installation"]["id"] == world.installation.id
    assert payload["repository"]["default_branch"] == "main"


async def test_a_delivery_is_signed_and_named(world: World) -> None:
    world.repo.open_issue("größer")
    await world.github.drain()
    headers, body = world.receiver.got[-1]
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature-256"] == f"sha256={expected}"
    assert headers["x-github-event"] == "issues"
    assert headers["user-agent"].startswith("GitHub-Hookshot/")
    assert str(uuid.UUID(headers["x-github-delivery"])) == headers["x-github-delivery"]
    assert headers["x-github-hook-installation-target-type"] == "integration"
    assert headers["x-github-hook-installation-target-id"] == str(world.app.id)
    assert json.loads(body)["issue"]["title"] == "größer"


async def test_every_step_of_an_issue_is_told(world: World) -> None:
    world.repo.add_collaborator("alice")
    issue = world.repo.open_issue("broken")
    world.repo.add_label(issue.number, "autofix", by="alice")
    world.repo.add_label(issue.number, "autofix", by="alice")
    world.repo.remove_label(issue.number, "autofix", by="alice")
    comment = world.repo.comment(issue.number, "/fettle fix", by="alice")
    world.repo.edit_comment(comment, "/fettle stop", by="alice")
    world.repo.edit_issue(issue.number, title="more broken", by="alice")
    world.repo.close(issue.number, by="alice")
    world.repo.close(issue.number, by="alice")
    world.repo.reopen(issue.number)
    assert (await world.events())[1:] == [
        ("issues", "opened"),
        ("issues", "labeled"),
        ("issues", "unlabeled"),
        ("issue_comment", "created"),
        ("issue_comment", "edited"),
        ("issues", "edited"),
        ("issues", "closed"),
        ("issues", "reopened"),
    ]


async def test_pushes_and_pull_requests_are_told(world: World) -> None:
    await world.repo.push({"calc.py": "a = 2\n"}, branch="topic", by="alice")
    pull = await world.repo.open_pull("Fix", "topic", by="alice")
    world.repo.add_label(pull.number, "nice")
    world.repo.review(pull.number, "CHANGES_REQUESTED", "no", by="bob")
    await world.repo.push({"calc.py": "a = 3\n"}, branch="topic", by="alice")
    await world.repo.merge(pull.number)
    await world.repo.delete_branch("topic")
    assert (await world.events())[1:] == [
        ("create", None),
        ("push", None),
        ("pull_request", "opened"),
        ("pull_request", "labeled"),
        ("pull_request_review", "submitted"),
        ("push", None),
        ("pull_request", "synchronize"),
        ("pull_request", "closed"),
        ("push", None),
        ("delete", None),
        ("push", None),
    ]
    assert await world.repo.read("calc.py") == "a = 3\n"


async def test_check_runs_are_told(world: World) -> None:
    async with world.bot() as client:
        body = {"name": "fettle", "head_sha": (await world.repo.refs())["main"], "status": "in_progress"}
        run = (await client.post(f"{REPO}/check-runs", json=body)).json()
        await client.patch(f"{REPO}/check-runs/{run['id']}", json={"conclusion": "failure"})
    found = world.repo.check_runs()[0]
    world.repo.rerequest(found, by="acme")
    world.repo.press(found, "undo", by="acme")
    events = [("check_run", action) for action in ("created", "completed", "rerequested", "requested_action")]
    assert (await world.events())[1:] == events


async def test_installations_are_told(world: World) -> None:
    await world.github.create_repository("acme/second")
    world.github.select_repositories(world.installation, ["acme/second"])
    world.repo.open_issue("nobody hears this")
    assert await world.events() == [
        ("installation", "created"),
        ("installation_repositories", "added"),
        ("installation_repositories", "removed"),
    ]


async def test_only_what_the_app_subscribed_to_is_sent(world: World) -> None:
    world.app.events = ("push",)
    world.repo.open_issue("quiet")
    assert await world.events() == [("installation", "created")]
    world.app.webhook_url = None
    await world.repo.push({"calc.py": "a = 2\n"})
    assert await world.events() == [("installation", "created")]


async def test_a_failed_delivery_is_kept_and_can_be_sent_again(world: World) -> None:
    world.receiver.status = 500
    world.repo.open_issue("broken")
    await world.github.drain()
    world.receiver.status = 202
    async with world.client(app_jwt(world.app)) as client:
        failed = (await client.get("/app/hook/deliveries", params={"status": "failure"})).json()
        assert [(row["event"], row["status_code"]) for row in failed] == [("issues", 500)]
        await client.post(f"/app/hook/deliveries/{failed[0]['id']}/attempts")
        await world.github.drain()
        rows = (await client.get("/app/hook/deliveries")).json()
    assert [(row["guid"], row["redelivery"], row["status_code"]) for row in rows[:2]] == [
        (failed[0]["guid"], True, 202),
        (failed[0]["guid"], False, 500),
    ]


async def test_deliveries_are_paged_by_cursor(world: World) -> None:
    for number in range(4):
        world.repo.open_issue(str(number))
    await world.github.drain()
    async with world.client(app_jwt(world.app)) as client:
        page = await client.get("/app/hook/deliveries", params={"per_page": 3})
        ids = [row["id"] for row in page.json()]
        ids += [row["id"] for row in (await client.get(page.links["next"]["url"])).json()]
    assert ids == sorted((each.id for each in world.github.deliveries), reverse=True)


async def test_nobody_listening_is_no_error(world: World) -> None:
    gone = world.github.create_app("gone", webhook_url="http://127.0.0.1:9/hook")
    world.github.hub.outbox._transport = None  # the network, where nothing listens on the discard port
    world.github.install(gone, "acme")
    await world.github.drain()
    assert [(each.status, each.status_code) for each in world.github.deliveries][-1] == ("failed to connect to host", 0)
