"""Who is calling, and what may they do: app JWTs, installation tokens, people's tokens.

Called by `bot.embedded.web` for REST and by `bot.embedded.git_http`. App JWTs are checked against the machine's clock
(clients sign them with it), installation tokens against the hub's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt

from bot.embedded.hub import Hub
from bot.embedded.state import Account, App, Installation, Repository, Role

LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}


class Denied(Exception):
    """The credentials are not good; `str(error)` is GitHub's message for the 401."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a request: an app (JWT), an installation (`ghs_` token), a person (`ghp_` token), or nobody."""

    key: str = "anonymous"
    app: App | None = None
    installation: Installation | None = None
    user: Account | None = None
    permissions: Mapping[str, str] = field(default_factory=dict)
    repository_ids: frozenset[int] | None = None
    token: str = ""

    @property
    def actor(self) -> Account | None:
        """The account that acts: the person, or the app's bot user."""
        if self.installation is not None:
            return self.installation.app.bot
        return self.user

    @property
    def via(self) -> App | None:
        """The app that acts, when an installation token is used."""
        return None if self.installation is None else self.installation.app

    def sees(self, hub: Hub, repository: Repository) -> bool:
        """Whether the repository exists for this caller at all."""
        if not repository.private:
            return True
        if self.installation is not None:
            return self.reaches(hub, repository)
        return self.user is not None and repository.role(self.user) is not None

    def reaches(self, hub: Hub, repository: Repository) -> bool:
        """Whether an installation token covers the repository."""
        if self.installation is None or repository not in hub.state.repositories_of(self.installation):
            return False
        return self.repository_ids is None or repository.id in self.repository_ids

    def may(self, hub: Hub, repository: Repository, needs: str, people: Role) -> bool:
        """Whether one of `needs` ("issues:write|pull_requests:write") is granted, or the person has `people`'s role."""
        if self.installation is not None:
            wanted = [need.split(":") for need in needs.split("|")]
            granted = any(LEVELS[self.permissions.get(name, "none")] >= LEVELS[level] for name, level in wanted)
            return granted and self.reaches(hub, repository)
        if self.user is None:
            return not repository.private and all(need.endswith(":read") for need in needs.split("|"))
        role = repository.role(self.user)
        open_to_all = people is Role.READ and not repository.private
        return open_to_all or (role is not None and role.rank >= people.rank)


def identify(hub: Hub, credential: str) -> Caller:
    """The caller behind a bearer credential ("" for nobody). Raises Denied."""
    if not credential:
        return Caller()
    if credential.count(".") == 2:
        app = _app_of(hub, credential)
        return Caller(key=f"app:{app.id}", app=app)
    if (user := hub.state.user_tokens.get(credential)) is not None:
        return Caller(key=f"user:{user.id}", user=user, token=credential)
    token = hub.state.tokens.get(credential)
    if token is None or token.expires_at <= hub.now():
        raise Denied("Bad credentials")
    return Caller(
        key=f"installation:{token.installation.id}",
        installation=token.installation,
        permissions=token.permissions,
        repository_ids=None if token.repository_ids is None else frozenset(token.repository_ids),
        token=credential,
    )


def _app_of(hub: Hub, encoded: str) -> App:
    app = _issuer(hub, encoded)
    try:
        claims: dict[str, Any] = jwt.decode(
            encoded,
            app.public_key,
            algorithms=["RS256"],
            leeway=60,
            options={"require": ["exp", "iat", "iss"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError as error:
        raise Denied("'Expiration time' claim ('exp') is in the past") from error
    except jwt.PyJWTError as error:
        raise Denied("A JSON web token could not be decoded") from error
    if claims["exp"] - claims["iat"] > 660:
        raise Denied("'Expiration time' claim ('exp') is too far in the future")
    return app


def _issuer(hub: Hub, encoded: str) -> App:
    try:
        claims: dict[str, Any] = jwt.decode(encoded, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise Denied("A JSON web token could not be decoded") from error
    issuer = str(claims.get("iss", ""))
    found = [app for app in hub.state.apps.values() if issuer in (str(app.id), app.client_id)]
    if not found:
        raise Denied("Integration not found")
    return found[0]
