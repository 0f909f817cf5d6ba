"""Alembic's entry: runs on the connection that database/schema.py opened, inside its transaction if it has one."""

from alembic import context

from casedial.database.indexes import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=True,  # an index made concurrently stands outside every transaction
)
with context.begin_transaction():
    context.run_migrations()
