"""Whether a case may be called, in one sentence: what it says, and by whose clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from casedial.domain.calling import Check, PhoneVerdict, Verdict
from casedial.domain.cases import Case, Hold, Phone
from casedial.domain.firms import Firm
from casedial.domain.places import Place
from casedial.domain.sentences import moment, sentence
from casedial.domain.statuses import Role, Status, Statuses, StatusType

NOW = datetime(2026, 11, 28, 21, 0, tzinfo=UTC)  # a Saturday, 15:00 in Chicago
FIRM = Firm(1, "Lex", "America/Chicago", 10, Statuses([]))
TEXAS = Place(frozenset({"TX"}), frozenset({"America/Chicago"}))


def case(role: Role | None = Role.TO_DIAL, **facts: Any) -> Case:
    names = {Role.TO_DIAL: "To Dial", Role.IN_THE_DIALER: "In the Dialer", Role.DO_NOT_DIAL: "Do not Dial"}
    statuses = {StatusType.DIALER: Status(1, StatusType.DIALER, names[role], role)} if role else {}
    statuses[StatusType.CAMPAIGN] = Status(2, StatusType.CAMPAIGN, "Intake")
    return Case(7, statuses=statuses, dial_at=facts.pop("dial_at", NOW - timedelta(days=1)), **facts)


def verdict(failed: str = "", next_at: datetime | None = None, *phones: PhoneVerdict) -> Verdict:
    return Verdict(not failed, (Check(failed, False, ""),) if failed else (), phones, next_at)


def phone(**facts: Any) -> PhoneVerdict:
    return PhoneVerdict(Phone("Cell", "2145550100"), False, place=TEXAS, **facts)


MONDAY = datetime(2026, 11, 30, 14, 0, tzinfo=UTC)
HOLD = Hold(uuid4(), NOW + timedelta(minutes=30), None)


@pytest.mark.parametrize(
    ("what", "found", "words"),
    [
        (case(), verdict(), "May be called now."),
        (
            case(),
            verdict("hours", MONDAY, phone(next_at=MONDAY)),
            "Not before Mon 08:00 (TX, calling hours).",
        ),
        (
            case(dial_at=MONDAY),
            verdict("due", MONDAY, phone(next_at=MONDAY)),
            "Not before Mon 08:00 (its time to be dialed).",
        ),
        (case(), verdict("campaign"), "May not be called: the campaign Intake is paused."),
        (case(), verdict("phones"), "May not be called: it has no number that may be dialed."),
        (case(), verdict("do not call"), "May not be called: on the do-not-call list."),
        (
            case(),
            verdict("in use", None, phone(used_by=9)),
            "May not be called: case 9 with the same number is being dialed.",
        ),
        (case(Role.DO_NOT_DIAL), verdict("dialer status"), "Not to be called: its Dialer Status is Do not Dial."),
        (case(None), verdict("dialer status"), "Not to be called: it has no status."),
        (
            case(Role.IN_THE_DIALER, hold=HOLD),
            verdict("dialer status"),
            "In the dialer of Acme until 15:30 at the latest.",
        ),
    ],
)
def test_what_it_says(what: Case, found: Verdict, words: str) -> None:
    assert sentence(FIRM, what, found, NOW, "Acme" if what.hold else None) == words


def test_moments_are_as_short_as_is_clear() -> None:
    assert moment(FIRM, NOW + timedelta(minutes=5), NOW) == "15:05"
    assert moment(FIRM, NOW + timedelta(days=2), NOW) == "Mon 15:00"
    assert moment(FIRM, NOW + timedelta(days=30), NOW) == "Dec 28 15:00"
    assert moment(FIRM, NOW + timedelta(days=60), NOW) == "Jan 27 2027 15:00"
