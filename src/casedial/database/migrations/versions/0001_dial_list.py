"""The dial list: firms, keys, statuses, cases, phone numbers, history and notes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_instant = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "firms",
        sa.Column("id", _id, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_folded", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("default_records", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_firms"),
        sa.UniqueConstraint("name_folded", name="uq_firms_name_folded"),
    )
    op.create_table(
        "keys",
        sa.Column("id", _id, nullable=False),
        sa.Column("firm_id", _id, nullable=False),
        sa.Column("vendor", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.Column("last_used_at", _instant),
        sa.Column("revoked_at", _instant),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.ForeignKeyConstraint(["firm_id"], ["firms.id"], name="fk_keys_firm_id"),
        sa.UniqueConstraint("digest", name="uq_keys_digest"),
    )
    op.create_table(
        "statuses",
        sa.Column("id", _id, nullable=False),
        sa.Column("firm_id", _id, nullable=False),
        sa.Column("type", sa.SmallInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_folded", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("role", sa.SmallInteger),
        sa.Column("retired", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_statuses"),
        sa.ForeignKeyConstraint(["firm_id"], ["firms.id"], name="fk_statuses_firm_id"),
        sa.UniqueConstraint("firm_id", "type", "name_folded", name="uq_statuses_firm_id_type_name_folded"),
        sa.UniqueConstraint("firm_id", "role", name="uq_statuses_firm_id_role"),
        sa.CheckConstraint("role IS NULL OR (type = 1 AND NOT retired)", name=op.f("ck_statuses_role_kept")),
    )
    op.create_table(
        "cases",
        sa.Column("firm_id", _id, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.Column("case_status", sa.Text, nullable=False),
        sa.Column("case_group", sa.Text, nullable=False),
        sa.Column("case_group_folded", sa.Text, nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False),
        sa.Column("closed_on", sa.Date),
        sa.Column("zip_code", sa.Text, nullable=False),
        sa.Column("plaintiff", sa.Text, nullable=False),
        sa.Column("phones", sa.JSON, nullable=False),
        sa.Column("dialer_status_id", sa.BigInteger),
        sa.Column("dialer_role", sa.SmallInteger),
        sa.Column("dial_at", _instant),
        sa.Column("campaign_id", sa.BigInteger),
        sa.Column("disposition_id", sa.BigInteger),
        sa.Column("attempts_id", sa.BigInteger),
        sa.Column("changed_at", _instant),
        sa.PrimaryKeyConstraint("firm_id", "case_id", name="pk_cases"),
        sa.ForeignKeyConstraint(["firm_id"], ["firms.id"], name="fk_cases_firm_id"),
        sa.CheckConstraint("dialer_role <> 1 OR dial_at IS NOT NULL", name=op.f("ck_cases_to_dial_has_time")),
    )
    to_dial = sa.text("dialer_role = 1")
    for name, columns in (
        ("ix_cases_due", ["firm_id", "dial_at", "case_id"]),
        ("ix_cases_due_campaign", ["firm_id", "campaign_id", "dial_at", "case_id"]),
        ("ix_cases_due_group", ["firm_id", "case_group_folded", "dial_at", "case_id"]),
        ("ix_cases_due_campaign_group", ["firm_id", "campaign_id", "case_group_folded", "dial_at", "case_id"]),
    ):
        op.create_index(name, "cases", columns, postgresql_where=to_dial, sqlite_where=to_dial)
    op.create_table(
        "phone_numbers",
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("firm_id", "number", "case_id", name="pk_phone_numbers"),
        sa.ForeignKeyConstraint(
            ["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"], name="fk_phone_numbers_firm_id_case_id"
        ),
    )
    op.create_index("ix_phone_numbers_case", "phone_numbers", ["firm_id", "case_id"])
    op.create_table(
        "status_history",
        sa.Column("id", _id, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.Column("type", sa.SmallInteger, nullable=False),
        sa.Column("status_id", sa.BigInteger),
        sa.Column("dial_at", _instant),
        sa.Column("changed_at", _instant, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_status_history"),
    )
    op.create_index("ix_status_history_case", "status_history", ["firm_id", "case_id", "id"])
    op.create_table(
        "notes",
        sa.Column("id", _id, nullable=False),
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("created_at", _instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
        sa.ForeignKeyConstraint(
            ["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"], name="fk_notes_firm_id_case_id"
        ),
    )
    op.create_index("ix_notes_case", "notes", ["firm_id", "case_id", "id"])
