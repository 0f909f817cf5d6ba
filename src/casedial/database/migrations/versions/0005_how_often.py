"""How often somebody is called: flags of dispositions, calls, limits, retry policies."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

# What the specification's typical dispositions mean; any other one says that somebody was rung.
_FLAGS = """UPDATE statuses SET flags = CASE name_folded
WHEN 'never dialed' THEN '' WHEN 'successful' THEN 'attempt conversation' ELSE 'attempt' END WHERE type = 2"""


def upgrade() -> None:
    for table, columns in {
        "firms": (sa.Column("min_gap", sa.Integer, nullable=False, server_default="900"),),
        "campaigns": (sa.Column("limits", sa.JSON), sa.Column("retries", sa.JSON)),
        "statuses": (sa.Column("flags", sa.Text),),
    }.items():
        if columns[0].name not in columns_of(table):
            for column in columns:
                op.add_column(table, column)
            end_step()
    op.execute(_FLAGS + " AND flags IS NULL")
    end_step()
    if not columns_of("calls"):
        _make_calls()
        end_step()


def _make_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("id", _id, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("conversation", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
    )
    op.create_index("ix_calls_number", "calls", ["firm_id", "number", "called_at"])
    op.create_index("ix_calls_case", "calls", ["firm_id", "case_id", "called_at"])
    op.create_index("ix_calls_called_at", "calls", ["called_at"])
