"""Indexes of the cases that a change of many left, or its undo."""

from casedial.database.migrating import add_index

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column, few in (("outcome", "outcome > 2"), ("undo_outcome", "undo_outcome <> 7")):
        add_index(f"ix_change_cases_{column}", "change_cases", ["change_id", column, "case_id"], few)
