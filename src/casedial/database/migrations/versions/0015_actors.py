"""Who did something, by kind and id, and why, by a code. What older rows tell is read out of them."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_WHO = {"actor_kind": sa.SmallInteger, "actor_id": sa.Integer}
_WHY = {"reason_code": sa.SmallInteger, "reason_number": sa.SmallInteger}


def upgrade() -> None:
    for table, columns in {
        "status_history": _WHY | _WHO,
        "phone_changes": _WHO,
        "notes": _WHO,
        "claims": _WHO,
    }.items():
        there = columns_of(table)
        for name, kind in columns.items():
            if name not in there:
                op.add_column(table, sa.Column(name, kind))
        end_step()
