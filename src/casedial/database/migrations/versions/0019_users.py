"""People who sign in to the console: users, roles, sessions; what a firm is called in addresses."""

import sqlalchemy as sa
from alembic import op

from casedial.database.migrating import columns_of, end_step
from casedial.domain.users import slug_of

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    there = columns_of("firms")
    if "slug" not in there:
        _add_to_firms()
        end_step()
    _name_firms()
    end_step()
    for table, make in {
        "users": _make_users,
        "roles": _make_roles,
        "sessions": _make_sessions,
        "sign_in_tries": _make_tries,
        "looks": _make_looks,
    }.items():
        if not columns_of(table):
            make()
            end_step()


def _add_to_firms() -> None:
    op.add_column("firms", sa.Column("slug", sa.Text))
    op.add_column("firms", sa.Column("second_factor", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_firms_slug", "firms", ["slug"], unique=True)


def _name_firms() -> None:
    """Give each firm that has none a name for addresses; one whose name makes none is called by its number."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, name, slug FROM firms ORDER BY id")).all()
    taken = {row.slug for row in rows if row.slug}
    for row in rows:
        wanted = slug_of(row.name)
        if row.slug or not wanted:
            continue
        slug = next(s for s in (wanted, *(f"{wanted}-{n}" for n in range(2, len(rows) + 3))) if s not in taken)
        taken.add(slug)
        connection.execute(sa.text("UPDATE firms SET slug = :slug WHERE id = :id"), {"slug": slug, "id": row.id})


def _make_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_folded", sa.Text, nullable=False),
        sa.Column("password", sa.Text),
        sa.Column("link_digest", sa.LargeBinary),
        sa.Column("link_until", _TIME),
        sa.Column("factor", sa.Text),
        sa.Column("factor_is_set", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("factor_step", sa.BigInteger),
        sa.Column("recovery", sa.JSON(none_as_null=True)),
        sa.Column("theme", sa.Text, nullable=False, server_default="system"),
        sa.Column("time_zone", sa.Text),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("seen_at", _TIME),
        sa.Column("disabled_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name_folded", name="uq_users_name_folded"),
        sa.UniqueConstraint("link_digest", name="uq_users_link_digest"),
    )


def _make_roles() -> None:
    op.create_table(
        "roles",
        sa.Column("user_id", _ROW_ID, nullable=False),
        sa.Column("firm_id", _ROW_ID, nullable=False),
        sa.Column("role", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "firm_id", name="pk_roles"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_roles_user_id"),
        sa.ForeignKeyConstraint(["firm_id"], ["firms.id"], name="fk_roles_firm_id"),
    )
    op.create_index("ix_roles_firm", "roles", ["firm_id"])


def _make_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("user_id", _ROW_ID, nullable=False),
        sa.Column("whole", sa.Boolean, nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("digest", name="uq_sessions_digest"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
    )
    op.create_index("ix_sessions_user", "sessions", ["user_id"])
    op.create_index("ix_sessions_used_at", "sessions", ["used_at"])


def _make_tries() -> None:
    op.create_table(
        "sign_in_tries",
        sa.Column("subject", sa.LargeBinary, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_sign_in_tries"),
    )
    op.create_index("ix_sign_in_tries_since", "sign_in_tries", ["since"])


def _make_looks() -> None:
    op.create_table(
        "looks",
        sa.Column("firm_id", sa.BigInteger, nullable=False),
        sa.Column("case_id", sa.BigInteger, nullable=False),
        sa.Column("user_id", sa.BigInteger, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("firm_id", "case_id", "user_id", name="pk_looks"),
    )
    op.create_index("ix_looks_at", "looks", ["at"])
