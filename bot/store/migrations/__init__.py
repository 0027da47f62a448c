"""The schema's history. bot.store.database calls `upgrade` at open, inside its own transaction.

A new database gets today's tables at once and HEAD as its version, and a current one is left alone: only a database of
an older Fettle imports alembic, which takes a third of a second. A test holds the scripts against the tables.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from bot.store.tables import metadata

HEAD = "0002"
"""The newest revision under versions/; a test holds it against the scripts."""

FOLDER = Path(__file__).parent

_VERSION = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True))


def version(connection: Connection) -> str | None:
    """The schema's revision; None for a new database."""
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(sa.select(_VERSION.c.version_num)).scalar_one_or_none()


def upgrade(connection: Connection) -> None:
    """Bring the schema to HEAD; the caller's transaction commits all of it or nothing."""
    match version(connection):
        case None:
            metadata.create_all(connection)
            _VERSION.create(connection)
            connection.execute(sa.insert(_VERSION).values(version_num=HEAD))
        case current if current != HEAD:
            run_scripts(connection)


def run_scripts(connection: Connection) -> None:
    """Run the missing scripts of versions/, alembic's way."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
