"""Return values: the fields of a case, as the two published examples show them, in the replies of both methods.

A text may be empty or null, since the published text does not say what a case without one looks like; a field may not
be missing. What a server adds is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from casedial_client.conformance.judging import Fails, NotTried, check
from casedial_client.conformance.reading import Case, ids
from casedial_client.conformance.trial import Trial
from casedial_client.conformance.wire import Exchange

SECTION = "Return values"
_SEEN = 3
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?", re.ASCII)


@check(SECTION, "a-list-is-returned")
def case_id_is_a_number(trial: Trial) -> None:
    """CaseID is a number."""
    _each(trial, "CaseID as a number", lambda case: _is_number(case.get("CaseID")))


@check(SECTION, "a-list-is-returned")
def phones_are_as_shown(trial: Trial) -> None:
    """Phones is a list; each has PhoneName and Phone as text, Primary and Text as true or false."""
    _each(trial, "Phones as in the example", lambda case: _are_phones(case.get("Phones")))


@check(SECTION, "a-list-is-returned")
def texts_are_text(trial: Trial) -> None:
    """CaseStatus, DialerStatus, Campaign and ZipCode are text."""
    names = ("CaseStatus", "DialerStatus", "Campaign", "ZipCode")
    _each(trial, f"{', '.join(names)} as text", lambda case: all(_is_text(case, name) for name in names))


@check(SECTION, "a-list-is-returned")
def attempts_are_text(trial: Trial) -> None:
    """Attempts is the count as text."""
    _each(trial, "Attempts as text", lambda case: _is_text(case, "Attempts"))


@check(SECTION, "a-list-is-returned")
def dial_date_time_is_local(trial: Trial) -> None:
    """DialDateTime is written 2020-07-28T23:02:00, without a time zone."""
    _each(trial, "DialDateTime without a zone", lambda case: _is_text(case, "DialDateTime") and _is_time(case))


def _each(trial: Trial, expected: str, is_right: Callable[[Case], bool]) -> None:
    looked_at = False
    for exchange, cases in _seen(trial):
        for case in cases:
            looked_at = True
            if not is_right(case):
                raise Fails(f"{expected}; case {case.get('CaseID')} differs", exchange)
    if not looked_at:
        raise NotTried("no case is due that could be looked at: with --write some are made so")


def _seen(trial: Trial) -> list[tuple[Exchange, list[Case]]]:
    """Return cases as both methods show them."""
    if trial.lent.is_ready:
        trial.lent.only_due(trial.lent.one())
    listed = trial.ask()
    document = listed.document if isinstance(listed.document, list) else []
    cases = [case for case in document if isinstance(case, dict)]
    found = [(listed, cases)]
    for case_id in (trial.wanted.case_ids or ids(cases))[:_SEEN]:
        told = trial.wire.call("GetCaseInfo", {"CaseID": case_id})
        found.append((told, [told.document] if told.is_done and isinstance(told.document, dict) else []))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(case: Case, name: str) -> bool:
    return name in case and (case[name] is None or isinstance(case[name], str))


def _is_time(case: Case) -> bool:
    return not case["DialDateTime"] or _TIME.fullmatch(case["DialDateTime"]) is not None


def _are_phones(phones: Any) -> bool:
    return isinstance(phones, list) and all(
        isinstance(phone, dict)
        and _is_text(phone, "PhoneName")
        and _is_text(phone, "Phone")
        and all(isinstance(phone.get(name), bool) for name in ("Primary", "Text"))
        for phone in phones
    )
