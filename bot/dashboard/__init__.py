"""The run pages: what every Run did, live. bot.cli gives `router(store)` to bot.app; nothing here changes anything."""

from bot.dashboard.pages import router
from bot.dashboard.reading import ReadStore

__all__ = ["ReadStore", "router"]
