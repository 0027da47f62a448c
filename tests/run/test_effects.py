"""Writes happen once: whoever dies, hangs or comes back in the middle of one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.core.errors import Retry, UserError
from bot.run.effects import once
from bot.store import Store
from tests.harness.clock import Clock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'x.db'}", clock=Clock())
    yield opened
    await opened.close()


@dataclass
class World:
    """What was made, by name; a name can be made once if `unique`."""

    made: list[str] = field(default_factory=list)
    unique: bool = True

    async def find(self) -> str | None:
        return self.made[0] if self.made else None

    async def make(self, name: str) -> str:
        if self.unique and self.made:
            raise UserError("it exists already")
        self.made.append(name)
        return name


async def write(store: Store, world: World, name: str, *, leased: bool = True) -> str:
    found = await once(
        store.effects,
        "key",
        kind="thing",
        find=world.find,
        make=lambda: world.make(name),
        result=lambda made: {"name": made},
        leased=leased,
    )
    return str(found["name"])


async def test_twice_is_once(store: Store) -> None:
    world = World()
    assert [await write(store, world, "a"), await write(store, world, "b")] == ["a", "a"]
    assert world.made == ["a"]


async def test_begun_by_a_dead_worker_is_looked_for(store: Store) -> None:
    world = World(["a"])
    await store.effects.begin("key", "", "thing")
    assert await write(store, world, "b") == "a"


async def test_two_that_made_it_at_once_agree_on_the_first_recorded(store: Store) -> None:
    """A commit cannot be looked for: the worker that comes back from a hang must go on with the recorded one."""

    async def nowhere() -> None:
        return None

    async def make(name: str, gate: asyncio.Event) -> str:
        await gate.wait()
        return name

    async def commit(name: str, gate: asyncio.Event) -> str:
        found = await once(
            store.effects,
            "commit",
            kind="commit",
            find=nowhere,
            make=lambda: make(name, gate),
            result=lambda made: {"sha": made},
        )
        return str(found["sha"])

    first, second = asyncio.Event(), asyncio.Event()
    hung, taker = asyncio.create_task(commit("old", first)), asyncio.create_task(commit("new", second))
    second.set()
    assert await taker == "new"
    first.set()
    assert await hung == "new"


async def test_a_refusal_because_it_is_there_is_no_failure(store: Store) -> None:
    world = World(["a"])
    assert await write(store, world, "b") == "a"


async def test_a_refusal_for_another_reason_passes(store: Store) -> None:
    world = World()

    async def refuse() -> str:
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        await once(store.effects, "k", kind="x", find=world.find, make=refuse, result=lambda made: {"name": made})


async def test_without_a_lease_the_second_looks_later(store: Store) -> None:
    world = World(unique=False)
    await store.effects.begin("key", "", "thing")
    with pytest.raises(Retry):
        await write(store, world, "b", leased=False)
    assert world.made == []
    assert await write(store, world, "b", leased=False) == "b"
