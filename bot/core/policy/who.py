"""Who may ask: decided by the permission that GitHub reports when the request runs, never by author association."""

from __future__ import annotations

from enum import StrEnum

from bot.core.events import Actor
from bot.core.policy.verdict import Allowed, Refused, Verdict


class Permission(StrEnum):
    """A person's role in a repository, by GitHub's `role_name`; custom roles are read by their base permission."""

    NONE = "none"
    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Higher may do more."""
        return list(Permission).index(self)


def may_start(sender: Actor, permission: Permission) -> Verdict:
    """Starting a run spends the operator's money and writes to the repository: write permission or more."""
    if sender.is_bot:
        return Refused(f"@{sender.login} is a bot, and bots do not start runs.")
    if permission.rank < Permission.WRITE.rank:
        return Refused(f"@{sender.login} has {permission} permission here; starting a run takes write permission.")
    return Allowed()
