"""Apps, installations and their tokens as JSON."""

from typing import Any

from bot.embedded.shapes.accounts import simple_user
from bot.embedded.shapes.repositories import repository
from bot.embedded.state import App, Installation, InstallationToken, Repository
from bot.embedded.urls import Urls, iso, iso_or_none, node_id


def app(urls: Urls, value: App) -> dict[str, Any]:
    """`integration`."""
    return {
        "id": value.id,
        "slug": value.slug,
        "node_id": node_id("App", value.id),
        "client_id": value.client_id,
        "owner": simple_user(urls, value.owner),
        "name": value.name,
        "description": "",
        "external_url": urls.server,
        "html_url": f"{urls.server}/apps/{value.slug}",
        "created_at": iso(value.created_at),
        "updated_at": iso(value.created_at),
        "permissions": dict(value.permissions),
        "events": list(value.events),
    }


def optional_app(urls: Urls, value: App | None) -> dict[str, Any] | None:
    """`nullable-integration`."""
    return None if value is None else app(urls, value)


def installation(urls: Urls, value: Installation) -> dict[str, Any]:
    """`installation`."""
    url = f"{urls.api}/app/installations/{value.id}"
    return {
        "id": value.id,
        "node_id": node_id("Installation", value.id),
        "client_id": value.app.client_id,
        "account": simple_user(urls, value.account),
        "repository_selection": "all" if value.repository_ids is None else "selected",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{urls.api}/installation/repositories",
        "html_url": f"{urls.server}/settings/installations/{value.id}",
        "app_id": value.app.id,
        "app_slug": value.app.slug,
        "target_id": value.account.id,
        "target_type": value.account.kind.value,
        "permissions": dict(value.permissions),
        "events": list(value.app.events),
        "created_at": iso(value.created_at),
        "updated_at": iso(value.created_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": iso_or_none(value.suspended_at),
    }


def token(urls: Urls, value: InstallationToken, repositories: list[Repository]) -> dict[str, Any]:
    """`installation-token`; the repositories only when the token was narrowed to some."""
    shape = {
        "token": value.token,
        "expires_at": iso(value.expires_at),
        "permissions": dict(value.permissions),
        "repository_selection": "all" if value.repository_ids is None else "selected",
    }
    if value.repository_ids is None:
        return shape
    return {**shape, "repositories": [repository(urls, repo) for repo in repositories]}
