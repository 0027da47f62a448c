"""The Store: the database's parts in one value. Opened by bot.context and bot.cli, passed to whoever needs it."""

from __future__ import annotations

from bot.store.database import Clock, Database
from bot.store.effects import Effects
from bot.store.inbox import Inbox
from bot.store.journal import Journal
from bot.store.ledger import Ledger
from bot.store.measures import Measures
from bot.store.repositories import Repositories
from bot.store.runs import Runs


class Store:
    """Every table of one database. Safe to use from several tasks and several processes at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.inbox = Inbox(database)
        self.runs = Runs(database)
        self.journal = Journal(database)
        self.ledger = Ledger(database)
        self.effects = Effects(database)
        self.repositories = Repositories(database)
        self.measures = Measures(database)

    @classmethod
    async def open(cls, url: str, *, clock: Clock) -> Store:
        """Connect to `url` (`sqlite:///…` or `postgresql://…`) and migrate it; raises Infrastructure when it cannot."""
        return cls(await Database.open(url, clock=clock))

    async def close(self) -> None:
        """Finish what was accepted and close every connection."""
        await self.inbox.aclose()
        await self._database.close()

    async def ping(self) -> None:
        """Raise unless the database answers and has its schema."""
        await self._database.ping()
