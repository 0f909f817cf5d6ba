"""The audit: who changed what, in chains."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if not columns_of("audit_heads"):
        op.create_table(
            "audit_heads",
            sa.Column("firm_id", sa.BigInteger, autoincrement=False, nullable=False),
            sa.Column("digest", sa.LargeBinary, nullable=False),
            sa.PrimaryKeyConstraint("firm_id", name="pk_audit_heads"),
        )
        end_step()
    if not columns_of("audit"):
        op.create_table(
            "audit",
            sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
            sa.Column("firm_id", sa.BigInteger, nullable=False),
            sa.Column("at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("actor_kind", sa.SmallInteger, nullable=False),
            sa.Column("actor_name", sa.Text, nullable=False),
            sa.Column("actor_id", sa.BigInteger),
            sa.Column("origin", sa.Text, nullable=False),
            sa.Column("action", sa.Text, nullable=False),
            sa.Column("subject", sa.Text, nullable=False),
            sa.Column("before", sa.JSON(none_as_null=True)),
            sa.Column("after", sa.JSON(none_as_null=True)),
            sa.Column("previous", sa.LargeBinary, nullable=False),
            sa.PrimaryKeyConstraint("id", name="pk_audit"),
        )
        op.create_index("ix_audit_firm", "audit", ["firm_id", "id"])
        end_step()
