"""Diffs between two commits in the forms that endpoints answer with: rows, or plain text by the media type."""

from typing import Any

from starlette.responses import Response

from bot.embedded.gitrepo import EMPTY_TREE
from bot.embedded.shapes import pulls as shapes
from bot.embedded.state import Account
from bot.embedded.web import Call

__all__ = ["EMPTY_TREE", "accounts_by_address", "as_text", "rows"]


async def rows(call: Call, base: str, head: str) -> list[dict[str, Any]]:
    """`diff-entry` rows of `git diff base head`."""
    files = await call.repo.git.files(base, head)
    return [shapes.file(call.hub.urls, call.repo, head, file) for file in files]


async def as_text(call: Call, base: str, head: str) -> Response | None:
    """The diff as text when `Accept` asks for `application/vnd.github.diff` (or `.v3.diff`, `.patch`), else None."""
    accept = call.request.headers.get("accept", "")
    for kind in ("diff", "patch"):
        if f"application/vnd.github.{kind}" in accept or f"application/vnd.github.v3.{kind}" in accept:
            body = await call.repo.git.diff(base, head)
            return Response(body, media_type=f"application/vnd.github.{kind}; charset=utf-8")
    return None


def accounts_by_address(call: Call) -> dict[str, Account]:
    """Mail address (lower case) -> account, for the authors of commits."""
    found: dict[str, Account] = {}
    for account in call.hub.state.accounts.values():
        found[account.noreply.lower()] = account
        if account.email:
            found[account.email.lower()] = account
    return found
