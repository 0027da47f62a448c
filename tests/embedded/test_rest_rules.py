"""The rules of REST that clients lean on: pages, ETags, conflicts, and errors in GitHub's words."""

import asyncio

import pytest

from tests.embedded.conftest import World
from tests.embedded.test_tour import REPO, branch


async def test_pages_are_linked(world: World) -> None:
    for number in range(5):
        world.repo.open_issue(f"issue {number}")
    async with world.bot() as client:
        first = await client.get(f"{REPO}/issues", params={"per_page": 2, "state": "all"})
        assert set(first.links) == {"next", "last"}
        seen = first.json()
        page = first
        while "next" in page.links:
            page = await client.get(page.links["next"]["url"])
            seen += page.json()
        assert [row["number"] for row in seen] == [5, 4, 3, 2, 1]
        assert set(page.links) == {"prev", "first"}
        assert "link" not in (await client.get(f"{REPO}/issues", params={"per_page": 500})).headers


async def test_an_unchanged_answer_is_304(world: World) -> None:
    async with world.bot() as client:
        first = await client.get(f"{REPO}/issues")
        again = await client.get(f"{REPO}/issues", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        world.repo.open_issue("new")
        changed = await client.get(f"{REPO}/issues", headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200


async def test_the_rate_limit_counts_and_ends(world: World) -> None:
    async with world.bot() as client:
        first = await client.get(REPO)
        second = await client.get(REPO)
        left = [int(each.headers["x-ratelimit-remaining"]) for each in (first, second)]
        assert left[0] - left[1] == 1
        world.github.hub.limits.per_hour = 2
        refused = await client.get(REPO)
        assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (403, "0")
        assert "rate limit exceeded" in refused.json()["message"]
        assert (await client.get("/rate_limit")).status_code == 200


async def test_too_much_content_at_once_is_a_secondary_limit(world: World) -> None:
    world.github.hub.limits.writes_per_minute = 1
    async with world.bot() as client:
        answers = [await client.post(f"{REPO}/issues", json={"title": "x"}) for _ in range(3)]
    refused = [each for each in answers if each.status_code == 403]
    assert len(refused) >= 1  # the minute may turn in between
    assert 1 <= int(refused[0].headers["retry-after"]) <= 60
    assert "secondary rate limit" in refused[0].json()["message"]


async def test_a_second_pull_request_for_a_branch_is_422(world: World) -> None:
    async with world.bot() as client:
        await branch(client)
        body = {"title": "Fix", "head": "fettle/issue-1", "base": "main"}
        answers = await asyncio.gather(*(client.post(f"{REPO}/pulls", json=body) for _ in range(3)))
        assert sorted(each.status_code for each in answers) == [201, 422, 422]
        refused = next(each for each in answers if each.status_code == 422).json()
        message = "A pull request already exists for acme:fettle/issue-1."
        assert (refused["message"], refused["errors"][0]["message"]) == ("Validation Failed", message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "main"}, "No commits between main and main"),
        ({"head": "nothing"}, None),
        ({"base": "nothing"}, None),
        ({"title": ""}, None),
        ({"head": "other:fettle/issue-1"}, None),
    ],
)
async def test_a_pull_request_that_cannot_be(world: World, change: dict[str, str], message: str | None) -> None:
    async with world.bot() as client:
        await branch(client)
        body = {"title": "Fix", "head": "fettle/issue-1", "base": "main", **change}
        refused = await client.post(f"{REPO}/pulls", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0].get("message") == message
    assert world.repo.pulls() == []


async def test_refs_are_guarded(world: World) -> None:
    async with world.bot() as client:
        one = await branch(client)
        two = await branch(client, "fettle/issue-2", "a = 3\n")
        again = await client.post(f"{REPO}/git/refs", json={"ref": "refs/heads/fettle/issue-1", "sha": one})
        assert (again.status_code, again.json()["message"]) == (422, "Reference already exists")
        place = f"{REPO}/git/refs/heads/fettle/issue-1"
        refused = await client.patch(place, json={"sha": two})
        assert (refused.status_code, refused.json()["message"]) == (422, "Update is not a fast forward")
        assert (await client.patch(place, json={"sha": two, "force": True})).status_code == 200
        assert (await client.patch(place, json={"sha": "1" * 40})).status_code == 422
        assert (await client.patch(f"{REPO}/git/refs/heads/none", json={"sha": two})).status_code == 422
        for bad in ("heads/x", "refs/heads/..", "refs/x", "refs/heads/a b"):
            assert (await client.post(f"{REPO}/git/refs", json={"ref": bad, "sha": two})).status_code == 422, bad
        assert (await client.delete(f"{REPO}/git/refs/heads/main")).status_code == 422


