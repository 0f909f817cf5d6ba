"""What a reply says, and how names and times are compared."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from casedial_client.conformance.judging import Fails
from casedial_client.conformance.wire import Exchange, whole

Case = dict[str, Any]


def cases_of(exchange: Exchange) -> list[Case]:
    """Return the cases of a reply to GetCasesToDial. Raises Fails where it is no list of objects."""
    document = exchange.document
    if not exchange.is_done or not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        raise Fails("a list of cases, which may be empty", exchange)
    return document


def ids(cases: list[Case]) -> list[int]:
    """Return the CaseIDs of cases, in their order."""
    return [number for case in cases if (number := whole(case.get("CaseID")))]


def folded(name: Any) -> str:
    """Return a name as it is compared: the published text itself writes Do not Dial and Do not dial."""
    return str(name or "").strip().casefold()


def written(at: datetime) -> str:
    """Return a time as it is on the wire."""
    return at.isoformat(timespec="seconds")


def is_one_moment(at: datetime, zone: tzinfo | None) -> bool:
    """Tell whether a local time is one moment: none that clocks leave out, or show twice, when they change."""
    first, second = (at.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    return first == second


def shown_time(case: Case) -> str:
    """Return the date/time of a case, without what may follow the seconds."""
    return str(case.get("DialDateTime") or "")[:19]


def accepted(exchange: Exchange, *case_ids: int) -> None:
    """Raise Fails unless a write succeeded, for each of these cases where the reply tells."""
    results = exchange.results
    if not exchange.is_done or (results is not None and not all(results.get(case_id) for case_id in case_ids)):
        raise Fails("a success", exchange)
