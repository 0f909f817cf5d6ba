"""Calls without an index by time: they are forgotten in the order in which they were recorded.

A casedial from before this looks through all calls each minute to forget the old ones; nothing else asks for it.
"""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import drop_index

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if "ix_calls_called_at" in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes("calls")}:
        drop_index("ix_calls_called_at", "calls")
