"""Claims, leases, replayed replies; settings of keys, campaigns and firms that go with them."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_instant = sa.DateTime(timezone=True)
_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    for table, columns in {
        "firms": (
            sa.Column("claim_timeout", sa.Integer, nullable=False, server_default="86400"),
            sa.Column("retention_days", sa.Integer),
        ),
        "keys": (
            sa.Column("scopes", sa.Text, nullable=False, server_default="dial update note read"),
            sa.Column("campaigns", sa.JSON),
            sa.Column("addresses", sa.JSON),
            sa.Column("expires_at", _instant),
            sa.Column("rate_limit", sa.Integer),
        ),
        "cases": (
            sa.Column("claim_id", sa.Uuid),
            sa.Column("held_until", _instant),
            sa.Column("redial_at", _instant),
            sa.Column("answered_at", _instant),
        ),
        "status_history": (sa.Column("claim_id", sa.Uuid), sa.Column("reason", sa.Text)),
    }.items():
        if columns[0].name not in columns_of(table):
            for column in columns:
                op.add_column(table, column)
            end_step()
    for table, make in {
        "key_minutes": _make_key_minutes,
        "campaigns": _make_campaigns,
        "claims": _make_claims,
        "idempotency": _make_idempotency,
    }.items():
        if not columns_of(table):
            make()
            end_step()


def _make_key_minutes() -> None:
    op.create_table(
        "key_minutes",
        sa.Column("key_id", _id, nullable=False, autoincrement=False),
        sa.Column("minute", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_key_minutes"),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_key_minutes_key_id"),
    )


def _make_campaigns() -> None:
    op.create_table(
        "campaigns",
        sa.Column("status_id", _id, nullable=False, autoincrement=False),
        sa.Column("claim_timeout", sa.Integer),
        sa.PrimaryKeyConstraint("status_id", name="pk_campaigns"),
        sa.ForeignKeyConstraint(["status_id"], ["statuses.id"], name="fk_campaigns_status_id"),
    )


def _make_claims() -> None:
    op.create_table(
        "claims",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("vendor", sa.Text, nullable=False),
        sa.Column("key_id", sa.BigInteger),
        sa.Column("case_ids", sa.JSON, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("expires_at", _instant),
        sa.Column("check_at", _instant),
        sa.PrimaryKeyConstraint("id", name="pk_claims"),
    )
    to_check = sa.text("check_at IS NOT NULL")
    op.create_index("ix_claims_check", "claims", ["check_at"], postgresql_where=to_check, sqlite_where=to_check)


def _make_idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("key_id", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("headers", sa.JSON),
        sa.Column("body", sa.LargeBinary),
        sa.PrimaryKeyConstraint("key_id", "digest", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])
