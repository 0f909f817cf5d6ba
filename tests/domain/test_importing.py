"""What a row of a file does to a case: what it brings, what it leaves, and what it clears."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.actors import IMPORT
from casedial.domain.cases import NO_PHONE, PRIORITY, Case, Hold, Phone
from casedial.domain.claims import Taker
from casedial.domain.importing import (
    BadRow,
    CaseRow,
    NewCases,
    find_status,
    first_history,
    kept_phones,
    merge_facts,
    merge_statuses,
    numbers_brought,
)
from casedial.domain.statuses import Role, Status, Statuses, StatusType
from tests.domain.firm import CLAIM, DAY, FIRM, HOUR, INTAKE, NOW, OTHER_CLAIM, STATUSES, a_case, dialer, disposition

TAKER = Taker(OTHER_CLAIM, NOW)
CELL, WORK = Phone("Cell", "4025550101", primary=True), Phone("Work", "4025550102")


def merged(case: Case, is_new: bool = False, **row: Any) -> tuple[Case, list[tuple[StatusType, str | None]]]:
    """The case with the statuses of a row, and the history of that."""
    after, history = merge_statuses(FIRM, case, CaseRow(7, **row), is_new, NOW, TAKER)
    assert {(row.changed_by, row.changed_at) for row in history} <= {(IMPORT.name, NOW)}
    return after, [(row.type, row.status.name if row.status else None) for row in history]


def test_what_a_row_does_not_bring_stays() -> None:
    case = a_case(plaintiff="Ann", zip_code="10001", phones=(CELL,), closed=True, closed_on=date(2026, 1, 2))
    assert merge_facts(case, CaseRow(7)) == case
    assert merge_facts(case, CaseRow(7, {"plaintiff": ""})) == replace(case, plaintiff="")
    assert merge_statuses(FIRM, case, CaseRow(7), False, NOW, TAKER) == (case, [])


@pytest.mark.parametrize(
    ("given", "closed", "closed_on"),
    [
        ((True, None), True, date(2026, 1, 2)),
        ((True, date(2026, 3, 4)), True, date(2026, 3, 4)),
        ((False, None), False, None),
    ],
)
def test_closed_keeps_the_date_that_is_known(
    given: tuple[bool, date | None], closed: bool, closed_on: date | None
) -> None:
    after = merge_facts(a_case(closed=True, closed_on=date(2026, 1, 2)), CaseRow(7, closed=given))
    assert (after.closed, after.closed_on) == (closed, closed_on)


@pytest.mark.parametrize(
    ("row", "phones"),
    [
        (CaseRow(7, phone_cells={0: {"number": "4025550109"}}), (CELL._replace(number="4025550109"), WORK)),
        (CaseRow(7, phone_cells={0: {"number": ""}}), (NO_PHONE, WORK)),
        (CaseRow(7, phone_cells={1: {"number": ""}}), (CELL,)),
        (CaseRow(7, phone_cells={0: NO_PHONE, 1: NO_PHONE}), ()),
        (CaseRow(7, phone_cells={3: {"number": "9"}}), (CELL, WORK, NO_PHONE, Phone(number="9"))),
        (CaseRow(7, phone_cells={1: CELL}), (CELL, CELL)),
        (CaseRow(7, phones=(WORK,)), (WORK,)),
        (CaseRow(7, phones=()), ()),
    ],
)
def test_a_phone_is_found_by_its_position(row: CaseRow, phones: tuple[Phone, ...]) -> None:
    assert merge_facts(a_case(phones=(CELL, WORK)), row).phones == phones


phone_lists = st.lists(st.builds(Phone, st.sampled_from(("", "Cell")), st.sampled_from(("", "1", "2"))), max_size=6)


@given(phone_lists)
def test_kept_phones_stay_where_they_are_and_end_with_a_number(phones: list[Phone]) -> None:
    kept = kept_phones(phones)
    assert kept_phones(kept) == kept
    assert [at for at, phone in enumerate(kept) if phone.number] == [at for at, p in enumerate(phones) if p.number]
    assert not kept or kept[-1].number
    assert all(phone == phones[at] if phone.number else phone == NO_PHONE for at, phone in enumerate(kept))


def test_the_numbers_that_a_row_brings() -> None:
    fax = Phone("Fax", "4025550103")
    assert list(numbers_brought(CaseRow(7, phones=(CELL, fax, NO_PHONE, WORK)))) == [
        (0, "4025550101"),
        (3, "4025550102"),
    ]
    two = {2: {"number": "(402) 555-0104; (402) 555-0105"}, 0: CELL}
    assert list(numbers_brought(CaseRow(7, phone_cells=two))) == [
        (2, "(402) 555-0104"),
        (2, "(402) 555-0105"),
        (0, "4025550101"),
    ]
    assert list(numbers_brought(CaseRow(7, phone_cells={0: {"name": "Cell"}}))) == []


@pytest.mark.parametrize(("kind", "name"), [(StatusType.ATTEMPTS, "007"), (StatusType.ATTEMPTS, "7")])
def test_an_attempts_count_is_found_with_zeros_before_it(kind: StatusType, name: str) -> None:
    assert find_status(FIRM, kind, name) == STATUSES.named(StatusType.ATTEMPTS, "7")


def test_zeros_are_nothing_before_another_name() -> None:
    firm = replace(FIRM, statuses=Statuses([*STATUSES.all, Status(99, StatusType.CAMPAIGN, "7")]))
    assert find_status(firm, StatusType.CAMPAIGN, "007") is None
    assert find_status(FIRM, StatusType.ATTEMPTS, "99") is None
    assert find_status(FIRM, StatusType.ATTEMPTS, "٧") is None


@pytest.mark.parametrize(
    ("kind", "name", "column", "reason"),
    [
        (StatusType.CAMPAIGN, "Nope", "Campaign", "'Nope' is not one of the firm's Campaign Status names"),
        (
            StatusType.DISPOSITION,
            "NoAnswer",
            "Disposition",
            "'NoAnswer' is not one of the firm's Last Dialer Disposition names; did you mean 'No Answer'?",
        ),
        (StatusType.DIALER, "paused", "DialerStatus", "'Paused' is retired"),
        (StatusType.ATTEMPTS, "21", "Attempts", "'21' is not one of the firm's Attempts Status names"),
    ],
)
def test_a_status_that_cannot_be_set_names_its_column(kind: StatusType, name: str, column: str, reason: str) -> None:
    with pytest.raises(BadRow) as refused:
        merged(a_case(), statuses={kind: name})
    assert (refused.value.column, refused.value.reason) == (column, reason)


def test_a_retired_status_that_the_case_has_is_no_error() -> None:
    case = a_case(None, statuses={StatusType.DIALER: STATUSES.named(StatusType.DIALER, "Paused")})
    assert merged(case, statuses={StatusType.DIALER: "PAUSED"}) == (case, [])


def test_an_empty_cell_clears_a_status_and_a_name_sets_it() -> None:
    case = a_case(statuses={StatusType.DIALER: dialer(Role.TO_DIAL), StatusType.CAMPAIGN: INTAKE})
    after, history = merged(case, statuses={StatusType.CAMPAIGN: None, StatusType.DISPOSITION: "busy"})
    assert after.statuses == {StatusType.DIALER: dialer(Role.TO_DIAL), StatusType.DISPOSITION: disposition("Busy")}
    assert history == [(StatusType.DISPOSITION, "Busy"), (StatusType.CAMPAIGN, None)]
    assert after.dial_at == case.dial_at


@pytest.mark.parametrize(
    ("role", "had", "is_new", "row", "dial_at"),
    [
        (Role.DO_NOT_DIAL, NOW - DAY, False, {"statuses": {StatusType.DIALER: "To Dial"}}, NOW),
        (Role.TO_DIAL, NOW - DAY, False, {"statuses": {StatusType.DIALER: "Do not Dial"}}, NOW),
        (None, None, True, {"statuses": {StatusType.DIALER: "Do not Dial"}}, None),
        (None, None, True, {"statuses": {StatusType.DIALER: "To Dial"}}, NOW),
        (Role.TO_DIAL, NOW - DAY, False, {"brings_dial_at": True, "dial_at": NOW + DAY}, NOW + DAY),
        (Role.TO_DIAL, NOW - DAY, False, {"brings_dial_at": True}, NOW),
        (Role.DO_NOT_DIAL, NOW - DAY, False, {"brings_dial_at": True}, None),
        (None, NOW - DAY, False, {"statuses": {StatusType.DIALER: None}}, NOW - DAY),
    ],
)
def test_which_dial_time_a_row_leaves(
    role: Role | None, had: datetime | None, is_new: bool, row: dict[str, Any], dial_at: datetime | None
) -> None:
    assert merged(a_case(role, dial_at=had), is_new, **row)[0].dial_at == dial_at


def test_a_time_of_the_repeated_hour_stays_which_of_the_two_it_is() -> None:
    first, second = datetime(2026, 11, 1, 6, 30, tzinfo=UTC), datetime(2026, 11, 1, 7, 30, 12, 7, tzinfo=UTC)
    case = a_case(dial_at=second)  # 01:30 in Chicago, for the second time
    assert merged(case, brings_dial_at=True, dial_at=first.replace(second=12)) == (case, [])
    assert merged(case, brings_dial_at=True, dial_at=first)[0].dial_at == first


def test_a_row_that_says_in_the_dialer_opens_a_claim_and_one_that_says_it_again_does_not() -> None:
    row: dict[str, Any] = {"statuses": {StatusType.DIALER: "In the Dialer"}}
    assert merged(a_case(), **row)[0].hold == Hold(OTHER_CLAIM, NOW + DAY, NOW - DAY)
    assert merged(a_case(Role.DO_NOT_DIAL), **row)[0].hold == Hold(OTHER_CLAIM, NOW + DAY, None)
    assert merged(a_case(None, dial_at=None), True, **row)[0].hold == Hold(OTHER_CLAIM, NOW + DAY, NOW)
    assert merged(a_case(None, dial_at=NOW + DAY), **row)[0].hold == Hold(OTHER_CLAIM, NOW + DAY, NOW)
    held = a_case(Role.IN_THE_DIALER, hold=Hold(CLAIM, NOW + HOUR, NOW - DAY))
    assert merged(held, **row) == (held, [])


def test_the_history_of_a_new_case_begins_with_what_it_has() -> None:
    statuses = {StatusType.DIALER: dialer(Role.TO_DIAL), StatusType.CAMPAIGN: INTAKE}
    rows = first_history(Case(7, statuses=statuses, dial_at=NOW + DAY, changed_at=NOW))
    assert [(row.type, row.dial_at, row.changed_at, row.changed_by) for row in rows] == [
        (StatusType.DIALER, NOW + DAY, NOW, IMPORT.name),
        (StatusType.CAMPAIGN, None, NOW, IMPORT.name),
    ]
    [time_only] = first_history(Case(7, dial_at=NOW + DAY, changed_at=NOW))
    assert (time_only.type, time_only.status, time_only.dial_at) == (StatusType.DIALER, None, NOW + DAY)
    assert first_history(Case(7)) == []


names = st.fixed_dictionaries(
    {},
    optional={
        StatusType.DIALER: st.sampled_from((None, "To Dial", " do NOT dial", "In the Dialer", "Paused", "Nope")),
        StatusType.CAMPAIGN: st.sampled_from((None, "", "intake", "Nope")),
        StatusType.ATTEMPTS: st.sampled_from((None, "3", "003", "99")),
        StatusType.DISPOSITION: st.sampled_from((None, "Busy")),
    },
)
cells = st.dictionaries(
    st.integers(0, 4),
    st.one_of(
        st.builds(Phone, st.sampled_from(("", "Cell")), st.sampled_from(("", "4025550101"))),
        st.fixed_dictionaries({}, optional={"number": st.sampled_from(("", "1")), "name": st.just("Cell")}),
    ),
)
rows = st.builds(
    CaseRow,
    st.just(7),
    st.fixed_dictionaries({}, optional={"plaintiff": st.just("Ann"), "priority": st.integers(1, 9)}),
    st.none() | st.tuples(st.booleans(), st.none() | st.just(date(2026, 1, 2))),
    names,
    st.just(True),
    st.none() | st.just(NOW + DAY),
    cells,
    st.none() | phone_lists.map(kept_phones),
)


@given(rows)
def test_a_new_case_is_what_the_merges_make_of_nothing(row: CaseRow) -> None:
    """The quick way and the careful one agree; what opens a claim or is wrong is left to the careful one."""
    made = NewCases(FIRM, NOW).make(row)
    try:
        slow, history = merge_statuses(FIRM, merge_facts(Case(7), row), row, True, NOW, TAKER)
    except BadRow:
        assert made is None
    else:
        assert made == (None if slow.role is Role.IN_THE_DIALER else slow)
        assert made is None or first_history(made) == history


def test_what_a_new_case_begins_with_is_worked_out_for_each_set_of_statuses() -> None:
    new = NewCases(FIRM, NOW)
    busy, answering = ({StatusType.DISPOSITION: name} for name in ("Busy", "Answering Machine"))
    made = [new.make(CaseRow(case_id, statuses=names)) for case_id, names in ((1, busy), (2, answering), (3, busy))]
    assert [case.statuses for case in made if case] == [
        {StatusType.DISPOSITION: disposition(name)} for name in ("Busy", "Answering Machine", "Busy")
    ]
    plain = new.make(CaseRow(4))
    assert plain == Case(4, priority=PRIORITY)
