"""PostgreSQL vacuums the tables that claims change after some thousands of changes, not a fifth of all rows."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OFTEN = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000"
_SETTINGS = {
    # Dead entries at the head of the queue's indexes are what a claim would wade through.
    "cases": f"{_OFTEN}, autovacuum_analyze_scale_factor = 0.05",
    "idempotency": _OFTEN,
    "calls": _OFTEN,
    # Only added to, but for purge: what vacuum brings here is the visibility map.
    "status_history": "autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.1",
    "claims": _OFTEN,
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, settings in _SETTINGS.items():
            op.execute(f"ALTER TABLE {table} SET ({settings})")
