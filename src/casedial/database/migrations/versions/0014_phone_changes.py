"""Who changed which phone, and a way to what was reported in a span of time."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import add_index, columns_of, end_step

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if not columns_of("phone_changes"):
        op.create_table(
            "phone_changes",
            sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
            sa.Column("firm_id", sa.BigInteger, nullable=False),
            sa.Column("case_id", sa.BigInteger, nullable=False),
            sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("changed_by", sa.Text, nullable=False),
            sa.Column("before", sa.JSON(none_as_null=True)),
            sa.Column("after", sa.JSON(none_as_null=True)),
            sa.PrimaryKeyConstraint("id", name="pk_phone_changes"),
            sa.ForeignKeyConstraint(
                ["firm_id", "case_id"],
                ["cases.firm_id", "cases.case_id"],
                name="fk_phone_changes_firm_id_case_id",
                ondelete="CASCADE",
            ),
        )
        op.create_index("ix_phone_changes_case", "phone_changes", ["firm_id", "case_id", "id"])
        end_step()
    add_index("ix_status_history_reported", "status_history", ["firm_id", "changed_at", "id"], "type = 2")
