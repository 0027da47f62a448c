"""Every address that the embedded GitHub writes into its answers; called by `bot.embedded.shapes`."""

import base64
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from bot.embedded.state import Account, Repository


@dataclass(frozen=True, slots=True)
class Urls:
    """Addresses under `server` (scheme, host, port, no slash at the end): pages and git there, REST at `/api/v3`."""

    server: str

    @property
    def api(self) -> str:
        """The REST root, what `GITHUB_API_URL` is set to."""
        return f"{self.server}/api/v3"

    def user(self, account: Account) -> str:
        """An account's REST address."""
        return f"{self.api}/users/{quote(account.login)}"

    def repo(self, repository: Repository) -> str:
        """A repository's REST address."""
        return f"{self.api}/repos/{repository.full_name}"

    def page(self, repository: Repository) -> str:
        """A repository's HTML page."""
        return f"{self.server}/{repository.full_name}"


def iso(moment: datetime) -> str:
    """`2026-01-31T12:00:00Z`, as GitHub writes times (UTC, whole seconds)."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(moment: datetime | None) -> str | None:
    """`iso`, with None for None."""
    return None if moment is None else iso(moment)


def node_id(kind: str, key: object) -> str:
    """An opaque GraphQL-like id, stable for (kind, key)."""
    return base64.b64encode(f"{kind}:{key}".encode()).decode()
