"""The pages of onboarding: an app from a manifest, and its installation, as on GitHub but without signing in.

`POST /settings/apps/new` (form field `manifest`) shows what would be made; confirming leads back to the manifest's
`redirect_url` with a one-time `code`, which `POST /app-manifests/{code}/conversions` turns into credentials.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.embedded.actions import accounts
from bot.embedded.hub import Hub
from bot.embedded.state import AccountKind, App
from bot.embedded.templating import render

OWNER = "you"


def setup_routes(hub: Hub) -> list[Route]:
    """The routes of onboarding."""
    return [
        _route(hub, "/settings/apps/new", show_manifest, "POST"),
        _route(hub, "/organizations/{org}/settings/apps/new", show_manifest, "POST"),
        _route(hub, "/settings/apps/create", create_app, "POST"),
        _route(hub, "/apps/{slug}", show_app, "GET"),
        _route(hub, "/apps/{slug}/installations/new", choose_account, "GET"),
        _route(hub, "/apps/{slug}/installations/new", install, "POST"),
    ]


async def show_manifest(hub: Hub, request: Request) -> Response:
    """What the manifest asks for, with a button."""
    form = await _form(request)
    try:
        manifest = _manifest(form.get("manifest", ""))
    except ValueError as error:
        return PlainTextResponse(f"The manifest is not valid: {error}", 422)
    state = request.query_params.get("state", "")
    return render("manifest.html", hub, manifest=manifest, raw=form["manifest"], state=state)


async def create_app(hub: Hub, request: Request) -> Response:
    """Make the app and lead back with a code."""
    if not _same_origin(hub, request):
        return PlainTextResponse("This form belongs to another page.", 403)
    form = await _form(request)
    manifest = _manifest(form.get("manifest", ""))
    hook = manifest.get("hook_attributes", {})
    app = accounts.create_app(
        hub,
        str(manifest.get("name") or "app"),
        accounts.create_account(hub, OWNER, AccountKind.USER),
        permissions=manifest.get("default_permissions", {}),
        events=manifest.get("default_events", ()),
        webhook_url=hook.get("url"),
    )
    code = secrets.token_hex(20)
    hub.state.manifest_codes[code] = app
    query = urlencode({"code": code, **({"state": form["state"]} if form.get("state") else {})})
    address = str(manifest["redirect_url"])
    return RedirectResponse(f"{address}{'&' if '?' in address else '?'}{query}", 302)


async def show_app(hub: Hub, request: Request) -> Response:
    """An app with its installations."""
    found = _app(hub, request)
    installations = [each for each in hub.state.installations.values() if each.app is found]
    return render("app.html", hub, status=200 if found else 404, app=found, installations=installations)


async def choose_account(hub: Hub, request: Request) -> Response:
    """The accounts that have repositories."""
    owners = {repo.owner.login: repo.owner for repo in hub.state.repositories.values()}
    app = _app(hub, request)
    return render("install.html", hub, status=200 if app else 404, app=app, owners=list(owners.values()))


async def install(hub: Hub, request: Request) -> Response:
    """Install on all repositories of the chosen account."""
    app, form = _app(hub, request), await _form(request)
    account = hub.state.accounts.get(form.get("account", "").lower())
    if app is None or account is None or not _same_origin(hub, request):
        return PlainTextResponse("No such app or account.", 404)
    accounts.install(hub, app, account, None, account)
    return RedirectResponse(f"/apps/{app.slug}", 303)


def _route(hub: Hub, path: str, page: Callable[[Hub, Request], Awaitable[Response]], method: str) -> Route:
    async def serve(request: Request) -> Response:
        return await page(hub, request)

    return Route(path, serve, methods=[method])


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))


def _manifest(text: str) -> dict[str, Any]:
    manifest = json.loads(text)
    if not isinstance(manifest, dict) or not str(manifest.get("redirect_url", "")).startswith(("http://", "https://")):
        raise ValueError("it must be an object with a redirect_url")
    return manifest


def _same_origin(hub: Hub, request: Request) -> bool:
    return request.headers.get("origin", hub.urls.server) in (hub.urls.server, "null")


def _app(hub: Hub, request: Request) -> App | None:
    return next((app for app in hub.state.apps.values() if app.slug == request.path_params["slug"]), None)
