"""The database: the truth that survives every process. `Store` is its door; only this folder knows SQLAlchemy."""

from bot.store.effects import Effect, EffectState
from bot.store.inbox import MAX_ATTEMPTS, Delivery, InboxCounts, Source
from bot.store.ledger import Spending
from bot.store.measures import Histogram
from bot.store.repositories import Repository
from bot.store.runs import LeaseLost
from bot.store.store import Store

__all__ = [
    "MAX_ATTEMPTS",
    "Delivery",
    "Effect",
    "EffectState",
    "Histogram",
    "InboxCounts",
    "LeaseLost",
    "Repository",
    "Source",
    "Spending",
    "Store",
]
