"""The tables of webhooks: the endpoints of a firm, and the messages that they do not have yet."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Text

from casedial.database.columns import Instant, RowID, metadata

webhooks = sa.Table(
    "webhooks",
    metadata,
    Column("id", RowID, primary_key=True),
    # An older casedial, which knows of no webhooks, removes firms, too.
    Column("firm_id", ForeignKey("firms.id", ondelete="CASCADE"), nullable=False),
    Column("url", Text, nullable=False),
    Column("kinds", sa.JSON(none_as_null=True)),  # the types of events that it wants; null: all
    Column("cursor", Text, nullable=False),  # the place in the feed up to which there are deliveries
    Column("secret", sa.LargeBinary, nullable=False),
    Column("old_secret", sa.LargeBinary),  # signs, too, until:
    Column("old_until", Instant),
    Column("made_at", Instant, nullable=False),
    Column("disabled_at", Instant),  # when it said that it is gone
    Column("failing_since", Instant),  # null: the last try did not fail
    Column("error", Text, nullable=False, server_default=""),  # of the last try that failed
    Column("error_at", Instant),
    Column("delivered_at", Instant),  # for the last time
    Column("delivered", BigInteger, nullable=False, server_default="0"),
    Index("ix_webhooks_firm", "firm_id"),
)

# What an endpoint does not have yet: a row goes when it is delivered, and with its case. The feed has it all, still.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    Column("id", RowID, primary_key=True),  # in the order of the feed, for each endpoint
    Column("webhook_id", ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("firm_id", BigInteger, nullable=False),
    Column("case_id", BigInteger, nullable=False),  # 0: of no case
    Column("message", sa.Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("happened_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Column("queued_at", Instant, nullable=False),  # begins the day in which it is tried
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("tried_at", Instant),
    Column("error", Text, nullable=False, server_default=""),
    Column("dead_at", Instant),  # when it was laid aside; null: it waits
    Index("ix_webhook_deliveries_case", "webhook_id", "case_id", "id"),
)
