"""Imports as jobs that outlive who began them: their rows, the cases that they added, what columns of files mean."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for table, make in {
        "import_jobs": _make_jobs,
        "import_pieces": _make_pieces,
        "import_cases": _make_cases,
        "import_headers": _make_headers,
    }.items():
        if not columns_of(table):
            make()
            end_step()


def _make_jobs() -> None:
    op.create_table(
        "import_jobs",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("actor_kind", sa.SmallInteger),
        sa.Column("actor_id", sa.Integer),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("form", sa.Text, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("told", "columns")),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("pieces", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("plan", "expected", "counts", "undo_counts")),
        sa.Column("undone_by", sa.JSON(none_as_null=True)),
        *(sa.Column(name, _TIME) for name in ("begun_at", "finished_at", "undone_at")),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("worker", sa.Uuid),
        sa.Column("worked_until", _TIME),
        sa.Column("keep_until", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_import_jobs"),
    )
    op.create_index("ix_import_jobs_firm", "import_jobs", ["firm_id", "id"])
    for name in ("worked_until", "keep_until"):
        there = sa.text(f"{name} IS NOT NULL")
        op.create_index(f"ix_import_jobs_{name}", "import_jobs", [name], postgresql_where=there, sqlite_where=there)


def _make_pieces() -> None:
    op.create_table(
        "import_pieces",
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.Text, nullable=False),
        sa.Column("faults", sa.Text),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_import_pieces"),
    )


def _make_cases() -> None:
    op.create_table(
        "import_cases",
        sa.Column("job_id", sa.BigInteger, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("history_id", sa.BigInteger),
        sa.Column("undo_outcome", sa.SmallInteger),
        sa.PrimaryKeyConstraint("job_id", "case_id", name="pk_import_cases"),
    )


def _make_headers() -> None:
    op.create_table(
        "import_headers",
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("header", sa.Text, nullable=False),
        sa.Column("meanings", sa.JSON, nullable=False),
        sa.Column("used_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("firm_id", "header", name="pk_import_headers"),
    )
