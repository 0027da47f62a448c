"""Accounts as JSON (`simple-user`, `public-user`, `private-user`)."""

from typing import Any
from urllib.parse import quote

from bot.embedded.state import Account, AccountKind
from bot.embedded.urls import Urls, iso, node_id

_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


def simple_user(urls: Urls, account: Account) -> dict[str, Any]:
    """`simple-user`."""
    url = urls.user(account)
    page = f"apps/{account.login.removesuffix('[bot]')}" if account.kind is AccountKind.BOT else account.login
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("User", account.id),
        "avatar_url": f"{urls.server}/avatars/{quote(account.login)}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{urls.server}/{page}",
        **{key: url + tail for key, tail in _LINKS.items()},
        "type": account.kind.value,
        "site_admin": False,
    }


def optional_user(urls: Urls, account: Account | None) -> dict[str, Any] | None:
    """`nullable-simple-user`."""
    return None if account is None else simple_user(urls, account)


def public_user(urls: Urls, account: Account) -> dict[str, Any]:
    """`public-user`."""
    return {
        **simple_user(urls, account),
        "name": account.name,
        "company": None,
        "blog": "",
        "location": None,
        "email": account.email,
        "hireable": None,
        "bio": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": iso(account.created_at),
        "updated_at": iso(account.created_at),
        "user_view_type": "public",
    }


def private_user(urls: Urls, account: Account) -> dict[str, Any]:
    """`private-user`, what `GET /user` gives the account itself."""
    return {
        **public_user(urls, account),
        "user_view_type": "private",
        "collaborators": 0,
        "disk_usage": 0,
        "owned_private_repos": 0,
        "private_gists": 0,
        "total_private_repos": 0,
        "two_factor_authentication": True,
    }
