"""Indexes of some rows of a table.

They stand apart from the tables, for only who makes tables needs them: to read their conditions SQLAlchemy imports
what it knows of both databases. Who makes tables takes ``metadata`` from here.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Index

from casedial.database.columns import metadata
from casedial.database.tables import (
    HELD_BACK,
    IN_THE_DIALER,
    LEFT,
    LEFT_BY_UNDO,
    RAN_OUT,
    REPORTED,
    TO_DIAL,
    UNCLAIMED,
    cases,
    change_cases,
    changes,
    claims,
    import_jobs,
    status_history,
    webhook_deliveries,
)

__all__ = ["metadata"]

# Where to look for the next cases to dial, one index for each set of filters; a look is for one priority.
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

Index(
    "ix_cases_held_back",
    *(cases.c[column] for column in ("held_back_until", "dial_at", "firm_id", "case_id")),
    postgresql_where=HELD_BACK,
    sqlite_where=HELD_BACK,
)

# The answered, which no lease returns, and those that came into the dialer without a claim (written by an older
# casedial or by hand): both few, so that these indexes cost next to nothing.
for _name, _where in {
    "ix_cases_answered": sa.text("answered_at IS NOT NULL"),
    "ix_cases_unclaimed": UNCLAIMED,
}.items():
    Index(_name, cases.c.firm_id, cases.c.case_id, postgresql_where=_where, sqlite_where=_where)

# What a firm has In the Dialer and held back, campaign by campaign: to be counted and found, for who looks on.
for _name, _columns, _where in (
    ("ix_cases_dialing", ("firm_id", "campaign_id", "case_id"), IN_THE_DIALER),
    ("ix_cases_kept_back", ("firm_id", "campaign_id", "held_back_until", "case_id"), HELD_BACK),
):
    Index(_name, *(cases.c[column] for column in _columns), postgresql_where=_where, sqlite_where=_where)

_CHECKED = sa.text("check_at IS NOT NULL")
Index("ix_claims_check", claims.c.check_at, postgresql_where=_CHECKED, sqlite_where=_CHECKED)

# What dialers reported in a span of time, and nothing else: claims write no row of it.
Index(
    "ix_status_history_reported",
    *(status_history.c[column] for column in ("firm_id", "changed_at", "id")),
    postgresql_where=REPORTED,
    sqlite_where=REPORTED,
)

# Claims that ran out in a span of time.
Index(
    "ix_status_history_ran_out",
    *(status_history.c[column] for column in ("firm_id", "changed_at")),
    postgresql_where=RAN_OUT,
    sqlite_where=RAN_OUT,
)

# The cases that a change of many left, or its undo: few of all that were meant, and named where it is shown.
for _column, _where in (("outcome", LEFT), ("undo_outcome", LEFT_BY_UNDO)):
    _left = (change_cases.c[name] for name in ("change_id", _column, "case_id"))
    Index(f"ix_change_cases_{_column}", *_left, postgresql_where=_where, sqlite_where=_where)

# Changes of many cases and imports on which there is work, and those whose cases go some day: few among all that ever
# were.
for _table in (changes, import_jobs):
    for _name in ("worked_until", "keep_until"):
        _there = sa.text(f"{_name} IS NOT NULL")
        Index(f"ix_{_table.name}_{_name}", _table.c[_name], postgresql_where=_there, sqlite_where=_there)

# Messages that wait for their next try, and those that were laid aside.
for _name, _columns, _where in (
    ("ix_webhook_deliveries_waiting", ("webhook_id", "next_at", "id"), sa.text("dead_at IS NULL")),
    ("ix_webhook_deliveries_dead", ("dead_at",), sa.text("dead_at IS NOT NULL")),
):
    Index(
        _name,
        *(webhook_deliveries.c[column] for column in _columns),
        postgresql_where=_where,
        sqlite_where=_where,
    )
