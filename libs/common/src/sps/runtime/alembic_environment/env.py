"""Alembic's environment for all services: the connection is given, the transaction is the caller's."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
