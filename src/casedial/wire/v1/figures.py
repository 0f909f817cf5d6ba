"""Figures of reports as JSON, and which are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

import msgspec

from casedial.domain.figures import By
from casedial.domain.firms import Firm
from casedial.domain.statuses import StatusType
from casedial.wire.documents import Parameters
from casedial.wire.v1.reading import status_of

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class ReportCount(msgspec.Struct, frozen=True):
    """How many reports dialers sent, how many say that somebody was called, and that somebody was spoken with."""

    Reports: int
    Calls: int
    Conversations: int


class ReportFigure(msgspec.Struct, frozen=True):
    """The reports of one disposition, campaign, vendor or hour of the day."""

    Name: str
    Reports: int
    Calls: int
    Conversations: int


class ReportFigures(msgspec.Struct, frozen=True):
    """Figures of the days from one to another, both included, by the firm's clock.

    Behind is how many rows of history are not counted yet: servers are at them.
    """

    From: str
    To: str
    TimeZone: str
    By: str
    Total: ReportCount
    Figures: list[ReportFigure]
    Behind: int


@dataclass(frozen=True, slots=True)
class FiguresQuery:
    """Of which days, by what, of which campaign; None is the usual, and every campaign."""

    since: date | None
    until: date | None
    by: By
    campaign_id: int | None


def figures_query(given: Parameters, firm: Firm) -> FiguresQuery:
    """Read which figures are asked for."""
    campaign = given.optional("Campaign", status_of(firm, StatusType.CAMPAIGN))
    return FiguresQuery(
        given.optional("From", _day),
        given.optional("To", _day),
        given.optional("By", _by) or By.DISPOSITION,
        campaign.id if campaign else None,
    )


def _day(value: object) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value) and "1970" < value[:4] < "9999":
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("is not a day of the calendar") from None
    raise ValueError("must be a day like 2026-05-31")


def _by(value: object) -> By:
    try:
        return By(str(value).strip().lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(By)}") from None
