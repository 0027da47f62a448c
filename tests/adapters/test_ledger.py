"""The ledger's contract, over SQLite and PostgreSQL alike: whoever spends at once, no cap is overspent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.budget import Caps, Payer, Request, Reserved, Scope, account
from bot.core.policy.verdict import Refused
from bot.store import Spending, Store

ME = Payer("run-1", 7, 9)


class Clock:
    """Time that only moves when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def stores(url: str, clock: Clock) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' view of one database."""
    one, other = await Store.open(url, clock=clock), await Store.open(url, clock=clock)
    yield one, other
    await one.close()
    await other.close()


@pytest.fixture
def store(stores: tuple[Store, Store]) -> Store:
    return stores[0]


def wish(usd: float, caps: Caps, payer: Payer = ME, **more: float) -> Request:
    return Request(payer, caps, usd, **more)


async def reserved(store: Store, request: Request) -> Reserved:
    answer = await store.ledger.reserve(request)
    assert isinstance(answer, Reserved)
    return answer


async def of_run(store: Store, run_id: str = "run-1") -> Spending:
    return await store.ledger.spent(account(Scope.RUN, run_id, datetime.now(UTC)))


async def test_what_is_settled_below_what_was_held_frees_the_rest(store: Store) -> None:
    caps = Caps(run_usd=1.0)
    held = await reserved(store, wish(0.9, caps))
    assert await of_run(store) == Spending(0.0, 0.9)
    assert isinstance(await store.ledger.reserve(wish(0.2, caps)), Refused)

    assert await store.ledger.settle(held.id, 0.3, 1_234)

    assert await of_run(store) == Spending(0.3, 0.0, 1_234, 1)
    assert (await reserved(store, wish(0.7, caps))).usd == 0.7


async def test_a_refusal_holds_nothing_and_gives_the_figures(store: Store) -> None:
    held = await reserved(store, wish(4.0, Caps()))
    await store.ledger.settle(held.id, 4.0)
    await reserved(store, wish(0.5, Caps()))

    assert await store.ledger.reserve(wish(1.0, Caps(repository_day_usd=5.0))) == Refused(
        "of the $5.00 that this repository may spend a day, $4.0000 is spent and $0.5000 is held by calls under way; "
        "the next call may cost $1.0000"
    )
    assert (await of_run(store)).held_usd == 0.5


async def test_a_shorter_answer_takes_what_is_left(store: Store) -> None:
    caps = Caps(run_usd=1.0)
    await reserved(store, wish(0.8, caps))

    assert (await reserved(store, wish(0.5, caps, least_usd=0.1))).usd == pytest.approx(0.2)
    assert isinstance(await store.ledger.reserve(wish(0.5, caps, least_usd=0.1)), Refused)
    assert (await reserved(store, wish(0.0, caps))).usd == 0


async def test_a_call_that_cost_more_than_was_held_is_booked_as_it_was(store: Store) -> None:
    held = await reserved(store, wish(0.1, Caps(run_usd=0.2)))
    await store.ledger.settle(held.id, 0.25)

    assert (await of_run(store)).usd == 0.25
    assert isinstance(await store.ledger.reserve(wish(0.01, Caps(run_usd=0.2))), Refused)


async def test_it_is_settled_or_released_once(store: Store) -> None:
    held, other = await reserved(store, wish(0.1, Caps())), await reserved(store, wish(0.1, Caps()))

    assert sorted(await asyncio.gather(*(store.ledger.settle(held.id, 0.1) for _ in range(5)))) == [False] * 4 + [True]
    await store.ledger.release(other.id)
    await store.ledger.release(other.id)

    assert not await store.ledger.settle(other.id, 0.1)
    assert not await store.ledger.settle("nobody", 0.1)
    assert await of_run(store) == Spending(0.1, 0.0, 0, 1)


async def test_caps_are_of_a_run_a_repositorys_day_and_an_installations_month(store: Store, clock: Clock) -> None:
    caps = Caps(run_usd=1.0, repository_day_usd=2.0, installation_month_usd=3.0)

    async def fits(payer: Payer) -> bool:
        return isinstance(await store.ledger.reserve(wish(1.0, caps, payer, seconds=1e7)), Reserved)

    assert [await fits(ME), await fits(ME)] == [True, False]
    assert [await fits(replace(ME, run_id=f"run-{n}")) for n in (2, 3)] == [True, False]
    assert [await fits(Payer(f"other-{n}", 8, 9)) for n in (1, 2)] == [True, False]
    assert await fits(Payer("elsewhere", 7_000, 9_000))

    clock.now += timedelta(hours=13)  # the next day, and the next month
    assert [await fits(ME), await fits(replace(ME, run_id="run-9"))] == [False, True]


