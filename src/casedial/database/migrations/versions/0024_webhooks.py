"""Webhooks: the endpoints of firms, and the messages that they do not have yet."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    for table, make in {"webhooks": _make_webhooks, "webhook_deliveries": _make_deliveries}.items():
        if not columns_of(table):
            make()
            end_step()


def _make_webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("firm_id", _ROW_ID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("kinds", sa.JSON(none_as_null=True)),
        sa.Column("cursor", sa.Text, nullable=False),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("old_secret", sa.LargeBinary),
        sa.Column("old_until", _TIME),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("disabled_at", _TIME),
        sa.Column("failing_since", _TIME),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
        sa.Column("error_at", _TIME),
        sa.Column("delivered_at", _TIME),
        sa.Column("delivered", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.ForeignKeyConstraint(["firm_id"], ["firms.id"], name="fk_webhooks_firm_id", ondelete="CASCADE"),
    )
    op.create_index("ix_webhooks_firm", "webhooks", ["firm_id"])


def _make_deliveries() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("webhook_id", _ROW_ID, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.Column("message", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("happened_at", _TIME, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("queued_at", _TIME, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", _TIME, nullable=False),
        sa.Column("tried_at", _TIME),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
        sa.Column("dead_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name="fk_webhook_deliveries_webhook_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_webhook_deliveries_case", "webhook_deliveries", ["webhook_id", "case_id", "id"])
    for name, columns, there in (
        ("waiting", ["webhook_id", "next_at", "id"], sa.text("dead_at IS NULL")),
        ("dead", ["dead_at"], sa.text("dead_at IS NOT NULL")),
    ):
        op.create_index(
            f"ix_webhook_deliveries_{name}",
            "webhook_deliveries",
            columns,
            postgresql_where=there,
            sqlite_where=there,
        )