async def test_trees_are_guarded(world: World) -> None:
    async with world.bot() as client:
        for row in (
            {"path": "../x", "mode": "100644", "content": ""},
            {"path": "a/.git/config", "mode": "100644", "content": ""},
            {"path": "x", "mode": "777", "content": ""},
            {"path": "x\0y", "mode": "100644", "content": ""},
            {"path": "x", "mode": "100644"},
            {"path": "x", "mode": "100644", "sha": "1" * 40},
        ):
            assert (await client.post(f"{REPO}/git/trees", json={"tree": [row]})).status_code == 422, row
        body = {"base_tree": "main", "tree": [{"path": "calc.py", "mode": "100644", "sha": None}]}
        made = await client.post(f"{REPO}/git/trees", json=body)
        assert [row["path"] for row in made.json()["tree"]] == ["docs"]


async def test_a_commit_of_somebody_named_is_not_verified(world: World) -> None:
    async with world.bot() as client:
        tree = (await client.get(f"{REPO}/git/trees/main")).json()["sha"]
        author = {"name": "Ada", "email": "ada@example.com", "date": "2026-01-02T03:04:05Z"}
        body = {"message": "Mine", "tree": tree, "author": author}
        made = (await client.post(f"{REPO}/git/commits", json=body)).json()
        assert (made["verification"]["verified"], made["author"]["email"]) == (False, "ada@example.com")
        assert made["author"]["date"] == "2026-01-02T03:04:05+00:00"


async def test_what_git_refuses_is_422(world: World) -> None:
    async with world.bot() as client:
        tree = (await client.get(f"{REPO}/git/trees/main")).json()["sha"]
        for change in ({"message": "a\0b"}, {"author": {"name": "<>", "email": "a@b.c", "date": "soon"}}):
            body = {"message": "m", "tree": tree, **change}
            assert (await client.post(f"{REPO}/git/commits", json=body)).status_code == 422, change
        assert (await client.get(f"{REPO}/contents/-x")).status_code == 404
        assert (await client.get(f"{REPO}/commits", params={"path": ":(bad"})).json() == []


async def test_bad_bodies(world: World) -> None:
    async with world.bot() as client:
        broken = await client.post(f"{REPO}/issues", content=b"{")
        assert (broken.status_code, broken.json()["message"]) == (400, "Problems parsing JSON")
        assert (await client.post(f"{REPO}/issues", json=[1])).status_code == 400
        assert (await client.post(f"{REPO}/issues", content=b'{"title": "\\ud800"}')).status_code == 400
        missing = await client.post(f"{REPO}/issues", json={})
        assert missing.json()["errors"] == [{"resource": "Issue", "field": "title", "code": "missing_field"}]
        assert (await client.post(f"{REPO}/issues", json={"title": 7})).status_code == 422
        assert (await client.post(f"{REPO}/issues", json={"title": "x", "body": "y" * 70000})).status_code == 422
        world.repo.open_issue("x")
        assert (await client.post(f"{REPO}/issues/1/reactions", json={"content": "tada"})).status_code == 422
        assert (await client.get(f"{REPO}/issues/seven")).status_code == 404
        assert (await client.get(f"{REPO}/issues/99")).json()["message"] == "Not Found"
        assert (await client.get("/nowhere")).status_code == 404


async def test_check_runs_are_guarded(world: World) -> None:
    sha = (await world.repo.refs())["main"]
    note = {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}
    good = {"name": "fettle", "head_sha": sha}
    async with world.bot() as client:
        for change in (
            {"name": ""},
            {"head_sha": "1" * 40},
            {"status": "completed"},
            {"conclusion": "splendid"},
            {"output": {"title": "t"}},
            {"output": {"title": 7, "summary": "s"}},
            {"output": {"summary": "s", "annotations": 5}},
            {"details_url": 7},
            {"started_at": "yesterday"},
            {"output": {"title": "t", "summary": "s", "annotations": [note] * 51}},
            {"output": {"title": "t", "summary": "s", "annotations": [{**note, "annotation_level": "loud"}]}},
        ):
            assert (await client.post(f"{REPO}/check-runs", json={**good, **change})).status_code == 422, change
    assert world.repo.check_runs() == []


async def test_merging_is_guarded(world: World) -> None:
    async with world.bot() as client:
        await branch(client)
        body = {"title": "Fix", "head": "fettle/issue-1", "base": "main", "draft": True}
        await client.post(f"{REPO}/pulls", json=body)
        assert (await client.put(f"{REPO}/pulls/1/merge")).status_code == 405
        world.repo.mark_ready(1)
        assert (await client.put(f"{REPO}/pulls/1/merge", json={"sha": "1" * 40})).status_code == 409
        await world.repo.push({"calc.py": "a = 9\n"})
        assert (await client.get(f"{REPO}/pulls/1")).json()["mergeable"] is False
        assert (await client.put(f"{REPO}/pulls/1/merge")).status_code == 405
        assert (await client.put(f"{REPO}/pulls/1/update-branch")).status_code == 422
        assert (await client.patch(f"{REPO}/pulls/1", json={"state": "closed"})).json()["state"] == "closed"
        assert (await client.patch(f"{REPO}/pulls/1", json={"state": "open"})).json()["state"] == "open"
