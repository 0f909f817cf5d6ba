"""Alembic's entry: runs inside the transaction that storage/schema.py opened."""

from alembic import context

from casedial.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
