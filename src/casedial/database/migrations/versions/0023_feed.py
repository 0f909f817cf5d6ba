"""One line of ids for all that a feed tells, the fields of cases that changed, and what of a feed was purged."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TABLES = ("notes", "phone_changes", "priority_changes", "fact_changes", "do_not_call", "audit")


def upgrade() -> None:
    for table, make in {"fact_changes": _make_facts, "feed_gone": _make_gone, "feed_line": _make_line}.items():
        if not columns_of(table):
            make()
            end_step()
    if op.get_bind().dialect.name == "sqlite":
        _join_in_sqlite()
        return
    for table in _TABLES:
        _catch_up(table)
        end_step()
        op.execute(
            f"ALTER TABLE {table} ALTER COLUMN id SET DEFAULT"
            " CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('status_history_id_seq') END"
        )
        _catch_up(table)  # what came meanwhile
        end_step()


def _make_facts() -> None:
    op.create_table(
        "fact_changes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True)),
        sa.Column("after", sa.JSON, nullable=False),
        sa.Column("actor_kind", sa.SmallInteger),
        sa.Column("actor_id", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_fact_changes"),
        sa.ForeignKeyConstraint(
            ["firm_id", "case_id"],
            ["cases.firm_id", "cases.case_id"],
            name="fk_fact_changes_firm_id_case_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_fact_changes_case", "fact_changes", ["firm_id", "case_id", "id"])


def _make_gone() -> None:
    op.create_table(
        "feed_gone",
        sa.Column("firm_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("key", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("firm_id", name="pk_feed_gone"),
    )


def _make_line() -> None:
    op.create_table(
        "feed_line",
        sa.Column("id", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feed_line"),
    )


def _catch_up(table: str) -> None:
    """Bring the sequence of the history up to the last id of a table, by taking what is between: others take, too."""
    op.execute(
        "SELECT count(nextval('status_history_id_seq')) FROM generate_series(1,"  # noqa: S608
        f" (SELECT last_value FROM {table}_id_seq) - (SELECT last_value FROM status_history_id_seq))"
    )


def _join_in_sqlite() -> None:
    ids = ", ".join(f"(SELECT coalesce(max(id), 0) FROM {table})" for table in _TABLES)  # noqa: S608
    op.execute(f"INSERT INTO feed_line (id, last) VALUES (1, max({ids}))")  # noqa: S608
    op.execute(
        "CREATE TRIGGER status_history_end AFTER DELETE ON status_history"
        " WHEN OLD.id > (SELECT coalesce(max(id), 0) FROM status_history) BEGIN"
        " INSERT INTO status_history (id, firm_id, case_id, type, changed_at, changed_by)"
        r" VALUES (OLD.id, 0, 0, 0, '2000-01-01 00\:00\:00.000000', '');"
        " DELETE FROM status_history WHERE firm_id = 0 AND id < OLD.id;"
        " END"
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_in_line AFTER INSERT ON {table} BEGIN UPDATE feed_line SET last ="  # noqa: S608
            " max(last + 1, ((SELECT coalesce(max(id), 0) FROM status_history) << 28) + 1);"
            f" UPDATE {table} SET id = (SELECT last FROM feed_line) WHERE id = NEW.id;"
            " END"
        )
