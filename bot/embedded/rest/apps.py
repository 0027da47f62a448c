"""Apps, installations, tokens (docs: REST API endpoints for GitHub Apps)."""

from starlette.responses import Response

from bot.embedded.actions import accounts
from bot.embedded.errors import ApiError, not_found
from bot.embedded.shapes import apps as shapes
from bot.embedded.shapes.repositories import repository
from bot.embedded.state import App, Installation, Repository
from bot.embedded.web import Call, answer, empty, endpoint


@endpoint("GET", "/app", only="app")
async def get_app(call: Call) -> Response:
    """The app that signed the JWT."""
    app = _app(call)
    count = sum(each.app is app for each in call.hub.state.installations.values())
    return answer({**shapes.app(call.hub.urls, app), "installations_count": count})


@endpoint("GET", "/apps/{slug}")
async def get_app_by_slug(call: Call) -> Response:
    """Any app, by its slug."""
    found = [app for app in call.hub.state.apps.values() if app.slug == call.path("slug")]
    if not found:
        raise not_found()
    return answer(shapes.app(call.hub.urls, found[0]))


@endpoint("GET", "/app/installations", only="app")
async def list_installations(call: Call) -> Response:
    """The app's installations."""
    mine = [each for each in call.hub.state.installations.values() if each.app is _app(call)]
    return call.page(mine, lambda each: shapes.installation(call.hub.urls, each))


@endpoint("GET", "/app/installations/{installation_id}", only="app")
async def get_installation(call: Call) -> Response:
    """One of the app's installations."""
    return answer(shapes.installation(call.hub.urls, _installation(call)))


@endpoint("POST", "/app/installations/{installation_id}/access_tokens", only="app")
async def create_token(call: Call) -> Response:
    """An installation token, narrowed by `permissions`, `repositories`, `repository_ids`."""
    installation = _installation(call)
    chosen = _chosen(call, installation)
    permissions = call.body.get("permissions")
    if not isinstance(permissions or {}, dict) or not all(
        isinstance(each, str) for each in (permissions or {}).values()
    ):
        raise ApiError(422, "Invalid request.\n\nFor 'properties/permissions', it is not an object of strings.")
    token = accounts.create_token(call.hub, installation, permissions=permissions, repositories=chosen)
    return answer(shapes.token(call.hub.urls, token, _covered(call, token.repository_ids)), 201)


@endpoint("DELETE", "/installation/token", only="installation")
async def revoke_token(call: Call) -> Response:
    """End the token that made the request."""
    call.hub.state.tokens.pop(call.caller.token, None)
    return empty()


@endpoint("GET", "/installation/repositories", only="installation")
async def list_repositories(call: Call) -> Response:
    """The repositories that the token reaches."""
    installation = call.caller.installation
    assert installation is not None
    repos = [
        repo
        for repo in call.hub.state.repositories_of(installation)
        if call.caller.repository_ids is None or repo.id in call.caller.repository_ids
    ]
    return call.page(repos, lambda repo: repository(call.hub.urls, repo), wrap="repositories")


@endpoint("GET", "/repos/{owner}/{repo}/installation", only="app")
async def repository_installation(call: Call) -> Response:
    """The app's installation on a repository."""
    for each in call.hub.state.installations_on(call.repo):
        if each.app is _app(call):
            return answer(shapes.installation(call.hub.urls, each))
    raise not_found()


@endpoint("GET", "/users/{username}/installation", only="app")
async def account_installation(call: Call) -> Response:
    """The app's installation on an account."""
    return _installation_on(call, call.path("username"))


@endpoint("GET", "/orgs/{org}/installation", only="app")
async def organization_installation(call: Call) -> Response:
    """The app's installation on an organisation."""
    return _installation_on(call, call.path("org"))


@endpoint("POST", "/app-manifests/{code}/conversions")
async def convert_manifest(call: Call) -> Response:
    """The app and its secrets for the one-time code of the manifest flow."""
    app = call.hub.state.manifest_codes.pop(call.path("code"), None)
    if app is None:
        raise not_found()
    return answer(accounts.credentials(call.hub, app), 201)


def _app(call: Call) -> App:
    assert call.caller.app is not None
    return call.caller.app


def _installation(call: Call) -> Installation:
    found = call.hub.state.installations.get(call.number("installation_id"))
    if found is None or found.app is not call.caller.app:
        raise not_found()
    return found


def _installation_on(call: Call, login: str) -> Response:
    for each in call.hub.state.installations.values():
        if each.app is _app(call) and each.account.login.lower() == login.lower():
            return answer(shapes.installation(call.hub.urls, each))
    raise not_found()


def _chosen(call: Call, installation: Installation) -> list[Repository] | None:
    names, ids = call.texts("repositories"), call.body.get("repository_ids")
    if names is None and ids is None:
        return None
    if ids is not None and (not isinstance(ids, list) or not all(isinstance(each, int) for each in ids)):
        raise ApiError(422, "Invalid request.\n\nFor 'properties/repository_ids', it is not an array of integers.")
    reach = call.hub.state.repositories_of(installation)
    wanted = {name.lower() for name in names or []}
    chosen = [repo for repo in reach if repo.name.lower() in wanted or repo.id in (ids or [])]
    if len(chosen) < max(len(wanted), len(ids or [])):
        raise ApiError(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    return chosen


def _covered(call: Call, ids: set[int] | None) -> list[Repository]:
    return [call.hub.state.repositories[each] for each in sorted(ids or ())]


ENDPOINTS = (
    get_app,
    get_app_by_slug,
    list_installations,
    get_installation,
    create_token,
    revoke_token,
    list_repositories,
    repository_installation,
    account_installation,
    organization_installation,
    convert_manifest,
)
