"""Figures of reports: how many calls, and what came of them."""

from __future__ import annotations

from datetime import timedelta

from casedial.database.engine import Store
from casedial.domain.errors import FieldError, InvalidParameter, UnknownStatus
from casedial.domain.figures import By
from casedial.domain.keys import Scope
from casedial.service.operations import figures
from casedial.service.replies import Reply
from casedial.web.v1.calls import Call, Work, done
from casedial.web.v1.routing import Described, Route, Schema
from casedial.wire.v1.figures import ReportCount, ReportFigure, ReportFigures, figures_query

MOST_DAYS = 366
_DAYS = 30  # of who does not say


def _count(call: Call) -> Work:
    asked = figures_query(call.query, call.firm)
    until = asked.until or call.now.astimezone(call.firm.zone).date()
    since = asked.since or until - timedelta(days=_DAYS - 1)
    if since > until or (until - since).days >= MOST_DAYS:
        detail = "is after To" if since > until else f"is more than {MOST_DAYS} days before the end"
        call.query.refuse(InvalidParameter(f"From {detail}.", [FieldError("#/From", detail)]))

    async def work(store: Store) -> Reply:
        found = await figures.look(store, call.actor, call.firm.name, since, until, asked.campaign_id)
        total = found.total
        counts = [
            ReportFigure(name, count.reports, count.attempts, count.conversations)
            for name, count in found.by(asked.by).items()
        ]
        return done(
            ReportFigures(
                since.isoformat(),
                until.isoformat(),
                found.firm.time_zone,
                asked.by,
                ReportCount(total.reports, total.attempts, total.conversations),
                counts,
                found.behind,
            )
        )

    return Work(work)


_DAY: Schema = {"type": "string", "format": "date"}
_EXAMPLE: Schema = {
    "From": "2026-11-01",
    "To": "2026-11-24",
    "TimeZone": "America/Chicago",
    "By": "disposition",
    "Total": {"Reports": 1204, "Calls": 1180, "Conversations": 310},
    "Figures": [
        {"Name": "Never Dialed", "Reports": 24, "Calls": 0, "Conversations": 0},
        {"Name": "No Answer", "Reports": 870, "Calls": 870, "Conversations": 0},
        {"Name": "Successful", "Reports": 310, "Calls": 310, "Conversations": 310},
    ],
    "Behind": 0,
}
ROUTES = (
    Route(
        "GET",
        "/v1/figures",
        "CountReports",
        (Scope.MANAGE,),
        _count,
        Described(
            "Counts what dialers reported in some days",
            ReportFigures,
            _EXAMPLE,
            query={
                "From": {**_DAY, "description": f"The first day, by the firm's clock. Absent: {_DAYS} days in all."},
                "To": {**_DAY, "description": "The last day, which counts, too. Absent: today."},
                "By": {"type": "string", "enum": list(By), "default": By.DISPOSITION.value},
                "Campaign": {"type": "string", "description": "Only reports of cases that were in this campaign."},
            },
            errors=(UnknownStatus,),
            detail=f"At most {MOST_DAYS} days. A call is a report whose disposition says that somebody was called.",
        ),
    ),
)
