"""A database of each kind for the contract tests of the store: `url`, SQLite and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.adapters.postgres import postgres


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[str]:
    with postgres() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'fettle.db'}"
        return
    folder = request.getfixturevalue("postgres_folder")
    name = f"test_{abs(hash(str(tmp_path)))}"
    admin = await asyncpg.connect(host=folder, user="postgres", database="postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    yield f"postgresql://postgres@/{name}?host={folder}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
