"""The tables of changes of many cases: what was wanted and how far it is, and each of the cases that are meant."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Index, SmallInteger, Text

from casedial.database.columns import Instant, RowID, actor_columns, metadata

# Work on many cases that is done in steps and outlives who began it. Its header is kept.
changes = sa.Table(
    "changes",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),  # what is done with the cases
    Column("state", SmallInteger, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("origin", Text, nullable=False),
    *actor_columns(),
    Column("reason", Text, nullable=False),
    Column("wanted", sa.JSON, nullable=False),  # what to do with a case, and in which state it has to be for it
    Column("total", BigInteger, nullable=False),  # cases
    Column("expected", sa.JSON, nullable=False),  # how many of them, by what the preview said would become of them
    Column("counts", sa.JSON, nullable=False),  # and by what became of them
    Column("undo_counts", sa.JSON, nullable=False),  # and by what its undo made of them
    Column("undone_by", sa.JSON(none_as_null=True)),  # [name, kind, id, origin] of who wanted that
    Column("begun_at", Instant),
    Column("finished_at", Instant),  # null: never run, or at work
    Column("undone_at", Instant),
    Column("last", BigInteger, nullable=False),  # the CaseID up to which the present work is done
    Column("worker", sa.Uuid),  # who works on it, by the database's clock until:
    Column("worked_until", Instant),  # null: there is no work
    Column("keep_until", Instant),  # when its cases go, and what was never run; null: they have gone, or it is at work
    Index("ix_changes_firm", "firm_id", "id"),
)

# Of what became of a case of a change, what is neither done nor was so already; and what its undo did not put back.
LEFT = sa.text("outcome > 2")
LEFT_BY_UNDO = sa.text("undo_outcome <> 7")

# The cases of a change, settled before any of them is changed; they go a day after it.
change_cases = sa.Table(
    "change_cases",
    metadata,
    Column("change_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("firm_id", BigInteger, nullable=False),
    Column("outcome", SmallInteger),  # null: not done yet
    Column("before", Text),  # what undo goes back to, as JSON; null: there is nothing to undo
    # The last rows of its history, and of changes of its priority, when it was done; null: it had none.
    Column("history_id", BigInteger),
    Column("priority_id", BigInteger),
    Column("undo_outcome", SmallInteger),
    sa.PrimaryKeyConstraint("change_id", "case_id"),
)
