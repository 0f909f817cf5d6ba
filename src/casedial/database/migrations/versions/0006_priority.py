"""A case may have a priority: the indexes by which the next cases are found begin with it."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import add_index, columns_of, drop_index, end_step

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_FILTERS = {"": [], "_campaign": ["campaign_id"], "_group": ["case_group_folded"]}
_FILTERS["_campaign_group"] = ["campaign_id", "case_group_folded"]


def upgrade() -> None:
    for table, column in {
        "firms": sa.Column("priorities", sa.Text, nullable=False, server_default="5"),
        "cases": sa.Column("priority", sa.SmallInteger, nullable=False, server_default="5"),
    }.items():
        if column.name not in columns_of(table):
            op.add_column(table, column)
            end_step()
    for name, columns in _FILTERS.items():
        found_by = ["firm_id", *columns, "priority", "dial_at", "case_id"]
        add_index(f"ix_cases_queue{name}", "cases", found_by, "dialer_role = 1")
    for name in _FILTERS:
        drop_index(f"ix_cases_due{name}", "cases")
