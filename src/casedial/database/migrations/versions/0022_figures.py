"""What was counted of the history, by quarters of an hour, and how far. Servers count what is there already."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_FIRM_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    for table, make in {"figures": _make_figures, "figures_place": _make_place}.items():
        if not columns_of(table):
            make()
            end_step()


def _make_figures() -> None:
    op.create_table(
        "figures",
        sa.Column("firm_id", _FIRM_ID, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("campaign_id", sa.BigInteger, nullable=False),
        sa.Column("detail", sa.BigInteger, nullable=False),
        sa.Column("vendor", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("firm_id", "kind", "slot", "campaign_id", "detail", "vendor", name="pk_figures"),
        sa.ForeignKeyConstraint(["firm_id"], ["firms.id"], name="fk_figures_firm_id", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )


def _make_place() -> None:
    op.create_table(
        "figures_place",
        sa.Column("id", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("history_id", sa.BigInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_figures_place"),
    )
    op.execute("INSERT INTO figures_place (id, history_id, version) VALUES (1, 0, 0)")
