"""What a handler may know: the repository as it is now, fetched by bot.jobs before the handler runs."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.events import IssueRef
from bot.core.policy.who import Permission
from bot.core.run import Run


@dataclass(frozen=True, slots=True)
class RepoView:
    """The world as one event needs it. `issue` is fresh from GitHub, since deliveries come late and out of order.

    `active` is the subject's Run that is still working; `reviewed` the one whose pull request is open, or was closed.
    """

    trigger_label: str
    issue: IssueRef | None = None
    permission: Permission = Permission.NONE
    active: Run | None = None
    reviewed: Run | None = None
