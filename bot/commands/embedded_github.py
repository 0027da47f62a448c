"""`fettle github`: the embedded GitHub alone, for any client; and the App that it and the demo register on it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from bot.commands.listening import wait_for_signal
from bot.core.errors import UserError
from bot.core.events import NAMES
from bot.embedded.github import GitHub
from bot.embedded.seed import load_seed, plant
from bot.embedded.state import AccountKind, App
from bot.services.github import PERMISSIONS

# GitHub sends these to every App, unasked.
_UNASKED = {"installation", "installation_repositories"}


def register_app(github: GitHub, webhook_url: str | None, secret: str | None = None) -> App:
    """Register Fettle with exactly the permissions and events that it uses."""
    return github.create_app(
        "fettle",
        permissions=dict(PERMISSIONS),
        events=sorted(NAMES - _UNASKED),
        webhook_secret=secret,
        webhook_url=webhook_url,
    )


def write_key(folder: Path, app: App) -> Path:
    """The App's private key as a file that only this user can read."""
    path = folder / "fettle.private-key.pem"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(app.private_key)
    return path


async def serve(host: str, port: int, seed: Path | None, webhook_url: str, say: Callable[[str], None]) -> None:
    """Serve until a signal; says every address and credential that a client needs. Raises UserError."""
    planned = load_seed(seed) if seed else None
    with tempfile.TemporaryDirectory(prefix="fettle-github-") as folder:
        github = GitHub(Path(folder) / "repositories")
        try:
            await github.serve(host, port)
        except OSError as error:
            raise UserError(f"Port {port} on {host} cannot be bound ({error.strerror}): choose another.") from None
        try:
            app = register_app(github, webhook_url)
            if seed and planned:
                await plant(github, planned, seed.parent)
            for owner in sorted({repository.full_name.partition("/")[0] for repository in github.repos()}):
                github.install(app, owner)
            for line in _lines(github, app, write_key(Path(folder), app)):
                say(line)
            await wait_for_signal()
        finally:
            await github.aclose()


def _lines(github: GitHub, app: App, key: Path) -> Iterable[str]:
    yield f"GITHUB_API_URL={github.api_url}"
    yield f"GITHUB_SERVER_URL={github.server_url}"
    yield f"GITHUB_APP_ID={app.id}"
    yield f"GITHUB_APP_PRIVATE_KEY_PATH={key}"
    yield f"GITHUB_WEBHOOK_SECRET={app.webhook_secret}"
    yield f"# webhooks go to {app.webhook_url}"
    for repository in github.repos():
        yield f"# repository {github.server_url}/{repository.full_name}"
    for account in github.hub.state.accounts.values():
        if account.kind is AccountKind.USER:
            yield f"# token of {account.login}: {github.user_token(account.login)}"
