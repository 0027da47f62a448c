"""HTML pages of the embedded GitHub (later)."""

from starlette.routing import Route

from bot.embedded.hub import Hub


def page_routes(hub: Hub) -> list[Route]:
    """No pages yet."""
    return []
