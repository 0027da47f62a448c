"""The ledger: money is reserved before a model call and settled after it, so that Runs never overspend together.

The journal records what each step cost; the ledger decides whether there may be a next one. What is settled is summed
by account; what is held is one row a call and account, which stops counting when its time is over: its worker is dead.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.core.budget import NANO, Account, Line, Request, Reserved, grant, nano, nano_up
from bot.core.policy.verdict import Refused
from bot.store.database import Database
from bot.store.tables import accounts, reservations


@dataclass(frozen=True, slots=True)
class Spending:
    """What one account has come to: US dollars settled, US dollars held by calls under way, tokens, settled calls."""

    usd: float = 0.0
    held_usd: float = 0.0
    tokens: int = 0
    calls: int = 0


class Ledger:
    """The tables of accounts and reservations. Every amount that enters or leaves is US dollars."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, request: Request) -> Reserved | Refused:
        """Hold as much of `request.usd` as every cap has left; Refused, with the figures, below `least_usd`.

        Settled and held money of one account never exceed its cap together, whoever else reserves at this moment.
        """
        at = self._database.clock()
        payer, wanted = request.payer, nano_up(request.usd)
        least = wanted if request.least_usd is None else nano_up(request.least_usd)
        async with self._database.write() as connection:
            for account in payer.accounts(at):
                await self._database.order_writers(connection, f"ledger {account}")
            lines = [await self._line(connection, request, account) for account in payer.accounts(at)]
            granted = grant(wanted, least, lines)
            if isinstance(granted, Refused):
                return granted
            held = {"id": uuid4().hex, "nano_usd": granted, "until": at + timedelta(seconds=request.seconds)}
            rows = [held | _key(account) for account in payer.accounts(at)]
            await connection.execute(sa.insert(reservations), rows)
        return Reserved(str(held["id"]), granted / NANO)

    async def settle(self, reservation: str, cost_usd: float, tokens: int = 0) -> bool:
        """Book what the call did cost in place of what was held for it, even when its time was over meanwhile.

        False, and nothing is booked, when it was settled or released before.
        """
        cost = nano(cost_usd)
        gone = sa.delete(reservations).where(reservations.c.id == reservation).returning(*_ACCOUNT)
        async with self._database.write() as connection:
            found = [Account(*row) for row in await connection.execute(gone)]
            for account in sorted(found, key=lambda account: account.scope):  # one order for all, or two may deadlock
                await self._book(connection, account, cost, tokens)
        return bool(found)

    async def release(self, reservation: str) -> None:
        """Give back what was held for a call that cost nothing; nothing happens when it was settled before."""
        async with self._database.write() as connection:
            await connection.execute(sa.delete(reservations).where(reservations.c.id == reservation))

    async def spent(self, account: Account) -> Spending:
        """What that account (see bot.core.budget.account) has come to by now."""
        async with self._database.read() as connection:
            row = await self._sums(connection, account)
        return Spending(int(row.spent) / NANO, int(row.held) / NANO, int(row.tokens), int(row.calls))

    async def prune(self, age: float) -> int:
        """Forget reservations that ended `age` seconds ago (a later settle books nothing); returns how many rows."""
        old = sa.delete(reservations).where(reservations.c.until < self._database.clock() - timedelta(seconds=age))
        async with self._database.write() as connection:
            return (await connection.execute(old)).rowcount

    async def _line(self, connection: AsyncConnection, request: Request, account: Account) -> Line:
        cap = request.caps.of(account.scope)
        if cap is None:
            return Line(account.scope, None)
        row = await self._sums(connection, account)
        return Line(account.scope, nano(cap), int(row.spent), int(row.held))

    async def _sums(self, connection: AsyncConnection, account: Account) -> Any:
        # One statement sees one moment: a settle in between moves money from one table to the other.
        now = self._database.clock()
        columns = {"spent": accounts.c.nano_usd, "tokens": accounts.c.tokens, "calls": accounts.c.calls}
        sums = {name: sa.select(column).where(*_is(accounts, account)) for name, column in columns.items()}
        sums["held"] = sa.select(sa.func.sum(reservations.c.nano_usd)).where(
            *_is(reservations, account), reservations.c.until > now
        )
        zeroed = [sa.func.coalesce(value.scalar_subquery(), 0).label(name) for name, value in sums.items()]
        return (await connection.execute(sa.select(*zeroed))).one()

    async def _book(self, connection: AsyncConnection, account: Account, cost: int, tokens: int) -> None:
        insert = self._database.insert(accounts)
        raised = {
            "nano_usd": accounts.c.nano_usd + insert.excluded.nano_usd,
            "tokens": accounts.c.tokens + insert.excluded.tokens,
            "calls": accounts.c.calls + 1,
        }
        key = _key(account)
        statement = insert.values(**key, nano_usd=cost, tokens=tokens, calls=1)
        await connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=raised))


_ACCOUNT = tuple(reservations.c[field.name] for field in fields(Account))


def _key(account: Account) -> dict[str, object]:
    return {"scope": account.scope, "subject": account.subject, "period": account.period}


def _is(table: sa.Table, account: Account) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in _key(account).items()]
