"""Tables, and the indexes of all their rows; those of some rows are in indexes.py.

A change here comes with a migration; a test compares the two.
"""

from __future__ import annotations

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

from casedial.database.change_tables import LEFT as LEFT
from casedial.database.change_tables import LEFT_BY_UNDO as LEFT_BY_UNDO
from casedial.database.change_tables import change_cases as change_cases
from casedial.database.change_tables import changes as changes
from casedial.database.columns import Instant, RowID, actor_columns
from casedial.database.columns import metadata as metadata
from casedial.database.feed_tables import fact_changes as fact_changes
from casedial.database.feed_tables import feed_gone as feed_gone
from casedial.database.feed_tables import feed_line as feed_line
from casedial.database.figure_tables import figures as figures
from casedial.database.figure_tables import figures_place as figures_place
from casedial.database.finding_tables import case_names as case_names
from casedial.database.finding_tables import views as views
from casedial.database.import_tables import import_cases as import_cases
from casedial.database.import_tables import import_headers as import_headers
from casedial.database.import_tables import import_jobs as import_jobs
from casedial.database.import_tables import import_pieces as import_pieces
from casedial.database.refused_tables import refused_days as refused_days
from casedial.database.refused_tables import refused_reports as refused_reports
from casedial.database.user_tables import looks as looks
from casedial.database.user_tables import roles as roles
from casedial.database.user_tables import sessions as sessions
from casedial.database.user_tables import sign_in_tries as sign_in_tries
from casedial.database.user_tables import users as users
from casedial.database.webhook_tables import webhook_deliveries as webhook_deliveries
from casedial.database.webhook_tables import webhooks as webhooks

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
    Column("slug", Text),  # what it is called in addresses; null: an older casedial made it
    Column("second_factor", Boolean, nullable=False, server_default=sa.false()),  # whether its users need one
    Index("ix_firms_slug", "slug", unique=True),
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

TO_DIAL = sa.text("dialer_role = 1")
# In the place of its role a case that is To Dial may have this: no claim looks at it before ``held_back_until``. Every
# change of the case brings its role back, and an older casedial leaves it alone.
HELD_BACK_ROLE = 4
HELD_BACK = sa.text(f"dialer_role = {HELD_BACK_ROLE}")
IN_THE_DIALER = sa.text("dialer_role = 2")
UNCLAIMED = sa.text("dialer_role = 2 AND claim_id IS NULL")

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

REPORTED = sa.text("type = 2")  # Last Dialer Disposition
RAN_OUT = sa.text("reason_code = 1")

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
    Column("reason", Text),  # why, where nobody asked for it: words to read
    Column("reason_code", SmallInteger),  # and what to go by
    Column("reason_number", SmallInteger),  # which of its retries a policy made
    *actor_columns(),
    Index("ix_status_history_case", "firm_id", "case_id", "id"),
)

# Who changed which phone of a case, each as [name, number, primary, text]; null: there was none, or there is none now.
# Rows go with their case, whoever deletes it: an older casedial does not know of them.
phone_changes = sa.Table(
    "phone_changes",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("before", sa.JSON(none_as_null=True)),
    Column("after", sa.JSON(none_as_null=True)),
    *actor_columns(),
    sa.ForeignKeyConstraint(["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"], ondelete="CASCADE"),
    Index("ix_phone_changes_case", "firm_id", "case_id", "id"),
)

# Who changed the priority of a case that was there; kept, and gone, as its phone_changes are.
priority_changes = sa.Table(
    "priority_changes",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("before", SmallInteger, nullable=False),
    Column("after", SmallInteger, nullable=False),
    *actor_columns(),
    sa.ForeignKeyConstraint(["firm_id", "case_id"], ["cases.firm_id", "cases.case_id"], ondelete="CASCADE"),
    Index("ix_priority_changes_case", "firm_id", "case_id", "id"),
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
    *actor_columns(),
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
    Column("key_id", BigInteger),  # as actor_id, where a key opened it: a casedial before that one reads this
    Column("case_ids", sa.JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),  # as first promised; null: never
    Column("check_at", Instant),  # not after the end of the first lease that may still run out; null: none may
    Column("evidence", sa.JSON(none_as_null=True)),  # what let each case through, where calling rules were applied
    Column("seconds", Integer),  # of the lease that was asked for; null: the claim timeout
    *actor_columns(),
    Index("ix_claims_firm", "firm_id", "created_at"),
)

# What anybody who is no dialer at work changed. Rows are never changed, and each has the hash of the one before it in
# its firm's chain (0: of no firm); the head has that of the last one, and keeps two writers apart.
audit = sa.Table(
    "audit",
    metadata,
    Column("id", RowID, primary_key=True),
    Column("firm_id", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor_kind", SmallInteger, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("actor_id", BigInteger),  # of the key or the person
    Column("origin", Text, nullable=False),  # the machine, or the address
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", sa.JSON(none_as_null=True)),
    Column("after", sa.JSON(none_as_null=True)),
    Column("previous", sa.LargeBinary, nullable=False),
    Index("ix_audit_firm", "firm_id", "id"),
)
audit_heads = sa.Table(
    "audit_heads",
    metadata,
    Column("firm_id", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", sa.LargeBinary, nullable=False),
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
