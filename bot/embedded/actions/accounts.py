"""Accounts, apps, installations, repositories and tokens are made here."""

import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.embedded.auth import LEVELS
from bot.embedded.errors import ApiError
from bot.embedded.gitrepo import BareRepository, Person
from bot.embedded.hub import Hub
from bot.embedded.shapes.apps import app as app_shape
from bot.embedded.state import Account, AccountKind, App, Installation, InstallationToken, Repository
from bot.embedded.urls import iso, node_id

TOKEN_LIFE = timedelta(hours=1)


def create_account(hub: Hub, login: str, kind: AccountKind, name: str | None = None) -> Account:
    """The account of that login, made when there is none."""
    known = hub.state.accounts.get(login.lower())
    if known is not None:
        return known
    made = Account(hub.state.new_id(), login, kind, hub.now(), name)
    hub.state.accounts[login.lower()] = made
    return made


def create_app(
    hub: Hub,
    name: str,
    owner: Account,
    *,
    permissions: Mapping[str, str],
    events: Iterable[str],
    webhook_secret: str | None = None,
    webhook_url: str | None = None,
    private_key: str | None = None,
) -> App:
    """Register an app; its bot user is `<slug>[bot]`. Without `private_key` (PEM) it gets a fresh RSA key."""
    slug = name.lower().replace(" ", "-")
    private = private_key or new_private_key()
    app = App(
        id=hub.state.new_id(),
        slug=slug,
        name=name,
        owner=owner,
        bot=create_account(hub, f"{slug}[bot]", AccountKind.BOT),
        private_key=private,
        public_key=_public_key(private),
        webhook_secret=webhook_secret or secrets.token_hex(20),
        client_id=f"Iv23{secrets.token_hex(8)}",
        client_secret=secrets.token_hex(20),
        hook_id=hub.state.new_id(),
        permissions={"metadata": "read", **permissions},
        events=tuple(events),
        created_at=hub.now(),
        webhook_url=webhook_url,
    )
    hub.state.apps[app.id] = app
    return app


def ping(hub: Hub, app: App) -> None:
    """Send the `ping` that GitHub sends when a hook is set up."""
    hook = {
        "type": "App",
        "id": app.hook_id,
        "name": "web",
        "active": True,
        "events": list(app.events),
        "app_id": app.id,
        "created_at": iso(app.created_at),
        "updated_at": iso(app.created_at),
        "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": app.webhook_url},
    }
    hub.send(app, "ping", {"zen": "Keep it logically awesome.", "hook_id": app.hook_id, "hook": hook}, None, None)


def install(
    hub: Hub, app: App, account: Account, repositories: list[Repository] | None, actor: Account
) -> Installation:
    """Install an app on an account (all repositories when None); emits `installation` `created`."""
    chosen = None if repositories is None else {repo.id for repo in repositories}
    made = Installation(hub.state.new_id(), app, account, chosen, dict(app.permissions), hub.now())
    hub.state.installations[made.id] = made
    rows = [repository_brief(repo) for repo in hub.state.repositories_of(made)]
    hub.emit_installation(made, "installation", actor, action="created", repositories=rows, requester=None)
    return made


def uninstall(hub: Hub, installation: Installation, actor: Account) -> None:
    """Remove an installation and its tokens; emits `installation` `deleted`."""
    rows = [repository_brief(repo) for repo in hub.state.repositories_of(installation)]
    del hub.state.installations[installation.id]
    hub.state.tokens = {key: each for key, each in hub.state.tokens.items() if each.installation is not installation}
    hub.emit_installation(installation, "installation", actor, action="deleted", repositories=rows)


def select_repositories(hub: Hub, installation: Installation, wanted: list[Repository], actor: Account) -> None:
    """Make the installation's repositories exactly these; emits `installation_repositories` for the difference."""
    before = hub.state.repositories_of(installation)
    installation.repository_ids = {repo.id for repo in wanted}
    added = [repo for repo in wanted if repo not in before]
    removed = [repo for repo in before if repo not in wanted]
    for action, repos in (("added", added), ("removed", removed)):
        if repos:
            _emit_selection(hub, installation, actor, action, repos)


