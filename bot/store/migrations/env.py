"""Alembic's entry: it runs this file for every command, with the connection that migrations.upgrade put there."""

from alembic import context

from bot.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
