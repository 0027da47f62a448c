"""Fettle's own client library against the server, over a real connection: sign-in, typed calls, GraphQL."""

from collections.abc import AsyncIterator

import pytest
from githubkit import AppAuthStrategy, AppInstallationAuthStrategy, GitHub
from githubkit.exception import GraphQLFailed, RequestFailed

from tests.embedded.conftest import World

DRAFT = "mutation($id: ID!) {{ {name}(input: {{pullRequestId: $id}}) {{ pullRequest {{ id isDraft }} }} }}"
type_of_client = GitHub[AppInstallationAuthStrategy]


@pytest.fixture
async def kit(world: World) -> AsyncIterator[type_of_client]:
    await world.github.serve()
    auth = AppInstallationAuthStrategy(str(world.app.id), world.app.private_key, world.installation.id)
    async with GitHub(auth, base_url=world.github.api_url) as client:
        yield client


async def test_the_app_signs_in(world: World) -> None:
    await world.github.serve()
    auth = AppAuthStrategy(str(world.app.id), world.app.private_key)
    async with GitHub(auth, base_url=world.github.api_url) as client:
        assert (await client.rest.apps.async_get_authenticated()).parsed_data.slug == "fettle"
        found = (await client.rest.apps.async_get_repo_installation("acme", "calc")).parsed_data
    assert found.id == world.installation.id


async def test_typed_calls_parse(world: World, kit: type_of_client) -> None:
    issue = world.repo.open_issue("broken", labels=["autofix"])
    await world.repo.push({"calc.py": "a = 2\n"}, branch="topic")
    pull = (await kit.rest.pulls.async_create("acme", "calc", title="Fix", head="topic", base="main")).parsed_data
    assert (pull.number, pull.head.ref) == (2, "topic")
    assert (await kit.rest.issues.async_get("acme", "calc", issue.number)).parsed_data.title == "broken"
    assert (await kit.rest.repos.async_get("acme", "calc")).parsed_data.default_branch == "main"
    sha = pull.head.sha
    run = (await kit.rest.checks.async_create("acme", "calc", data={"name": "fettle", "head_sha": sha})).parsed_data
    assert run.status == "queued"
    with pytest.raises(RequestFailed) as caught:
        await kit.rest.pulls.async_create("acme", "calc", title="Fix", head="topic", base="main")
    assert caught.value.response.status_code == 422


async def test_drafts_become_ready_and_back_by_graphql(world: World, kit: type_of_client) -> None:
    await world.repo.push({"calc.py": "a = 2\n"}, branch="topic")
    body = {"title": "Fix", "head": "topic", "base": "main", "draft": True}
    pull = (await kit.arequest("POST", "/repos/acme/calc/pulls", json=body)).json()
    ready = DRAFT.format(name="markPullRequestReadyForReview")
    done = await kit.graphql.arequest(ready, {"id": pull["node_id"]})
    assert done["markPullRequestReadyForReview"]["pullRequest"]["isDraft"] is False
    assert world.repo.pull(1).draft is False
    await kit.graphql.arequest(DRAFT.format(name="convertPullRequestToDraft"), {"id": pull["node_id"]})
    assert world.repo.pull(1).draft is True
    for query, variables in ((ready, {"id": "nothing"}), ("{ viewer { login } }", {})):
        with pytest.raises(GraphQLFailed):
            await kit.graphql.arequest(query, variables)
    actions = [action for event, action in await world.events() if event == "pull_request"]
    assert actions == ["opened", "ready_for_review", "converted_to_draft"]
