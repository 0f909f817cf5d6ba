"""Reports that were refused: the last of each firm, and how many a day by key and code."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    for table, make in {"refused_reports": _make_reports, "refused_days": _make_days}.items():
        if not columns_of(table):
            make()
            end_step()


def _make_reports() -> None:
    op.create_table(
        "refused_reports",
        sa.Column("id", _id, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("key_id", sa.BigInteger, nullable=False),
        sa.Column("case_id", sa.BigInteger),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("refused_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refused_reports"),
    )
    op.create_index("ix_refused_reports_firm", "refused_reports", ["firm_id", "id"])


def _make_days() -> None:
    op.create_table(
        "refused_days",
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("key_id", sa.BigInteger, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("reports", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("firm_id", "day", "key_id", "code", name="pk_refused_days"),
    )
