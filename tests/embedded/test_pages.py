"""The pages that people look at, and the manifest flow."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.embedded.templating import markdown
from tests.embedded.conftest import BASE, World
from tests.embedded.test_tour import REPO, branch

EVIL = "<script>alert(1)</script>"


def browser(world: World) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(world.github.asgi), base_url=BASE)


async def test_every_page_shows_what_it_should_and_escapes(world: World) -> None:
    issue = world.repo.open_issue(f"Broken {EVIL}", f"body {EVIL}", labels=[EVIL])
    world.repo.comment(issue.number, f"comment {EVIL} <!-- fettle:sticky --> **bold**")
    async with world.bot() as client:
        sha = await branch(client, content=f"a = '{EVIL}'\n")
        await client.post(f"{REPO}/issues/1/reactions", json={"content": "eyes"})
        body = {"title": "Fix", "head": "fettle/issue-1", "base": "main", "body": f"Fixes #1 {EVIL}", "draft": True}
        await client.post(f"{REPO}/pulls", json=body)
        output = {"title": "Proof", "summary": f"ok {EVIL}"}
        run = {"name": "fettle", "head_sha": sha, "conclusion": "success", "output": output}
        made = (await client.post(f"{REPO}/check-runs", json=run)).json()
    expected = {
        "/": "acme/calc",
        "/acme/calc": "fettle/issue-1",
        "/acme/calc/issues/1": "<strong>bold</strong>",
        "/acme/calc/pull/2": '<div class="added">+a = ',
        f"/acme/calc/runs/{made['id']}": "Proof",
        f"/acme/calc/commit/{sha}": "Verified",
        f"/acme/calc/blob/{sha}/calc.py": "a = ",
        "/acme/calc/blob/fettle/issue-1/calc.py": "a = ",
        "/acme/calc/compare/main...fettle/issue-1": "calc.py",
        "/apps/fettle": "acme",
        "/apps/fettle/installations/new": "Install on acme",
    }
    async with browser(world) as page:
        for path, text in expected.items():
            shown = await page.get(path)
            assert shown.status_code == 200, path
            assert text in shown.text, path
            assert EVIL not in shown.text, path
            assert "fettle:sticky" not in shown.text, path
            assert "default-src 'none'" in shown.headers["content-security-policy"]
        assert "👀" in (await page.get("/acme/calc/issues/1")).text
        raw = await page.get("/acme/calc/raw/main/calc.py")
        assert (raw.text, raw.headers["content-type"]) == ("a = 1\n", "text/plain; charset=utf-8")
        assert "+a = " in (await page.get("/acme/calc/pull/2.diff")).text


@pytest.mark.parametrize("path", ["/acme/none", "/acme/calc/issues/9", "/acme/calc/pull/9", "/acme/secret", "/apps/no"])
async def test_what_is_not_there_is_404(world: World, path: str) -> None:
    await world.github.create_repository("acme/secret", private=True)
    async with browser(world) as page:
        assert (await page.get(path)).status_code == 404


async def test_an_app_from_a_manifest(world: World) -> None:
    manifest = {
        "name": "Fettle Here",
        "redirect_url": "http://127.0.0.1:8000/setup/done",
        "hook_attributes": {"url": "http://bot.test/hook"},
        "default_permissions": {"issues": "write"},
        "default_events": ["issues"],
    }
    async with browser(world) as page:
        shown = await page.post("/settings/apps/new?state=abc", data={"manifest": json.dumps(manifest)})
        assert re.search(r"issues <small>write", shown.text)
        sent = await page.post("/settings/apps/create", data={"manifest": json.dumps(manifest), "state": "abc"})
        back = parse_qs(urlsplit(sent.headers["location"]).query)
        assert back["state"] == ["abc"]
        async with world.client() as client:
            made = await client.post(f"/app-manifests/{back['code'][0]}/conversions")
            assert made.status_code == 201
            assert made.json()["pem"].startswith("-----BEGIN RSA PRIVATE KEY-----")
            assert (await client.post(f"/app-manifests/{back['code'][0]}/conversions")).status_code == 404
        done = await page.post("/apps/fettle-here/installations/new", data={"account": "acme"})
        assert done.status_code == 303
        assert (await page.post("/settings/apps/new", data={"manifest": "{}"})).status_code == 422
        foreign = {"Origin": "http://evil.test"}
        refused = await page.post("/settings/apps/create", data={"manifest": json.dumps(manifest)}, headers=foreign)
        assert refused.status_code == 403
    app = world.github.hub.state.apps[made.json()["id"]]
    assert (app.permissions, app.events) == ({"metadata": "read", "issues": "write"}, ("issues",))
    assert (await world.events())[-1] == ("installation", "created")


def test_markdown_folds_but_runs_nothing() -> None:
    html = markdown("<details><summary>More</summary>\n\n[x](javascript:alert(1)) <img src=x onerror=y>\n\n</details>")
    assert "<details><summary>More</summary>" in html
    assert "<img" not in html
    assert 'href="javascript' not in html
