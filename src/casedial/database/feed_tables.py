"""The tables of the feed, and how the rows of several tables come into one line: by their ids, which one counter gives.

PostgreSQL has a sequence for it, that of the history, and a row's transaction has its number before the row has its id
(the history is written by those that hold the case). SQLite's history keeps the ids that it gives by itself, so that
claims pay nothing; what is written between two rows of it gets the ids between those, and no id is given again: where
the last rows of history are deleted, a row that is nobody's keeps their end.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Index, SmallInteger, Text

from casedial.database.columns import Instant, RowID, actor_columns, metadata

# Who changed which fields of a case, by name; ``before`` null: it was added without anything that its history tells.
# Rows go with their case, whoever deletes it: an older casedial does not know of them.
fact_changes = sa.Table(
    "fact_changes",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("before", sa.JSON(none_as_null=True)),
    Column("after", sa.JSON, nullable=False),
    *actor_columns(),
    sa.ForeignKeyConstraint(["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"], ondelete="CASCADE"),
    Index("ix_fact_changes_case", "firm_id", "case_id", "id"),
)

# Up to which key of the line something of a firm was purged.
feed_gone = sa.Table(
    "feed_gone",
    metadata,
    Column("firm_id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", BigInteger, nullable=False),
)

# The last key that SQLite gave to a row beside the history; PostgreSQL has its sequence.
feed_line = sa.Table(
    "feed_line",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),  # there is one row
    Column("last", BigInteger, nullable=False),
)

IN_LINE = ("notes", "phone_changes", "priority_changes", "fact_changes", "do_not_call", "audit")

_POSTGRESQL = (
    "ALTER TABLE {table} ALTER COLUMN id SET DEFAULT"
    " CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('status_history_id_seq') END"
)
_SQLITE = (
    "CREATE TRIGGER {table}_in_line AFTER INSERT ON {table} BEGIN UPDATE feed_line SET last ="
    " max(last + 1, ((SELECT coalesce(max(id), 0) FROM status_history) << 28) + 1);"  # as in SQLite's dialect
    " UPDATE {table} SET id = (SELECT last FROM feed_line) WHERE id = NEW.id;"
    " END"
)
_KEEP_END = (
    "CREATE TRIGGER status_history_end AFTER DELETE ON status_history"
    " WHEN OLD.id > (SELECT coalesce(max(id), 0) FROM status_history) BEGIN"
    " INSERT INTO status_history (id, firm_id, case_id, type, changed_at, changed_by)"
    " VALUES (OLD.id, 0, 0, 0, '2000-01-01 00:00:00.000000', '');"
    " DELETE FROM status_history WHERE firm_id = 0 AND id < OLD.id;"
    " END"
)
_AFTERWARDS = {
    "sqlite": (
        "INSERT INTO feed_line (id, last) VALUES (1, 0)",
        _KEEP_END,
        *(_SQLITE.format(table=table) for table in IN_LINE),
    ),
    "postgresql": tuple(_POSTGRESQL.format(table=table) for table in IN_LINE),
}


@sa.event.listens_for(metadata, "after_create")
def _join(target: sa.MetaData, connection: sa.Connection, **more: Any) -> None:
    """Do what a migration does besides making tables."""
    for text in _AFTERWARDS[connection.dialect.name]:
        connection.exec_driver_sql(text)
