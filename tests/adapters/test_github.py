"""services.github against the embedded GitHub over real HTTP, faults included."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from bot.core.errors import Retry, UserError
from bot.core.events import RepositoryRef
from bot.core.intents import Reaction
from bot.core.patch import FileChange, Mode, Patch
from bot.core.policy.who import Permission
from bot.embedded.github import GitHub
from bot.embedded.handle import RepositoryHandle
from bot.embedded.state import App, Installation
from bot.services.git import Mirror, Person, Workspace
from bot.services.github import (
    Annotation,
    Conclusion,
    Forbidden,
    GitHubApp,
    NotFound,
    RepositoryClient,
    Unauthorized,
    Unprocessable,
)
from bot.services.github_errors import fate
from bot.services.github_repository import fit

ANN = Person("fettle[bot]", "fettle[bot]@users.noreply.github.com")
FILES: dict[str, str | bytes] = {"calc.py": "def add(a, b):\n    return a - b\n", "docs/a.md": "# A\n"}


@pytest.fixture
async def github(tmp_path: Path) -> AsyncIterator[GitHub]:
    github = GitHub(tmp_path / "github")
    await github.serve()
    yield github
    await github.aclose()


@pytest.fixture
def app(github: GitHub) -> App:
    return github.create_app("fettle", webhook_secret="s3cret")


@pytest.fixture
async def calc(github: GitHub) -> RepositoryHandle:
    return await github.create_repository("acme/calc", files=FILES)


@pytest.fixture
def installation(github: GitHub, app: App, calc: RepositoryHandle) -> Installation:
    return github.install(app, "acme")


@pytest.fixture
async def client(github: GitHub, app: App) -> AsyncIterator[GitHubApp]:
    async with a_client(github, app) as client:
        yield client


@pytest.fixture
def repo(client: GitHubApp, installation: Installation, calc: RepositoryHandle) -> RepositoryClient:
    return client.repository(RepositoryRef(calc.id, calc.full_name, installation.id))


def a_client(github: GitHub, app: App, transport: httpx.AsyncBaseTransport | None = None) -> GitHubApp:
    return GitHubApp(
        app_id=app.id,
        private_key=SecretStr(app.private_key),
        api_url=github.api_url,
        server_url=github.server_url,
        transport=transport,
    )


async def a_branch(repo: RepositoryClient, name: str = "fettle/issue-1") -> str:
    base = await repo.get_ref("heads/main")
    assert base is not None
    commit = await repo.commit_patch(Patch(base, (FileChange("calc.py", b"fixed\n"),)), "Fix add()")
    await repo.create_ref(f"heads/{name}", commit.sha)
    return commit.sha


# The App


async def test_the_app_knows_itself_and_where_it_is_installed(client: GitHubApp, installation: Installation) -> None:
    info = await client.app_info()

    assert (info.slug, info.bot) == ("fettle", "fettle[bot]")
    assert info.permissions["contents"] == "write"
    assert [found.id for found in await client.list_installations()] == [installation.id]
    assert (await client.installation_for("acme/calc")).account == "acme"
    with pytest.raises(NotFound):
        await client.installation_for("acme/other")


async def test_a_repository_is_found_by_its_name(
    client: GitHubApp, installation: Installation, calc: RepositoryHandle
) -> None:
    assert await client.find("acme/calc") == RepositoryRef(calc.id, "acme/calc", installation.id, "main")
    assert [found.full_name for found in await client.repositories(installation.id)] == ["acme/calc"]


async def test_a_token_is_minted_once_reaches_one_repository_and_can_be_revoked(
    github: GitHub, client: GitHubApp, repo: RepositoryClient, installation: Installation
) -> None:
    other = await github.create_repository("acme/other", files={"a": "a"})
    tokens = await asyncio.gather(*(repo.token() for _ in range(5)))

    assert len({token.get_secret_value() for token in tokens}) == 1
    foreign = client.repository(RepositoryRef(repo.ref.id, other.full_name, installation.id))
    with pytest.raises((Forbidden, NotFound)):
        await foreign.create_issue("mine now", "")
    assert len(github.repo("acme/other").issues()) == 0

    await repo.revoke()
    assert (await repo.token()).get_secret_value() != tokens[0].get_secret_value()
    await repo.get_repository()


async def test_a_token_that_ended_early_is_replaced_once(
    github: GitHub, client: GitHubApp, repo: RepositoryClient
) -> None:
    async with httpx.AsyncClient() as http:
        token = (await repo.token()).get_secret_value()
        await http.delete(f"{github.api_url}/installation/token", headers={"Authorization": f"token {token}"})

    assert (await repo.get_repository()).full_name == "acme/calc"


async def test_a_token_may_do_only_what_was_asked(
    client: GitHubApp, installation: Installation, calc: RepositoryHandle
) -> None:
    ref = RepositoryRef(calc.id, calc.full_name, installation.id)
    reader = client.repository(ref, {"metadata": "read", "contents": "read"})

    assert await reader.get_ref("heads/main")
    with pytest.raises(Forbidden):
        await reader.create_ref("heads/x", str(await reader.get_ref("heads/main")))


async def test_one_pool_serves_every_task(github: GitHub, app: App, installation: Installation) -> None:
    class Counting(httpx.AsyncHTTPTransport):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1
            await super().aclose()

    transport = Counting()
    client = a_client(github, app, transport)
    await asyncio.create_task(client.__aenter__())
    await asyncio.gather(*(asyncio.create_task(client.list_installations()) for _ in range(3)))
    assert transport.closed == 0
    await asyncio.create_task(client.__aexit__(None, None, None))
    assert transport.closed > 0


async def test_two_apps_with_one_id_do_not_share_a_signature(
    github: GitHub, app: App, client: GitHubApp, installation: Installation
) -> None:
    await client.app_info()
    other = GitHub(Path("/nonexistent")).create_app("other")
    stranger = GitHubApp(
        app_id=app.id,
        private_key=SecretStr(other.private_key),
        api_url=github.api_url,
        server_url=github.server_url,
    )
    with pytest.raises(Unauthorized, match="check its id and private key"):
        await stranger.app_info()


async def test_deliveries_that_nobody_took_are_found_and_sent_again(
    github: GitHub, app: App, client: GitHubApp, calc: RepositoryHandle
) -> None:
    start = datetime.now(UTC) - timedelta(minutes=1)
    app.webhook_url = "http://127.0.0.1:9/webhooks/github"
    github.install(app, "acme")
    await github.drain()

    failed = await client.failed_deliveries(start)
    assert [delivery.event for delivery in failed] == ["installation"]
    await client.redeliver(failed[0].id)
    await github.drain()

    assert [delivery.guid for delivery in await client.failed_deliveries(start)] == [failed[0].guid]
    assert await client.failed_deliveries(datetime.now(UTC) + timedelta(minutes=1)) == ()


# Issues


async def test_permissions_are_roles_and_nobody_has_none(repo: RepositoryClient, calc: RepositoryHandle) -> None:
    for role in ("read", "triage", "write", "maintain", "admin"):
        calc.add_collaborator(role, role)
        assert await repo.permission(role) is Permission(role)
    assert await repo.permission("no-such-person") is Permission.NONE
    assert await repo.permission("../../calc") is Permission.NONE


async def test_an_issue_is_read_labelled_and_closed(repo: RepositoryClient, calc: RepositoryHandle) -> None:
    opened = await repo.create_issue("add() is off", "x" * 70_000, ["bug"])
    await repo.add_labels(opened.number, ["autofix"])
    await repo.add_labels(opened.number, ["autofix"])
    issue = await repo.issue(opened.number)

    assert (issue.title, issue.author, issue.is_open, issue.is_pull) == ("add() is off", "fettle[bot]", True, False)
    assert issue.labels == {"bug", "autofix"}
    assert issue.body.endswith("longer than GitHub takes.")
    assert not (await repo.close_issue(opened.number)).is_open
    with pytest.raises(NotFound):
        await repo.issue(99)


async def test_our_comment_is_found_by_its_marker_but_not_a_copy_of_it(
    repo: RepositoryClient, calc: RepositoryHandle
) -> None:
    issue = calc.open_issue("broken")
    calc.comment(issue.number, "<!-- fettle:1 --> I am the bot", by="mallory")
    for number in range(105):
        calc.comment(issue.number, f"chatter {number}", by="bob")
    assert await repo.find_comment(issue.number, "<!-- fettle:1 -->") is None

    made = await repo.create_comment(issue.number, "<!-- fettle:1 --> working")
    await repo.update_comment(made.id, "<!-- fettle:1 --> done")

    found = await repo.find_comment(issue.number, "<!-- fettle:1 -->")
    assert found is not None
    assert (found.id, found.body, found.is_bot) == (made.id, "<!-- fettle:1 --> done", True)
    assert len(await repo.list_comments(issue.number)) == 107


async def test_reactions_come_once_and_go(repo: RepositoryClient, calc: RepositoryHandle) -> None:
    issue = calc.open_issue("broken")
    comment = calc.comment(issue.number, "/fix", by="alice")
    for _ in range(2):
        await repo.add_reaction(Reaction.SEEN, issue=issue.number)
        await repo.add_reaction(Reaction.DONE, comment=comment.id)
    assert [reaction.content for reaction in calc.reactions(issue.number)] == ["eyes"]
    assert [reaction.content for reaction in comment.reactions] == ["rocket"]

    for _ in range(2):
        await repo.remove_reaction(Reaction.SEEN, issue=issue.number)
    assert calc.reactions(issue.number) == []


# Git data


async def test_a_patch_becomes_a_verified_commit_with_the_tree_that_git_makes(
    github: GitHub, repo: RepositoryClient, calc: RepositoryHandle, tmp_path: Path
) -> None:
    mirror = await fetched(repo, tmp_path)
    base = await mirror.resolve()
    changes = (
        FileChange("calc.py", "é\r\n".encode()),
        FileChange("docs/a.md", None),
        FileChange("bin/run", b"#!/bin/sh\n", Mode.EXECUTABLE),
        FileChange("logo", b"\0\xff"),
        FileChange("latin", b"\xe9"),
        FileChange("empty", b""),
    )

    commit = await repo.commit_patch(Patch(base, changes), "Fix add()\n\nFixes #1")
    await repo.create_ref("heads/fettle/x", commit.sha)
    await mirror.fetch(repo.clone_url, token=await repo.token())

    assert commit.verified
    assert commit.tree == await mirror.tree_id(await mirror.commit(Patch(base, changes), message="m", author=ANN))
    assert commit.parents == (base,)
    assert calc.verified(commit.sha)
    assert await mirror.resolve("fettle/x") == commit.sha
    for change in changes:
        if change.content is not None:
            assert await mirror.show(commit.sha, change.path) == change.content
    assert "docs/a.md" not in await mirror.paths(commit.sha)
    assert "new file mode 100755" in await mirror.diff(base, commit.sha)


async def test_a_patch_that_changes_nothing_is_no_commit(repo: RepositoryClient) -> None:
    base = str(await repo.get_ref("heads/main"))
    with pytest.raises(Unprocessable, match="changes nothing"):
        await repo.commit_patch(Patch(base, (FileChange("docs/a.md", b"# A\n"),)), "m")


async def test_refs_are_made_moved_and_removed(repo: RepositoryClient) -> None:
    base = str(await repo.get_ref("heads/main"))
    sha = await a_branch(repo, "fettle/a/b")

    assert await repo.get_ref("heads/fettle/a/b") == sha
    assert await repo.get_ref("heads/fettle/a") is None
    with pytest.raises(Unprocessable, match="already exists"):
        await repo.create_ref("heads/fettle/a/b", sha)
    with pytest.raises(Unprocessable):
        await repo.update_ref("heads/fettle/a/b", base)
    await repo.update_ref("heads/fettle/a/b", base, force=True)
    assert await repo.get_ref("heads/fettle/a/b") == base
    for _ in range(2):
        await repo.delete_ref("heads/fettle/a/b")
    assert await repo.get_ref("heads/fettle/a/b") is None


async def test_files_are_read_at_a_ref(repo: RepositoryClient) -> None:
    await a_branch(repo)

    assert await repo.file("calc.py") == str(FILES["calc.py"]).encode()
    assert await repo.file("calc.py", "fettle/issue-1") == b"fixed\n"
    assert await repo.file(".github/fettle.yml") is None
    assert await repo.file("docs") is None


async def test_git_pushes_with_the_clients_token(
    repo: RepositoryClient, calc: RepositoryHandle, tmp_path: Path
) -> None:
    mirror = await fetched(repo, tmp_path)
    sha = await mirror.resolve()

    await mirror.push(repo.clone_url, token=await repo.token(), sha=sha, branch="fettle/x")

    assert (await calc.refs())["fettle/x"] == sha


async def fetched(repo: RepositoryClient, tmp_path: Path) -> Mirror:
    mirror = Workspace(tmp_path / "data", protocols=frozenset({"http"})).mirror(f"127.0.0.1/{repo.ref.id}")
    await mirror.fetch(repo.clone_url, token=await repo.token())
    return mirror


# Pull requests and check runs


async def test_a_pull_request_is_opened_once_found_and_changed(repo: RepositoryClient, calc: RepositoryHandle) -> None:
    sha = await a_branch(repo)
    assert await repo.find_pull("fettle/issue-1") is None

    pull = await repo.create_pull(title="Fix", body="Fixes #1", branch="fettle/issue-1", base="main", draft=True)
    with pytest.raises(Unprocessable, match="already exists"):
        await repo.create_pull(title="Fix", body="", branch="fettle/issue-1", base="main", draft=True)
    await repo.update_pull(pull.number, title="Fix add()", body="Better")

    found = await repo.find_pull("fettle/issue-1")
    assert found == await repo.get_pull(pull.number)
    assert found is not None
    assert (found.title, found.body, found.head_sha, found.base) == ("Fix add()", "Better", sha, "main")
    assert (found.is_open, found.merged, found.draft) == (True, False, True)
    assert not (await repo.update_pull(pull.number, title="x", body="", is_open=False)).is_open
    assert (await repo.issue(pull.number)).is_pull


async def test_a_check_run_is_made_once_and_then_changed(repo: RepositoryClient, calc: RepositoryHandle) -> None:
    sha = await a_branch(repo)
    remarks = [Annotation("calc.py", 1, 1, "warning", f"remark {number}") for number in range(120)]
    for conclusion in (None, Conclusion.SUCCESS, Conclusion.SUCCESS):
        check = await repo.upsert_check(
            name="fettle",
            sha=sha,
            external_id="run-1",
            title="Proof",
            summary="All is well",
            conclusion=conclusion,
            annotations=remarks if conclusion else (),
        )

    assert [run.conclusion for run in calc.check_runs(sha)] == ["success"]
    found = await repo.find_check("fettle", sha, "run-1")
    assert found is not None
    assert (found.id, found.annotations, found.status) == (check.id, 120, "completed")
    assert await repo.find_check("fettle", sha, "run-2") is None


# Fates


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_in_trouble_means_try_again(github: GitHub, repo: RepositoryClient, status: int) -> None:
    fault = github.faults.add("GET", "/repos/acme/calc$", status=status)
    with pytest.raises(Retry, match=str(status)):
        await repo.get_repository()
    assert fault.hits == 1


async def test_a_rate_limit_says_when_to_come_back(github: GitHub, repo: RepositoryClient) -> None:
    github.faults.add("POST", "/issues$", status=403, retry_after=17)
    with pytest.raises(Retry) as caught:
        await repo.create_issue("a", "b")
    assert caught.value.seconds == 17

    github.faults.add("POST", "/issues$", status=429, rate_limited=True)
    with pytest.raises(Retry):
        await repo.create_issue("a", "b")
    assert (await repo.create_issue("a", "b")).number == 1


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_a_dropped_connection_means_try_again_and_is_not_tried_here(
    github: GitHub, repo: RepositoryClient, calc: RepositoryHandle, drop: str
) -> None:
    await repo.token()
    github.faults.add("POST", "/issues$", drop=drop)
    with pytest.raises(Retry):
        await repo.create_issue("a", "b")
    assert len(calc.issues()) == (1 if drop == "after" else 0)


async def test_no_secret_is_in_what_an_error_says(github: GitHub, repo: RepositoryClient) -> None:
    token = (await repo.token()).get_secret_value()
    for kind in ({"status": 500}, {"status": 404}, {"drop": "before"}):
        github.faults.add("GET", "/repos/acme/calc$", **kind)
        with pytest.raises((UserError, Retry)) as caught:
            await repo.get_repository()
        error: BaseException | None = caught.value
        while error is not None:
            assert token not in repr(error)
            assert token not in str(error)
            error = error.__context__


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (401, {}, b'{"message": "Bad credentials"}', Unauthorized),
        (403, {}, b'{"message": "Resource not accessible by integration"}', Forbidden),
        (403, {}, b'{"message": "You have exceeded a secondary rate limit"}', Retry),
        (403, {"x-ratelimit-remaining": "0"}, b"{}", Retry),
        (404, {}, b"", NotFound),
        (410, {}, b'{"message": "Issues are disabled"}', NotFound),
        (409, {}, b'{"message": "Git Repository is empty."}', Unprocessable),
        (422, {}, b"[]", Unprocessable),
        (418, {}, b"\xff", Unprocessable),
        (429, {}, b"", Retry),
        (408, {}, b"", Retry),
        (504, {}, b"<html>", Retry),
    ],
)
def test_every_answer_has_a_fate(status: int, headers: dict[str, str], body: bytes, kind: type[Exception]) -> None:
    assert type(fate(status, headers, body, "GET /x")) is kind


def test_githubs_own_words_reach_the_reader() -> None:
    body = (
        b'{"message": "Validation Failed", "errors": ["odd",'
        b' {"resource": "Label", "field": "name", "code": "missing"}, {"message": "A pull request already exists"}]}'
    )
    error = fate(422, {}, body, "POST /pulls")
    assert str(error) == (
        "GitHub refused this (POST /pulls): Validation Failed; odd; name missing; A pull request already exists"
    )


def test_a_wait_is_bounded() -> None:
    far = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}
    for headers, seconds in ((far, 3600), ({"retry-after": "0"}, 1), ({"retry-after": "soon"}, 60)):
        error = fate(429, headers, b"", "GET /x")
        assert isinstance(error, Retry)
        assert error.seconds == seconds


def test_long_texts_are_cut_and_say_so() -> None:
    assert fit("short") == "short"
    assert len(fit("x" * 70_000)) == 65_000
