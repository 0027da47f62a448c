"""Every endpoint once, so that every shape meets GitHub's description (else the `checker` fixture fails the test)."""

import base64

import httpx

from tests.embedded.conftest import World, app_jwt

REPO = "/repos/acme/calc"


async def branch(client: httpx.AsyncClient, name: str = "fettle/issue-1", content: str = "a = 2\n") -> str:
    main = (await client.get(f"{REPO}/git/ref/heads/main")).json()["object"]["sha"]
    base = (await client.get(f"{REPO}/git/commits/{main}")).json()["tree"]["sha"]
    row = {"path": "calc.py", "mode": "100644", "type": "blob", "content": content}
    tree = await client.post(f"{REPO}/git/trees", json={"base_tree": base, "tree": [row]})
    body = {"message": "Fix it", "tree": tree.json()["sha"], "parents": [main]}
    commit = (await client.post(f"{REPO}/git/commits", json=body)).json()["sha"]
    made = await client.post(f"{REPO}/git/refs", json={"ref": f"refs/heads/{name}", "sha": commit})
    assert made.status_code == 201
    return str(commit)


async def test_the_app_about_itself(world: World) -> None:
    async with world.client(app_jwt(world.app)) as client:
        place = f"/app/installations/{world.installation.id}"
        for path in ("/app", "/app/installations", place, f"{REPO}/installation", "/users/acme/installation"):
            assert (await client.get(path)).status_code == 200, path
        token = await client.post(f"{place}/access_tokens", json={"repositories": ["calc"]})
        assert token.json()["repositories"][0]["full_name"] == "acme/calc"
        assert (await client.get("/app/hook/config")).json()["url"] == "http://bot.test/hook"
    async with world.client(token.json()["token"]) as client:
        assert (await client.get("/installation/repositories")).json()["total_count"] == 1
        assert (await client.get("/apps/fettle")).json()["id"] == world.app.id
        assert (await client.delete("/installation/token")).status_code == 204
        assert (await client.get("/installation/repositories")).status_code == 401


async def test_deliveries(world: World) -> None:
    world.repo.open_issue("broken", labels=["autofix"])
    world.github.ping(world.app)
    await world.github.drain()
    async with world.client(app_jwt(world.app)) as client:
        rows = (await client.get("/app/hook/deliveries", params={"per_page": 2})).json()
        one = (await client.get(f"/app/hook/deliveries/{rows[1]['id']}")).json()
        assert (one["event"], one["action"], one["response"]["payload"]) == ("issues", "labeled", "taken")
        assert (await client.post(f"/app/hook/deliveries/{rows[1]['id']}/attempts")).status_code == 202
    await world.github.drain()
    assert world.github.deliveries[-1].guid == one["guid"]


async def test_people_and_server(world: World) -> None:
    async with world.person("alice") as client:
        for path in ("/user", "/users/alice", "/users/fettle[bot]", "/rate_limit", "/meta"):
            assert (await client.get(path)).status_code == 200, path
        made = await client.post("/user/repos", json={"name": "own", "auto_init": True})
        assert made.json()["full_name"] == "alice/own"
        assert (await client.get(f"/repositories/{made.json()['id']}")).json()["name"] == "own"


async def test_repository_and_history(world: World) -> None:
    world.repo.add_collaborator("alice", "maintain")
    async with world.bot() as client:
        await branch(client)
        for path in ("", "/branches", "/branches/fettle/issue-1", "/commits", "/commits/fettle/issue-1"):
            assert (await client.get(REPO + path)).status_code == 200, path
        compared = (await client.get(f"{REPO}/compare/main...fettle/issue-1")).json()
        assert (compared["status"], compared["ahead_by"], compared["files"][0]["patch"][:2]) == ("ahead", 1, "@@")
        permission = (await client.get(f"{REPO}/collaborators/alice/permission")).json()
        assert (permission["permission"], permission["role_name"]) == ("write", "maintain")


