"""The repositories that Fettle is installed on; filled by installation events, read by bot.run and the pages."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from bot.store.database import Database
from bot.store.tables import repositories


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository: `id` is GitHub's and survives renames, `full_name` is `owner/name`, `active` is not suspended."""

    id: int
    installation_id: int
    full_name: str
    default_branch: str
    active: bool = True


class Repositories:
    """The table of repositories."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def upsert(self, many: Iterable[Repository]) -> None:
        """Add or replace repositories by id; the last of several with the same id counts."""
        rows = {repository.id: self._row(repository) for repository in many}
        if not rows:
            return
        statement = self._database.insert(repositories)
        replaced = {name: statement.excluded[name] for name in repositories.c.keys() if name != "id"}  # noqa: SIM118 # a ColumnCollection iterates over columns
        async with self._database.write() as connection:
            ordered = [rows[key] for key in sorted(rows)]
            await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=replaced), ordered)

    async def remove(self, ids: Collection[int]) -> None:
        """Forget repositories; unknown ids are skipped."""
        async with self._database.write() as connection:
            await connection.execute(sa.delete(repositories).where(repositories.c.id.in_(ids)))

    async def get(self, repository_id: int) -> Repository | None:
        """The repository of that id."""
        found = await self._select(repositories.c.id == repository_id)
        return found[0] if found else None

    async def by_name(self, full_name: str) -> Repository | None:
        """The repository of that `owner/name`, in any case of letters; after a rename the one heard of last."""
        found = await self._select(repositories.c.name_key == full_name.casefold())
        return found[0] if found else None

    async def list(self) -> list[Repository]:
        """Every repository, the most recently heard of first."""
        return await self._select()

    async def suspend(self, installation_id: int, suspended: bool) -> None:
        """Mark every repository of the installation as not active, or active again."""
        of_it = sa.update(repositories).where(repositories.c.installation_id == installation_id)
        async with self._database.write() as connection:
            await connection.execute(of_it.values(active=not suspended))

    async def forget_installation(self, installation_id: int) -> None:
        """Forget every repository of an installation that was deleted."""
        async with self._database.write() as connection:
            await connection.execute(sa.delete(repositories).where(repositories.c.installation_id == installation_id))

    def _row(self, repository: Repository) -> dict[str, object]:
        derived = {"name_key": repository.full_name.casefold(), "updated_at": self._database.clock()}
        return asdict(repository) | derived

    async def _select(self, *conditions: sa.ColumnElement[bool]) -> builtins.list[Repository]:
        columns = [repositories.c[name] for name in Repository.__slots__]
        wanted = sa.select(*columns).where(*conditions).order_by(repositories.c.updated_at.desc(), repositories.c.id)
        async with self._database.read() as connection:
            return [Repository(*row) for row in await connection.execute(wanted)]
