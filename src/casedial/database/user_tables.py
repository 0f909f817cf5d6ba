"""The tables of people who sign in to the console, and of their sessions."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, SmallInteger, Text

from casedial.database.columns import Instant, RowID, metadata

users = sa.Table(
    "users",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False, unique=True),
    Column("password", Text),  # argon2's own text; null: none was set yet
    # By which a password is set: the hash of what stands in its address, and until when.
    Column("link_digest", sa.LargeBinary, unique=True),
    Column("link_until", Instant),
    # The second factor: its secret, the last step of it that was used, and the hashes of unused recovery codes. One
    # that is being set up is not asked for.
    Column("factor", Text),
    Column("factor_is_set", Boolean, nullable=False, server_default=sa.false()),
    Column("factor_step", BigInteger),
    Column("recovery", sa.JSON(none_as_null=True)),
    Column("theme", Text, nullable=False, server_default="system"),
    Column("time_zone", Text),
    Column("made_at", Instant, nullable=False),
    Column("seen_at", Instant),
    Column("disabled_at", Instant),
)

# What a user may do in a firm.
roles = sa.Table(
    "roles",
    metadata,
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("firm_id", ForeignKey("firms.id"), nullable=False),
    Column("role", SmallInteger, nullable=False),
    sa.PrimaryKeyConstraint("user_id", "firm_id"),
    Index("ix_roles_firm", "firm_id"),
)

# Browsers that are signed in; the token of each is known to that browser alone.
sessions = sa.Table(
    "sessions",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("digest", sa.LargeBinary, nullable=False, unique=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("whole", Boolean, nullable=False),  # false: the second factor is missing
    Column("made_at", Instant, nullable=False),
    Column("used_at", Instant, nullable=False),
    Column("origin", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Index("ix_sessions_user", "user_id"),
    Index("ix_sessions_used_at", "used_at"),
)

# Who looked at which case within the hour: what tells whether a look is to be noted in the audit.
looks = sa.Table(
    "looks",
    metadata,
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    sa.PrimaryKeyConstraint("firm_id", "case_id", "user_id"),
    Index("ix_looks_at", "at"),
)

# How often somebody failed to sign in, by what was tried and from where, in the span of time that goes on.
sign_in_tries = sa.Table(
    "sign_in_tries",
    metadata,
    Column("subject", sa.LargeBinary, primary_key=True),  # a hash: of a name that was typed, or of an address
    Column("since", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Index("ix_sign_in_tries_since", "since"),
)
