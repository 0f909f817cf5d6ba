"""Tables and indexes. A change here comes with a migration; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
)

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC instant: ``timestamptz`` in PostgreSQL, sortable text in SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> Any:
        """Bring an instant to UTC; SQLite's type drops the zone by itself."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give back an aware instant."""
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


# SQLite numbers rows by itself only in a column that is exactly INTEGER.
RowID = BigInteger().with_variant(Integer, "sqlite")

firms = sa.Table(
    "firms",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False, unique=True),
    Column("time_zone", Text, nullable=False),
    Column("default_records", Integer, nullable=False),
    # Grows with every change of the firm or its statuses, so that a server's cached copy is known to be stale.
    Column("version", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("claim_timeout", Integer, nullable=False, server_default="86400"),  # seconds; 0: claims never run out
    Column("retention_days", Integer),  # how long purge keeps what is over; null: for ever
    Column("min_gap", Integer, nullable=False, server_default="900"),  # seconds between two calls of one number
    Column("priorities", Text, nullable=False, server_default="5"),  # all that its cases ever had, in order
)

keys = sa.Table(
    "keys",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", ForeignKey("firms.id"), nullable=False),
    Column("vendor", Text, nullable=False),
    Column("digest", sa.LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
    Column("scopes", Text, nullable=False, server_default="dial update note read"),
    Column("campaigns", sa.JSON(none_as_null=True)),  # ids of the statuses it is limited to; null: all
    Column("addresses", sa.JSON(none_as_null=True)),  # networks it may call from; null: any
    Column("expires_at", Instant),
    Column("rate_limit", Integer),  # requests a minute
)

# How often a key that has a rate limit was used in the minute that goes on.
key_minutes = sa.Table(
    "key_minutes",
    metadata,
    Column("key_id", ForeignKey("keys.id"), primary_key=True, autoincrement=False),
    Column("minute", BigInteger, nullable=False),  # since 1970
    Column("requests", Integer, nullable=False),
)

statuses = sa.Table(
    "statuses",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", ForeignKey("firms.id"), nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("role", SmallInteger),
    Column("retired", Boolean, nullable=False),
    Column("flags", Text),  # of a disposition; null: written by a casedial that knew none
    sa.UniqueConstraint("firm_id", "type", "name_folded"),
    sa.UniqueConstraint("firm_id", "role"),
    CheckConstraint("role IS NULL OR (type = 1 AND NOT retired)", name="role_kept"),
)

# What a firm decided for one campaign; a campaign without a row goes by the firm's own.
campaigns = sa.Table(
    "campaigns",
    metadata,
    Column("status_id", ForeignKey("statuses.id"), primary_key=True, autoincrement=False),
    Column("claim_timeout", Integer),
    Column("purpose", Text, nullable=False, server_default="none"),
    Column("paused", Boolean, nullable=False, server_default=sa.false()),
    Column("hours", sa.JSON(none_as_null=True)),
    Column("limits", sa.JSON(none_as_null=True)),  # [[calls, seconds, whether conversations only], …]
    Column("retries", sa.JSON(none_as_null=True)),  # by the id of a disposition: [seconds, how often]
    Column("abroad", Boolean, nullable=False, server_default=sa.false()),  # whether it calls other countries
)

# Numbers and cases that a firm must not call; a row has one of the two. A number is stored as it is compared, here and
# below: ten digits of the US, or all of one abroad behind a +.
do_not_call = sa.Table(
    "do_not_call",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", ForeignKey("firms.id"), nullable=False),
    Column("number", Text),
    Column("case_id", BigInteger),
    Column("listed_on", Date, nullable=False),
    Column("source", Text, nullable=False),
    sa.UniqueConstraint("firm_id", "number", name="uq_do_not_call_number"),
    sa.UniqueConstraint("firm_id", "case_id", name="uq_do_not_call_case_id"),
    CheckConstraint("(number IS NULL) <> (case_id IS NULL)", name="one_of_two"),
)

# Attempts to reach somebody, one row for each number that was handed out for it; kept as long as any limit looks back.
calls = sa.Table(
    "calls",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("number", Text, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("called_at", Instant, nullable=False),
    Column("conversation", Boolean, nullable=False),
    Index("ix_calls_number", "firm_id", "number", "called_at"),
    Index("ix_calls_case", "firm_id", "case_id", "called_at"),
    Index("ix_calls_called_at", "called_at"),
)

# States to which nobody may call for a while, whatever the firm.
bans = sa.Table(
    "bans",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("state", Text, nullable=False),  # "": all
    Column("until", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("lifted_at", Instant),
)

# What an operator decided in place of a row of the rules, or of where the table of places says a ZIP code is. One is in
# force for each subject; those that are over stay, as the record of what was decided.
overrides = sa.Table(
    "overrides",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("subject", Text, nullable=False),  # "LA solicitation", "federal debt", "ZIP 09001"
    Column("content", Text, nullable=False),  # JSON as text: it is read beside the bans, in one query
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("lifted_at", Instant),
)

cases = sa.Table(
    "cases",
    metadata,
    Column("firm_id", BigInteger().with_variant(Integer, "sqlite"), ForeignKey("firms.id"), nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("case_status", Text, nullable=False),
    Column("case_group", Text, nullable=False),
    Column("case_group_folded", Text, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("closed_on", Date),
    Column("zip_code", Text, nullable=False),
    Column("plaintiff", Text, nullable=False),
    # [[name, number, primary, text], …] in the order of entry: read whole, with the case. What finds a case by
    # number is phone_numbers.
    Column("phones", sa.JSON, nullable=False),
    Column("dialer_status_id", BigInteger),
    Column("dialer_role", SmallInteger),  # of that status; here because a partial index needs a constant
    Column("dial_at", Instant),
    Column("campaign_id", BigInteger),
    Column("disposition_id", BigInteger),
    Column("attempts_id", BigInteger),
    Column("changed_at", Instant),
    # The hold of a case that is In the Dialer; all null otherwise.
    Column("claim_id", sa.Uuid),
    Column("held_until", Instant),  # null: it does not run out
    Column("redial_at", Instant),  # the dial time it goes back to
    Column("answered_at", Instant),
    Column("held_back_until", Instant),  # until when no calling rule allows a call; null: not held back
    Column("priority", SmallInteger, nullable=False, server_default="5"),  # 1 is dialed first
    sa.PrimaryKeyConstraint("firm_id", "case_id"),
    CheckConstraint("dialer_role <> 1 OR dial_at IS NOT NULL", name="to_dial_has_time"),
)

# Where to look for the next cases to dial, one index for each set of filters; a look is for one priority.
TO_DIAL = sa.text("dialer_role = 1")
for _name, _columns in {
    "ix_cases_queue": (),
    "ix_cases_queue_campaign": ("campaign_id",),
    "ix_cases_queue_group": ("case_group_folded",),
    "ix_cases_queue_campaign_group": ("campaign_id", "case_group_folded"),
}.items():
    Index(
        _name,
        *(cases.c[column] for column in ("firm_id", *_columns, "priority", "dial_at", "case_id")),
        postgresql_where=TO_DIAL,
        sqlite_where=TO_DIAL,
    )

# In the place of its role a case that is To Dial may have this: no claim looks at it before ``held_back_until``. Every
# change of the case brings its role back, and an older casedial leaves it alone.
HELD_BACK_ROLE = 4
HELD_BACK = sa.text(f"dialer_role = {HELD_BACK_ROLE}")
Index(
    "ix_cases_held_back",
    *(cases.c[column] for column in ("held_back_until", "dial_at", "firm_id", "case_id")),
    postgresql_where=HELD_BACK,
    sqlite_where=HELD_BACK,
)

# The answered, which no lease returns, and those that came into the dialer without a claim (written by an older
# casedial or by hand): both few, so that these indexes cost next to nothing.
UNCLAIMED = sa.text("dialer_role = 2 AND claim_id IS NULL")
for _name, _where in {
    "ix_cases_answered": sa.text("answered_at IS NOT NULL"),
    "ix_cases_unclaimed": UNCLAIMED,
}.items():
    Index(_name, cases.c.firm_id, cases.c.case_id, postgresql_where=_where, sqlite_where=_where)

phone_numbers = sa.Table(
    "phone_numbers",
    metadata,
    Column("firm_id", BigInteger, nullable=False),
    Column("number", Text, nullable=False),  # not that of a fax
    Column("case_id", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("firm_id", "number", "case_id"),
    sa.ForeignKeyConstraint(["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"]),
    Index("ix_phone_numbers_case", "firm_id", "case_id"),
)

# Append-only: one row for each change; a status lasts until the next row of its type. Written only in the
# transaction that holds the case, so a foreign key would check on every claim what cannot be otherwise.
status_history = sa.Table(
    "status_history",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("type", SmallInteger, nullable=False),
    Column("status_id", BigInteger),
    Column("dial_at", Instant),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("claim_id", sa.Uuid),  # the claim that this change opened, or under which it was made
    Column("reason", Text),  # why, where nobody asked for it
    Index("ix_status_history_case", "firm_id", "case_id", "id"),
)

notes = sa.Table(
    "notes",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    sa.ForeignKeyConstraint(["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"]),
    Index("ix_notes_case", "firm_id", "case_id", "id"),
)

# One row for each opening of a claim. Who holds a case now stands on the case; here is what was promised, and when.
claims = sa.Table(
    "claims",
    metadata,
    Column("id", sa.Uuid, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("key_id", BigInteger),  # null: not by a key but by an import
    Column("case_ids", sa.JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),  # as first promised; null: never
    Column("check_at", Instant),  # not after the end of the first lease that may still run out; null: none may
    Column("evidence", sa.JSON(none_as_null=True)),  # what let each case through, where calling rules were applied
    Column("seconds", Integer),  # of the lease that was asked for; null: the claim timeout
    Index(
        "ix_claims_check",
        "check_at",
        postgresql_where=sa.text("check_at IS NOT NULL"),
        sqlite_where=sa.text("check_at IS NOT NULL"),
    ),
)

# What one server of the database does at a time, until when nobody else takes it.
duties = sa.Table(
    "duties",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", sa.Uuid, nullable=False),
    Column("until", Instant, nullable=False),
)

# Warnings of doctor that an administrator knows, until the end of a day (UTC).
acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    Column("mark", Text, primary_key=True),  # tells one warning from all others
    Column("until", Date, nullable=False),
    Column("reason", Text, nullable=False),
)

# Replies to writes that were sent with an Idempotency-Key, to be given again.
idempotency = sa.Table(
    "idempotency",
    metadata,
    Column("key_id", BigInteger, nullable=False),
    Column("digest", sa.LargeBinary, nullable=False),  # of the Idempotency-Key
    Column("fingerprint", sa.LargeBinary, nullable=False),  # of the request
    Column("created_at", Instant, nullable=False),
    Column("status", SmallInteger),  # null with headers and body only until the transaction ends
    Column("headers", sa.JSON(none_as_null=True)),
    Column("body", sa.LargeBinary),
    sa.PrimaryKeyConstraint("key_id", "digest"),
    Index("ix_idempotency_created_at", "created_at"),
)

# Reports that were refused, the last hundred of each firm: what a dialer's vendor has to mend.
refused_reports = sa.Table(
    "refused_reports",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("key_id", BigInteger, nullable=False),
    Column("case_id", BigInteger),  # null: which case could not be read, or all of a request was refused
    Column("code", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("value", Text, nullable=False),  # what was sent in that field, cut; never a phone
    Column("refused_at", Instant, nullable=False),
    Index("ix_refused_reports_firm", "firm_id", "id"),
)

# How many there were, by key and code, on a day in the firm's zone; kept for a month.
refused_days = sa.Table(
    "refused_days",
    metadata,
    Column("firm_id", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("key_id", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("reports", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("firm_id", "day", "key_id", "code"),
)