async def test_contents(world: World) -> None:
    async with world.bot() as client:
        folder = (await client.get(f"{REPO}/contents/docs")).json()
        assert [row["path"] for row in folder] == ["docs/read.md"]
        file = (await client.get(f"{REPO}/contents/calc.py")).json()
        assert base64.b64decode(file["content"]) == b"a = 1\n"
        raw = await client.get(f"{REPO}/contents/calc.py", headers={"Accept": "application/vnd.github.raw"})
        assert raw.text == "a = 1\n"
        body = {"message": "Two", "content": base64.b64encode(b"a = 2\n").decode()}
        assert (await client.put(f"{REPO}/contents/calc.py", json=body)).status_code == 422
        assert (await client.put(f"{REPO}/contents/calc.py", json={**body, "sha": "0" * 40})).status_code == 409
        put = await client.put(f"{REPO}/contents/calc.py", json={**body, "sha": file["sha"]})
        assert put.json()["commit"]["verification"]["verified"]
        assert (await client.put(f"{REPO}/contents/new.py", json=body)).status_code == 201
        gone = {"message": "Gone", "sha": put.json()["content"]["sha"]}
        assert (await client.request("DELETE", f"{REPO}/contents/calc.py", json=gone)).status_code == 200
    assert sorted(await world.repo.files()) == ["docs/read.md", "new.py"]


async def test_git_database(world: World) -> None:
    async with world.bot() as client:
        sha = await branch(client)
        commit = (await client.get(f"{REPO}/git/commits/{sha}")).json()
        assert commit["verification"]["verified"]
        tree = (await client.get(f"{REPO}/git/trees/{sha}", params={"recursive": "1"})).json()
        assert [row["path"] for row in tree["tree"]] == ["calc.py", "docs", "docs/read.md"]
        blob = (await client.post(f"{REPO}/git/blobs", json={"content": "aGk=", "encoding": "base64"})).json()
        got = (await client.get(f"{REPO}/git/blobs/{blob['sha']}")).json()
        assert base64.b64decode(got["content"]) == b"hi"
        refs = (await client.get(f"{REPO}/git/matching-refs/heads/fettle")).json()
        assert [row["ref"] for row in refs] == ["refs/heads/fettle/issue-1"]
        assert (await client.delete(f"{REPO}/git/refs/heads/fettle/issue-1")).status_code == 204
        assert (await client.get(f"{REPO}/git/ref/heads/fettle/issue-1")).status_code == 404


async def test_issues_labels_comments_reactions(world: World) -> None:
    async with world.bot() as client:
        issue = (await client.post(f"{REPO}/issues", json={"title": "Broken", "labels": ["bug"]})).json()
        place = f"{REPO}/issues/{issue['number']}"
        assert (await client.patch(place, json={"body": "it is", "assignees": ["acme"]})).json()["body"] == "it is"
        assert len((await client.post(f"{place}/labels", json={"labels": ["autofix"]})).json()) == 2
        assert (await client.get(f"{place}/labels")).json()[1]["name"] == "autofix"
        assert len((await client.delete(f"{place}/labels/bug")).json()) == 1
        comment = (await client.post(f"{place}/comments", json={"body": "seen"})).json()
        assert comment["performed_via_github_app"]["slug"] == "fettle"
        edited = await client.patch(f"{REPO}/issues/comments/{comment['id']}", json={"body": "done"})
        assert edited.json()["body"] == "done"
        assert len((await client.get(f"{place}/comments")).json()) == 1
        assert len((await client.get(f"{REPO}/issues/comments")).json()) == 1
        for path in (place, f"{REPO}/issues/comments/{comment['id']}"):
            await _reactions(client, f"{path}/reactions")
        assert (await client.delete(f"{REPO}/issues/comments/{comment['id']}")).status_code == 204
        closed = await client.patch(place, json={"state": "closed", "state_reason": "not_planned"})
        assert closed.json()["state_reason"] == "not_planned"
        assert (await client.get(f"{REPO}/issues", params={"state": "all"})).json()[0]["number"] == 1


