"""Indexes of cases for what is answered and what came into the dialer without a claim."""

from casedial.database.migrating import add_index

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_cases_answered", "cases", ["firm_id", "case_id"], "answered_at IS NOT NULL")
    add_index("ix_cases_unclaimed", "cases", ["firm_id", "case_id"], "dialer_role = 2 AND claim_id IS NULL")