async def test_a_call_over_midnight_is_booked_on_the_day_it_was_reserved(store: Store, clock: Clock) -> None:
    monday = account(Scope.REPOSITORY_DAY, 7, clock())
    held = await reserved(store, wish(1.0, Caps()))
    clock.now += timedelta(hours=13)
    await store.ledger.settle(held.id, 0.5, 10)

    assert await store.ledger.spent(monday) == Spending(0.5, 0.0, 10, 1)
    assert await store.ledger.spent(account(Scope.REPOSITORY_DAY, 7, clock())) == Spending()


async def test_what_a_dead_worker_held_comes_back_and_a_late_settle_still_counts(store: Store, clock: Clock) -> None:
    caps = Caps(run_usd=1.0)
    held = await reserved(store, wish(1.0, caps, seconds=60))
    clock.now += timedelta(seconds=59)
    assert isinstance(await store.ledger.reserve(wish(0.5, caps)), Refused)

    clock.now += timedelta(seconds=1)
    assert (await of_run(store)).held_usd == 0
    assert isinstance(await store.ledger.reserve(wish(0.5, caps)), Reserved)
    assert await store.ledger.settle(held.id, 0.25)
    assert await of_run(store) == Spending(0.25, 0.5, 0, 1)


async def test_pruning_forgets_what_nobody_will_settle(store: Store, clock: Clock) -> None:
    held = await reserved(store, wish(1.0, Caps(), seconds=60))
    alive = await reserved(store, wish(1.0, Caps(), seconds=1e6))
    clock.now += timedelta(days=1)

    assert await store.ledger.prune(86_400) == 0
    clock.now += timedelta(minutes=2)
    assert await store.ledger.prune(86_400) == 3
    assert not await store.ledger.settle(held.id, 1.0)
    assert await store.ledger.settle(alive.id, 1.0)


CAPS = Caps(run_usd=0.5, repository_day_usd=3.0, installation_month_usd=7.0)
ENDS = ("all", "all", "all", "part", "nothing", "death")


async def spend(store: Store, number: int) -> bool:
    """A Run of up to four calls, of which some cost all that was held and some never end; True when it was refused."""
    payer = Payer(f"run-{number}", number % 3, 9)
    for call in range(4):
        answer = await store.ledger.reserve(wish(0.2, CAPS, payer, least_usd=0.05, seconds=1e5))
        if isinstance(answer, Refused):
            return True
        await asyncio.sleep(0)
        match ENDS[(number * 5 + call * 7) % len(ENDS)]:
            case "all":
                await store.ledger.settle(answer.id, answer.usd, 10)
            case "part":
                await store.ledger.settle(answer.id, answer.usd / 3, 10)
            case "nothing":
                await store.ledger.release(answer.id)
            case _:
                break
    return False


async def watch(store: Store, at: datetime) -> None:
    """Look at the sums again and again while others spend."""
    while True:
        for one in (account(Scope.INSTALLATION_MONTH, 9, at), account(Scope.REPOSITORY_DAY, 1, at)):
            assert total(await store.ledger.spent(one)) <= (CAPS.of(one.scope) or 0) + 1e-9
        await asyncio.sleep(0.001)


def total(sums: Spending) -> float:
    return sums.usd + sums.held_usd


async def test_many_who_spend_at_once_never_overspend_together(stores: tuple[Store, Store], clock: Clock) -> None:
    watching = asyncio.create_task(watch(stores[0], clock()))
    refused = await asyncio.gather(*(spend(stores[number % 2], number) for number in range(60)))
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching

    month = total(await stores[1].ledger.spent(account(Scope.INSTALLATION_MONTH, 9, clock())))
    assert any(refused)
    assert 6.9 < month <= 7.0 + 1e-9  # all of it is used, and no more
    for number in range(60):
        assert total(await of_run(stores[0], f"run-{number}")) <= 0.5 + 1e-9
