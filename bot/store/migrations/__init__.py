"""The schema's history. bot.store.database calls `upgrade` at open, inside its own transaction.

HEAD is written down here so that a process whose database is current never imports alembic (a third of a second).
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import Connection

HEAD = "0001"
"""The newest revision under versions/; a test holds it against the scripts."""

FOLDER = Path(__file__).parent


def upgrade(connection: Connection) -> None:
    """Run the missing migrations on `connection`; the caller's transaction commits them or none."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)
