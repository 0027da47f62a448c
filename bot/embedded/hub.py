"""The hub: the state model with its clock, addresses, outbox and faults; what every part of the server is given.

`bot.embedded.github.GitHub` owns one; actions change its state and call `emit`, which turns a change into deliveries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.embedded.faults import Faults
from bot.embedded.outbox import Outbox
from bot.embedded.shapes.accounts import simple_user
from bot.embedded.shapes.apps import installation as installation_shape
from bot.embedded.shapes.repositories import repository as repository_shape
from bot.embedded.state import Account, App, Installation, Repository, State
from bot.embedded.urls import Urls, node_id


@dataclass(slots=True)
class Limits:
    """What a caller may do: requests an hour, and, when set, content writes a minute (GitHub: about 80)."""

    per_hour: int = 5000
    writes_per_minute: int | None = None
    used: dict[tuple[str, int], int] = field(default_factory=dict)
    writes: dict[tuple[str, int], int] = field(default_factory=dict)

    def count(self, caller: str, now: datetime, cost: int = 1) -> tuple[int, int]:
        """Count a request; returns (used, epoch second of the reset)."""
        hour = int(now.timestamp()) // 3600
        used = self.used.get((caller, hour), 0) + cost
        self.used[caller, hour] = used
        return used, (hour + 1) * 3600

    def write(self, caller: str, now: datetime) -> int:
        """Count a content write; the seconds to wait when it is one too many, else 0."""
        minute, second = divmod(int(now.timestamp()), 60)
        written = self.writes.get((caller, minute), 0) + 1
        self.writes[caller, minute] = written
        return 60 - second if self.writes_per_minute is not None and written > self.writes_per_minute else 0


@dataclass(slots=True)
class Hub:
    """Everything that the server is made of. `root` is the folder of the bare repositories."""

    root: Path
    now: Callable[[], datetime]
    outbox: Outbox
    state: State
    faults: Faults = field(default_factory=Faults)
    limits: Limits = field(default_factory=Limits)
    urls: Urls = field(default_factory=lambda: Urls("http://embedded.invalid"))

    def emit(self, repository: Repository, event: str, sender: Account, **payload: Any) -> None:
        """Queue `event` for every app that is installed on the repository and subscribed to it."""
        for installation in self.state.installations_on(repository):
            if event in installation.app.events:
                body = {
                    **payload,
                    "repository": repository_shape(self.urls, repository),
                    "sender": simple_user(self.urls, sender),
                    "installation": {"id": installation.id, "node_id": node_id("Installation", installation.id)},
                }
                self.send(installation.app, event, body, installation, repository)

    def emit_installation(self, installation: Installation, event: str, sender: Account, **payload: Any) -> None:
        """Queue an `installation` or `installation_repositories` event; apps cannot unsubscribe from these."""
        body = {
            **payload,
            "installation": installation_shape(self.urls, installation),
            "sender": simple_user(self.urls, sender),
        }
        self.send(installation.app, event, body, installation, None)

    def send(
        self,
        app: App,
        event: str,
        payload: dict[str, Any],
        installation: Installation | None,
        repository: Repository | None,
    ) -> None:
        """Queue one delivery for an app; nothing when the app has no webhook address."""
        if app.webhook_url is not None:
            installation_id = None if installation is None else installation.id
            self.outbox.add(app, event, payload, installation_id, None if repository is None else repository.id)
