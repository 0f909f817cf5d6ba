"""Changes of many cases as work that outlives who began it, and who changed the priority of a case."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    if not columns_of("changes"):
        _add_changes()
        end_step()
    if not columns_of("change_cases"):
        op.create_table(
            "change_cases",
            sa.Column("change_id", sa.BigInteger, nullable=False),
            sa.Column("case_id", sa.BigInteger, nullable=False),
            sa.Column("firm_id", sa.BigInteger, nullable=False),
            sa.Column("outcome", sa.SmallInteger),
            sa.Column("before", sa.Text),
            sa.Column("history_id", sa.BigInteger),
            sa.Column("priority_id", sa.BigInteger),
            sa.Column("undo_outcome", sa.SmallInteger),
            sa.PrimaryKeyConstraint("change_id", "case_id", name="pk_change_cases"),
        )
        end_step()
    if not columns_of("priority_changes"):
        op.create_table(
            "priority_changes",
            sa.Column("id", _ROW_ID, nullable=False),
            sa.Column("firm_id", sa.BigInteger, nullable=False),
            sa.Column("case_id", sa.BigInteger, nullable=False),
            sa.Column("changed_at", _TIME, nullable=False),
            sa.Column("changed_by", sa.Text, nullable=False),
            sa.Column("before", sa.SmallInteger, nullable=False),
            sa.Column("after", sa.SmallInteger, nullable=False),
            sa.Column("actor_kind", sa.SmallInteger),
            sa.Column("actor_id", sa.Integer),
            sa.PrimaryKeyConstraint("id", name="pk_priority_changes"),
            sa.ForeignKeyConstraint(
                ["firm_id", "case_id"],
                ["cases.firm_id", "cases.case_id"],
                name="fk_priority_changes_firm_id_case_id",
                ondelete="CASCADE",
            ),
        )
        op.create_index("ix_priority_changes_case", "priority_changes", ["firm_id", "case_id", "id"])
        end_step()


def _add_changes() -> None:
    op.create_table(
        "changes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("actor_kind", sa.SmallInteger),
        sa.Column("actor_id", sa.Integer),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("wanted", sa.JSON, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("expected", "counts", "undo_counts")),
        sa.Column("undone_by", sa.JSON(none_as_null=True)),
        *(sa.Column(name, _TIME) for name in ("begun_at", "finished_at", "undone_at")),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.Uuid),
        sa.Column("worked_until", _TIME),
        sa.Column("keep_until", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_changes"),
    )
    op.create_index("ix_changes_firm", "changes", ["firm_id", "id"])
    for name in ("worked_until", "keep_until"):
        there = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_changes_{name}", "changes", [name], postgresql_where=there, sqlite_where=there)