async def create_repository(
    hub: Hub,
    owner: Account,
    name: str,
    files: Mapping[str, str | bytes | None],
    *,
    default_branch: str = "main",
    private: bool = False,
    description: str | None = None,
) -> Repository:
    """A repository with one first commit of `files` (none when there are no files); emits to installations on all."""
    if hub.state.repository(f"{owner.login}/{name}") is not None:
        raise ApiError(
            422,
            "Repository creation failed.",
            [
                {
                    "resource": "Repository",
                    "code": "custom",
                    "field": "name",
                    "message": "name already exists on this account",
                }
            ],
        )
    git = BareRepository(hub.root / owner.login / f"{name}.git")
    await git.init(default_branch)
    now = hub.now()
    repo = Repository(hub.state.new_id(), owner, name, git, now, now, default_branch, description, private)
    if files:
        author = Person(owner.name or owner.login, owner.noreply, now.isoformat())
        await git.commit_files(default_branch, files, "Initial commit", author)
    hub.state.repositories[repo.id] = repo
    for installation in hub.state.installations.values():
        if installation.account is owner and installation.repository_ids is None:
            _emit_selection(hub, installation, owner, "added", [repo])
    return repo


def create_token(
    hub: Hub,
    installation: Installation,
    *,
    permissions: Mapping[str, str] | None = None,
    repositories: list[Repository] | None = None,
) -> InstallationToken:
    """An installation token, narrowed to what is given. 403 when suspended, 422 when it asks for more than granted."""
    if installation.suspended_at is not None:
        raise ApiError(403, "This installation has been suspended")
    reach = hub.state.repositories_of(installation)
    if repositories is not None and any(repo not in reach for repo in repositories):
        raise ApiError(
            422, "There is at least one repository that does not exist or is not accessible to the parent installation."
        )
    granted = installation.permissions
    asked = dict(granted) if permissions is None else {"metadata": "read", **permissions}
    if any(LEVELS.get(level, 9) > LEVELS[granted.get(key, "none")] for key, level in asked.items()):
        raise ApiError(422, "The permissions requested are not granted to this installation.")
    ids = installation.repository_ids if repositories is None else {repo.id for repo in repositories}
    token = InstallationToken(
        f"ghs_{secrets.token_hex(18)}", installation, asked, None if ids is None else set(ids), hub.now() + TOKEN_LIFE
    )
    hub.state.tokens[token.token] = token
    return token


def create_user_token(hub: Hub, account: Account) -> str:
    """A personal access token, all scopes."""
    token = f"ghp_{secrets.token_hex(18)}"
    hub.state.user_tokens[token] = account
    return token


def repository_brief(repo: Repository) -> dict[str, object]:
    """What installation events say of a repository."""
    return {
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
    }


def credentials(hub: Hub, app: App) -> dict[str, object]:
    """What a manifest conversion answers: the app with its secrets."""
    return {
        **app_shape(hub.urls, app),
        "client_secret": app.client_secret,
        "webhook_secret": app.webhook_secret,
        "pem": app.private_key,
    }


def _emit_selection(hub: Hub, installation: Installation, actor: Account, action: str, repos: list[Repository]) -> None:
    rows = [repository_brief(repo) for repo in repos]
    hub.emit_installation(
        installation,
        "installation_repositories",
        actor,
        action=action,
        repositories_added=rows if action == "added" else [],
        repositories_removed=rows if action == "removed" else [],
        repository_selection="all" if installation.repository_ids is None else "selected",
        requester=None,
    )


def new_private_key() -> str:
    """A fresh RSA key, 2048 bits, PEM (PKCS#1 as GitHub hands it out)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return private.decode()


def _public_key(private: str) -> str:
    key = serialization.load_pem_private_key(private.encode(), password=None)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public.decode()
