"""Calling rules: purposes and hours of campaigns, do-not-call lists, bans, cases held back, evidence of claims."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import add_index, columns_of, end_step

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_instant = sa.DateTime(timezone=True)
_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    for table, columns in {
        "campaigns": (
            sa.Column("purpose", sa.Text, nullable=False, server_default="none"),
            sa.Column("paused", sa.Boolean, nullable=False, server_default=sa.false()),
            sa.Column("hours", sa.JSON),
        ),
        "cases": (sa.Column("held_back_until", _instant),),
        "claims": (sa.Column("evidence", sa.JSON),),
    }.items():
        if columns[0].name not in columns_of(table):
            for column in columns:
                op.add_column(table, column)
            end_step()
    for table, make in {"bans": _make_bans, "do_not_call": _make_do_not_call}.items():
        if not columns_of(table):
            make()
            end_step()
    add_index("ix_cases_held_back", "cases", ["held_back_until", "dial_at", "firm_id", "case_id"], "dialer_role = 4")


def _make_bans() -> None:
    op.create_table(
        "bans",
        sa.Column("id", _id, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("until", _instant, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("lifted_at", _instant),
        sa.PrimaryKeyConstraint("id", name="pk_bans"),
    )


def _make_do_not_call() -> None:
    op.create_table(
        "do_not_call",
        sa.Column("id", _id, nullable=False),
        sa.Column("firm_id", _id, nullable=False),
        sa.Column("number", sa.Text),
        sa.Column("case_id", sa.BigInteger),
        sa.Column("listed_on", sa.Date, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_do_not_call"),
        sa.ForeignKeyConstraint(["firm_id"], ["firms.id"], name="fk_do_not_call_firm_id"),
        sa.UniqueConstraint("firm_id", "number", name="uq_do_not_call_number"),
        sa.UniqueConstraint("firm_id", "case_id", name="uq_do_not_call_case_id"),
        sa.CheckConstraint("(number IS NULL) <> (case_id IS NULL)", name=op.f("ck_do_not_call_one_of_two")),
    )
