"""Duties of one server at a time; and claims are looked at before the leases that were given an end since."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OVERDUE = """
WITH ends AS (
  SELECT claim_id, min(held_until) AS ends_at FROM cases
   WHERE dialer_role = 2 AND claim_id IS NOT NULL AND held_until IS NOT NULL GROUP BY claim_id
)
UPDATE claims SET check_at = (SELECT ends_at FROM ends WHERE ends.claim_id = claims.id)
 WHERE id IN (SELECT ends.claim_id FROM ends JOIN claims AS late ON late.id = ends.claim_id
               WHERE late.check_at IS NULL OR late.check_at > ends.ends_at)
"""


def upgrade() -> None:
    if not columns_of("duties"):
        op.create_table(
            "duties",
            sa.Column("name", sa.Text, nullable=False),
            sa.Column("holder", sa.Uuid, nullable=False),
            sa.Column("until", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("name", name="pk_duties"),
        )
        end_step()
    op.execute(_OVERDUE)
