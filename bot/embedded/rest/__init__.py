"""The REST endpoints: one module a family of GitHub's documentation, each with its tuple `ENDPOINTS`."""

from bot.embedded.rest import (
    apps,
    checks,
    comments,
    contents,
    gitdata,
    hooks,
    issues,
    labels,
    pulls,
    reactions,
    repositories,
    users,
)
from bot.embedded.web import Endpoint

ALL: tuple[Endpoint, ...] = (
    *apps.ENDPOINTS,
    *hooks.ENDPOINTS,
    *users.ENDPOINTS,
    *repositories.ENDPOINTS,
    *contents.ENDPOINTS,
    *gitdata.ENDPOINTS,
    *labels.ENDPOINTS,
    *reactions.ENDPOINTS,
    *comments.ENDPOINTS,
    *issues.ENDPOINTS,
    *pulls.ENDPOINTS,
    *checks.ENDPOINTS,
    *repositories.LAST,
)
