"""Installations say which repositories are ours to look after. Called from bot.jobs.deliver."""

from __future__ import annotations

from bot.core.events import RepositoriesChanged
from bot.core.intents import Forget, Intent, Register, Suspend
from bot.core.view import RepoView


def changed(event: RepositoriesChanged, view: RepoView) -> list[Intent]:
    """Register what came, forget what went, and note a suspension."""
    intents: list[Intent] = []
    if event.added:
        intents.append(Register(event.added))
    if event.gone or event.removed:
        intents.append(Forget(event.installation_id, event.removed, whole=event.gone))
    if event.suspended is not None:
        intents.append(Suspend(event.installation_id, event.suspended))
    return intents