async def _reactions(client: httpx.AsyncClient, path: str) -> None:
    first = await client.post(path, json={"content": "eyes"})
    again = await client.post(path, json={"content": "eyes"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert len((await client.get(path, params={"content": "eyes"})).json()) == 1
    assert (await client.delete(f"{path}/{first.json()['id']}")).status_code == 204
    assert (await client.get(path)).json() == []


async def test_labels_of_the_repository(world: World) -> None:
    async with world.bot() as client:
        assert (await client.post(f"{REPO}/labels", json={"name": "autofix", "color": "00ff00"})).status_code == 201
        assert (await client.post(f"{REPO}/labels", json={"name": "Autofix"})).status_code == 422
        assert (await client.patch(f"{REPO}/labels/autofix", json={"new_name": "fix"})).json()["name"] == "fix"
        assert [row["name"] for row in (await client.get(f"{REPO}/labels")).json()] == ["fix"]
        assert (await client.get(f"{REPO}/labels/fix")).status_code == 200
        assert (await client.delete(f"{REPO}/labels/fix")).status_code == 204


async def test_a_pull_request(world: World) -> None:
    world.repo.open_issue("broken")
    async with world.bot() as client:
        sha = await branch(client)
        body = {"title": "Fix", "head": "fettle/issue-1", "base": "main", "body": "Fixes #1"}
        pull = (await client.post(f"{REPO}/pulls", json=body)).json()
        assert (pull["additions"], pull["deletions"], pull["commits"], pull["mergeable"]) == (1, 1, 1, True)
        place = f"{REPO}/pulls/2"
        assert (await client.get(f"{REPO}/pulls", params={"head": "acme:fettle/issue-1"})).json()[0]["number"] == 2
        diff = await client.get(place, headers={"Accept": "application/vnd.github.diff"})
        assert "+a = 2" in diff.text
        assert (await client.get(f"{place}/files")).json()[0]["filename"] == "calc.py"
        assert (await client.get(f"{place}/commits")).json()[0]["sha"] == sha
        assert (await client.patch(place, json={"title": "Better"})).json()["title"] == "Better"
        assert (await client.get(f"{place}/merge")).status_code == 404
        reviewed = await client.post(f"{place}/reviews", json={"event": "COMMENT", "body": "Look"})
        assert reviewed.json()["state"] == "COMMENTED"
        assert len((await client.get(f"{place}/reviews")).json()) == 1
        assert (await client.put(f"{place}/merge", json={"sha": sha})).json()["merged"]
        assert (await client.get(f"{place}/merge")).status_code == 204
        assert (await client.get(f"{REPO}/issues/1")).json()["state"] == "closed"
        assert (await client.get(f"{REPO}/issues/2")).json()["pull_request"]["merged_at"]
    assert await world.repo.read("calc.py") == "a = 2\n"


async def test_check_runs_and_statuses(world: World) -> None:
    async with world.bot() as client:
        sha = (await world.repo.refs())["main"]
        run = (await client.post(f"{REPO}/check-runs", json={"name": "fettle", "head_sha": sha})).json()
        note = {"path": "calc.py", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "no"}
        done = {"conclusion": "success", "output": {"title": "Proof", "summary": "ok", "annotations": [note]}}
        place = f"{REPO}/check-runs/{run['id']}"
        assert (await client.patch(place, json=done)).json()["conclusion"] == "success"
        assert (await client.get(place)).json()["output"]["annotations_count"] == 1
        assert (await client.get(f"{place}/annotations")).json()[0]["message"] == "no"
        runs = (await client.get(f"{REPO}/commits/main/check-runs", params={"check_name": "fettle"})).json()
        assert runs["total_count"] == 1
        assert (await client.get(f"{REPO}/commits/{sha}/status")).json()["state"] == "pending"
    world.repo.add_collaborator("ci", "write")
    async with world.person("ci") as client:
        made = await client.post(f"{REPO}/statuses/{sha}", json={"state": "success", "context": "ci"})
        assert made.status_code == 201
        assert (await client.get(f"{REPO}/commits/main/status")).json()["state"] == "success"
