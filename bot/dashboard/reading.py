"""What the pages need of the store, and the reading of one Run with its whole journal. Used by pages and events."""

from __future__ import annotations

import builtins
from typing import Protocol

from bot.core.machine import ENDED, State
from bot.core.run import JournalEntry, Run

MOST_ENTRIES = 20_000
_PAGE = 1000


class ReadRuns(Protocol):
    """The Runs, to look at."""

    async def get(self, run_id: str) -> Run | None:
        """The Run of that id."""
        ...

    async def list(self, limit: int = 50) -> builtins.list[Run]:
        """Runs, newest first."""
        ...


class ReadJournal(Protocol):
    """The journal, to look at."""

    async def read(self, run_id: str, after: int = 0, limit: int = 1000) -> list[JournalEntry]:
        """The Run's entries with a `seq` above `after`, in order."""
        ...


class ReadStore(Protocol):
    """The part of bot.store.Store that pages may use."""

    @property
    def runs(self) -> ReadRuns:
        """The Runs."""
        ...

    @property
    def journal(self) -> ReadJournal:
        """The journal."""
        ...


async def entries_of(store: ReadStore, run_id: str, after: int = 0) -> list[JournalEntry]:
    """The Run's journal after `after`, at most MOST_ENTRIES."""
    found: list[JournalEntry] = []
    while len(found) < MOST_ENTRIES:
        page = await store.journal.read(run_id, after=found[-1].seq if found else after, limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            break
    return found


def settled(run: Run) -> bool:
    """Whether no worker will touch the Run again without being asked: it ended, or people review it."""
    return run.state in ENDED or run.state is State.IN_REVIEW
