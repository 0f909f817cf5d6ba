"""What dialers are shown of cases: written by parts, it is the same JSON as of the type that describes it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.cases import Case, Phone
from casedial.domain.firms import Firm
from casedial.domain.statuses import STANDARD_STATUSES, Status, Statuses, StatusType
from casedial.wire.replies import case_reply, encode
from casedial.wire.shown import CaseWriter, listed, writer_of

CAMPAIGNS = ('Intake "follow-up"', "Straße\\n", "\u2028")
STATUSES = Statuses(
    Status(number, kind, name, role)
    for number, (kind, name, role) in enumerate(
        [*STANDARD_STATUSES, *((StatusType.CAMPAIGN, name, None) for name in CAMPAIGNS)], 1
    )
)
ZONES = ("America/Chicago", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia", "UTC")
NUMBERS = ("4025550159", "(402) 555-0159", "402-555-0159 ext. 7", "+44 20 7946 0018", "402555", "4025550159/4025550160",
           "", "0255501590", "+1 402 555 0159", "402555015９")  # fmt: skip
NAMES = ("Cell", "Home Fax", "fax", "Halifax", 'Quote"d', "Büro", "")

phones = st.lists(
    st.builds(Phone, st.sampled_from(NAMES), st.sampled_from(NUMBERS), st.booleans(), st.booleans()), max_size=6
)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2079, 6, 6), timezones=st.just(UTC))


def status(kind: StatusType) -> st.SearchStrategy[Status | None]:
    return st.sampled_from([None, *STATUSES.of(kind)])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    held = {kind: found for kind in StatusType if (found := draw(status(kind)))}
    return Case(
        draw(st.integers(1, 2**63 - 1)),
        draw(st.sampled_from(["", "Open", 'a "b" \\ c', "\u00e4\u0001\u007f"])),
        zip_code=draw(st.sampled_from(["", "68046", "68046-1234", '"'])),
        phones=tuple(draw(phones)),
        statuses=held,
        dial_at=draw(st.one_of(st.none(), moments)),
    )


def firm(zone: str) -> Firm:
    return Firm(1, "Lex", zone, 5, STATUSES)


@given(st.sampled_from(ZONES), st.lists(cases(), max_size=4))
def test_it_is_what_the_type_says(zone: str, some: list[Case]) -> None:
    of = firm(zone)
    writer = CaseWriter(of)
    for _ in range(2):  # what was remembered is the same
        written = listed(writer.write(case.shown) for case in some)
        assert written == encode([case_reply(case, of.zone) for case in some])


def test_a_row_has_lists_for_phones() -> None:
    writer = CaseWriter(firm("UTC"))
    case = Case(7, phones=(Phone("Cell", "4025550159", True, False), Phone("Work", "+44 20 7946 0018")))
    stored = case.shown._replace(phones=[list(phone) for phone in case.phones])
    assert writer.write(stored) == writer.write(case.shown)


@pytest.mark.parametrize(
    "changed",
    [
        {"phones": "Jane Doe"},
        {"phones": [["Cell", "4025550159", True, False, 1]]},
        {"phones": [[1, "4025550159", True, False]]},
        {"phones": [["Cell", 4025550159, True, False]]},
        {"phones": None},
        {"dialer_id": 999},
        {"campaign_id": 999},
        {"disposition_id": 999},
        {"dial_at": "2026-05-06"},
        {"case_id": "7"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_not_written(changed: dict[str, Any]) -> None:
    writer = CaseWriter(firm("UTC"))
    case = Case(7, zip_code="1", dial_at=datetime(2026, 5, 6, tzinfo=UTC)).shown
    assert writer.write(case)
    with pytest.raises(Exception):  # noqa: B017, PT011  # whatever it is: the case is passed over
        writer.write(case._replace(**changed))


def test_another_version_of_a_firm_is_written_anew() -> None:
    before = firm("UTC")
    case = Case(7, statuses={StatusType.DIALER: STATUSES.all[0]}).shown
    assert b'"DialerStatus":"To Dial"' in writer_of(before).write(case)
    assert writer_of(before) is writer_of(before)
    renamed = Statuses(replace(one, name="Anrufen") if one is STATUSES.all[0] else one for one in STATUSES.all)
    assert b'"DialerStatus":"Anrufen"' in writer_of(replace(before, statuses=renamed)).write(case)


def test_hours_of_a_zone_change_where_they_do() -> None:
    """On both sides of each change of the clock, to the second."""
    of = firm("America/Chicago")
    writer = CaseWriter(of)
    change = datetime(2026, 3, 8, 8, tzinfo=UTC)
    for second in (-901, -900, -1, 0, 1, 899, 900):
        case = Case(1, dial_at=change + timedelta(seconds=second, microseconds=1))
        assert writer.write(case.shown) == encode(case_reply(case, of.zone))
