"""The lease that a claim asked for, and which warnings of doctor are known."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if "seconds" not in columns_of("claims"):
        op.add_column("claims", sa.Column("seconds", sa.Integer))
        end_step()
    if not columns_of("acknowledgements"):
        op.create_table(
            "acknowledgements",
            sa.Column("mark", sa.Text, nullable=False),
            sa.Column("until", sa.Date, nullable=False),
            sa.Column("reason", sa.Text, nullable=False),
            sa.PrimaryKeyConstraint("mark", name="pk_acknowledgements"),
        )
        end_step()
