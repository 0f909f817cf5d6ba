"""Reports: what came of the calls of some days, each as picture, table and file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from io import StringIO
from typing import Any

from casedial.console.answers import Answer, Download, Page
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.errors import PathNotFound
from casedial.domain.figures import NO_CAMPAIGN, By, Kind, monday_of
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.operations import figures
from casedial.service.operations.figures import Count, Figures
from casedial.wire.formulas import guarded

_DAYS = 30  # of who does not say
_MOST_DAYS = 366
_QUICK = (7, 30, 90, 365)
_SHADES = 5
_MOST_ROWS = 300  # of a table: a page stays small
_TRIES = 10  # attempts that are told apart; more are one
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NONE = "(none)"

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A report: what it is, its figures as rows of a table, and what its picture is drawn of."""

    key: str
    title: str
    told: str
    columns: Sequence[str]
    rows: Sequence[Row]
    picture: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for in the address."""

    since: date
    until: date
    campaign_id: int | None


def share(part: int, whole: int) -> float | None:
    """Return a part in percent, with one digit; None of nothing."""
    return round(100 * part / whole, 1) if whole else None


def _asked(visit: Visit, errors: FormErrors) -> Asked:
    """Read the days and the campaign; what makes no sense becomes a message, and the usual days are shown."""
    today = visit.now.astimezone(visit.firm.zone).date()
    until = _day(visit, "until", today, errors)
    since = _day(visit, "since", until - timedelta(days=_DAYS - 1), errors)
    if since > until:
        errors.add("since", "The first day is after the last one.")
    elif (until - since).days >= _MOST_DAYS:
        errors.add("since", f"These are more than {_MOST_DAYS} days: choose a later first day.")
    chosen = visit.query.text("campaign")
    known = {str(status.id) for status in visit.firm.statuses.of(StatusType.CAMPAIGN)} | {str(NO_CAMPAIGN), ""}
    if chosen not in known:
        errors.add("campaign", "The firm has no such campaign.")
    if errors:
        return Asked(today - timedelta(days=_DAYS - 1), today, None)
    return Asked(since, until, int(chosen) if chosen else None)


def _day(visit: Visit, name: str, usual: date, errors: FormErrors) -> date:
    text = visit.query.text(name)
    try:
        found = date.fromisoformat(text) if text else usual
    except ValueError:
        found = date.min
    if not 1970 < found.year < 9999:
        errors.add(name, "Write the day like 2026-05-31.")
        return usual
    return found


async def _found(visit: Visit, asked: Asked) -> Figures:
    firm = visit.firm.name
    return await figures.look(visit.store, visit.actor, firm, asked.since, asked.until, asked.campaign_id)


async def reports(visit: Visit) -> Answer:
    """Show all reports of some days."""
    errors = FormErrors()
    asked = _asked(visit, errors)
    found = await _found(visit, asked)
    today = visit.now.astimezone(visit.firm.zone).date()
    campaigns = visit.firm.statuses.of(StatusType.CAMPAIGN)
    values = {
        "asked": asked,
        "most_rows": _MOST_ROWS,
        "found": found,
        "reports": [make(found) for make in REPORTS.values()],
        "campaigns": [("", "All"), *((status.id, status.name) for status in campaigns), (NO_CAMPAIGN, "In none")],
        "quick": [(days, visit.here(since=today - timedelta(days=days - 1), until=today)) for days in _QUICK],
    }
    return Page("reports.html", values, errors)


async def report(visit: Visit) -> Answer:
    """Give one report as a file. Raises PathNotFound."""
    key, _, ending = visit.parameters["file"].rpartition(".")
    errors = FormErrors()
    asked = _asked(visit, errors)
    if key not in REPORTS or ending != "csv" or errors:
        raise PathNotFound("There is no such report: go back to the reports and choose the days there.")
    made = REPORTS[key](await _found(visit, asked))
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow(made.columns)
    rows.writerows([guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in made.rows)
    name = f"{key}-{asked.since}-{asked.until}.csv"
    return Download(name, "text/csv; charset=utf-8", text.getvalue().encode())


# The reports


def by_hour(found: Figures) -> Report:
    """Make the report of when people are reached: by hour and weekday."""
    counts: dict[int, Count] = {}
    for (hour, disposition), number in found.tally.hours.items():
        counts.setdefault(hour, Count()).add(found.count(disposition, number))
    called = {hour: count for hour, count in counts.items() if count.attempts}
    hours = [hour % 24 for hour in called]
    best = max((share(count.conversations, count.attempts) or 0 for count in called.values()), default=0)
    cells = {
        (hour // 24, hour % 24): (
            count,
            share(count.conversations, count.attempts),
            _shade(share(count.conversations, count.attempts) or 0, best),
        )
        for hour, count in called.items()
    }
    return Report(
        "hours",
        "Reached by hour and weekday",
        "Of all calls in an hour, how many reached somebody. An hour with few calls says little.",
        ("Weekday", "Hour", "Calls", "Reached", "Reached %"),
        [
            (WEEKDAYS[day], f"{hour:02}:00", count.attempts, count.conversations, reached)
            for (day, hour), (count, reached, _) in sorted(cells.items())
        ],
        {"cells": cells, "hours": list(range(min(hours), max(hours) + 1)) if hours else [], "weekdays": WEEKDAYS},
    )


def _shade(value: float, best: float) -> int:
    """Return how dark a cell is: 0 for nothing, the most for the best."""
    return 0 if not value else max(1, min(_SHADES, -int(-_SHADES * value // best)))


def by_week(found: Figures) -> Report:
    """Make the report of what dialers reported: by campaign and week."""
    order = {status.id: place for place, status in enumerate(found.firm.statuses.all)}
    weeks: dict[int, Counter[int]] = {}
    for (week, _, disposition), number in found.tally.weeks.items():
        weeks.setdefault(week, Counter())[disposition] += number
    kinds = sorted(  # what reached somebody first: it is what one looks for
        {id for counts in weeks.values() for id in counts},
        key=lambda id: (not found.count(id, 1).conversations, order.get(id, len(order))),
    )
    names = {id: found.disposition(id) or NONE for id in kinds}
    rows = sorted(found.tally.weeks.items(), key=lambda one: (one[0][0], order.get(one[0][1], -1), one[0][2]))
    columns = [(_label(week), [(counts[id], names[id]) for id in kinds]) for week, counts in sorted(weeks.items())]
    return Report(
        "dispositions",
        "Dispositions by campaign and week",
        "What dialers reported, in the campaign that the case was in then. Weeks begin on Monday.",
        ("Week of", "Campaign", "Disposition", "Reports"),
        [(_week(week), found.campaign(to) or NONE, names[id], number) for (week, to, id), number in rows],
        {"columns": columns, "series": list(names.values())},
    )


def _week(week: int) -> str:
    return monday_of(week).isoformat()


def _label(week: int) -> str:
    monday = monday_of(week)
    return f"{monday:%b} {monday.day}"


def tries(found: Figures) -> Report:
    """Make the report of how many attempts it took to reach somebody."""
    counts: Counter[int] = Counter()
    for (_, attempts), number in found.tally.tries.items():
        counts[min(attempts, _TRIES + 1)] += number
    total, so_far = sum(counts.values()), 0
    rows: list[Row] = []
    for attempts in range(1, max(counts, default=0) + 1):
        so_far += counts[attempts]
        name = str(attempts) if attempts <= _TRIES else f"more than {_TRIES}"
        rows.append((name, counts[attempts], share(counts[attempts], total), share(so_far, total)))
    return Report(
        "attempts",
        "Attempts to reach somebody",
        "At which call a case was reached for the first time since it came into its campaign.",
        ("Attempt", "Cases reached", "% of those reached", "% until then"),
        rows,
        {"bars": [(f"{row[0]}", row[1]) for row in rows], "word": "cases"},
    )


def by_age(found: Figures) -> Report:
    """Make the report of how far lists were worked through, by when their cases came in."""
    stays = found.tally.stays
    keys = sorted({(week, campaign) for _, week, campaign in stays})
    rows: list[Row] = []
    weeks: dict[int, Counter[Kind]] = {}
    for week, campaign in keys:
        entered, called, reached = (stays[kind, week, campaign] for kind in (Kind.ENTERED, Kind.CALLED, Kind.REACHED))
        age = max(0, (found.until - monday_of(week)).days // 7)
        told = entered, called, share(called, entered), reached, share(reached, entered)
        rows.append((_week(week), age, found.campaign(campaign) or NONE, *told))
        weeks.setdefault(week, Counter()).update(
            {Kind.REACHED: reached, Kind.CALLED: called - reached, Kind.ENTERED: entered - called}
        )
    words = {Kind.REACHED: "reached", Kind.CALLED: "called, not reached", Kind.ENTERED: "not called yet"}
    columns = [(_label(week), [(counts[kind], word) for kind, word in words.items()]) for week, counts in weeks.items()]
    return Report(
        "list",
        "Penetration and age of the list",
        "Of the cases that came into a campaign in these weeks: how many were called there by now, and reached.",
        ("Came in the week of", "Weeks old", "Campaign", "Cases", "Called", "Called %", "Reached", "Reached %"),
        rows,
        {"columns": columns, "series": list(words.values())},
    )


def by_vendor(found: Figures) -> Report:
    """Make the report of what each vendor's dialers reported."""
    rows: list[Row] = [
        (vendor, count.reports, count.attempts, count.conversations, share(count.conversations, count.attempts))
        for vendor, count in found.by(By.VENDOR).items()
    ]
    return Report(
        "vendors",
        "By vendor",
        "Reports of each vendor's dialers; calls are reports that say somebody was rung.",
        ("Vendor", "Reports", "Calls", "Reached", "Reached %"),
        rows,
        {"bars": [(f"{row[0]}", row[2]) for row in rows], "word": "calls"},
    )


REPORTS = {"hours": by_hour, "dispositions": by_week, "attempts": tries, "list": by_age, "vendors": by_vendor}
ROUTES = (
    Route("GET", "/{firm}/reports", reports, UserRole.VIEWER),
    Route("GET", "/{firm}/reports/{file}", report, UserRole.VIEWER),
)
