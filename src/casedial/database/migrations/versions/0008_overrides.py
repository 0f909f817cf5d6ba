"""An operator may override a row of the calling rules, and say where a ZIP code is."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_instant = sa.DateTime(timezone=True)
_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    if columns_of("overrides"):
        return
    op.create_table(
        "overrides",
        sa.Column("id", _id, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("lifted_at", _instant),
        sa.PrimaryKeyConstraint("id", name="pk_overrides"),
    )
    end_step()
