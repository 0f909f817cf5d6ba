"""The rules of dialing, without a database."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.actors import operator
from casedial.domain.cases import Case, Hold, Phone
from casedial.domain.claims import Taker
from casedial.domain.dialing import (
    Addressee,
    CaseUpdate,
    Move,
    OperatorChange,
    came_from,
    change,
    concerns,
    note_recipients,
    operate,
    periods,
    update,
)
from casedial.domain.errors import NotToDial, RetiredStatus, UnknownStatus
from casedial.domain.firms import Firm
from casedial.domain.statuses import STANDARD_STATUSES, Role, Status, Statuses, StatusType
from tests.domain.firm import ACME

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
LATER = NOW + timedelta(hours=4)
STATUSES = Statuses(
    [Status(number, kind, name, role) for number, (kind, name, role) in enumerate(STANDARD_STATUSES, start=1)]
    + [Status(90, StatusType.CAMPAIGN, "Intake"), Status(91, StatusType.DIALER, "Paused", retired=True)]
)
TAKER = Taker(UUID(int=1), NOW)
FIRM = Firm(1, "Lex", "America/Chicago", 100, STATUSES)


def a_case(role: Role = Role.TO_DIAL, **fields: object) -> Case:
    case = Case(7, statuses={StatusType.DIALER: STATUSES.with_role(role)}, dial_at=NOW - timedelta(days=1))
    return replace(case, **fields)  # type: ignore[arg-type]


def test_what_is_no_status_stays_as_it_was() -> None:
    """All of a case, whatever is added to it one day."""
    hold = Hold(UUID(int=1), NOW, NOW)
    phones = (Phone("Cell", "4025555759", True),)
    case = Case(7, "LIT 04", "Auto", True, date(2026, 1, 1), "68046", "Ann Lee", phones, {}, NOW, NOW, hold, 2)
    assert all(getattr(case, one.name) != one.default for one in fields(Case) if one.name != "statuses")
    statuses = a_case().statuses
    expected = replace(case, statuses=statuses, dial_at=LATER, changed_at=NOW, hold=None)
    assert case.standing(statuses, LATER, NOW, None) == expected


def test_reports_that_say_the_same_set_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are looked up once, whoever sends them; what is refused is refused again, at its own place."""
    said = CaseUpdate(7, status="to dial", attempts="1", disposition="BUSY")
    first, _ = update(FIRM, a_case(), said, ACME, NOW, TAKER)
    with monkeypatch.context() as patch:
        patch.setattr(Statuses, "find", None)
        assert update(FIRM, a_case(), said, ACME, NOW, TAKER)[0] == first
    for place in ("#/Cases/0", "#/Cases/1"):
        with pytest.raises(UnknownStatus) as refused:
            update(FIRM, a_case(), said._replace(status="Nope", pointer=place), ACME, NOW, TAKER)
        assert refused.value.fields[0].pointer == f"{place}/Status"


def test_an_item_with_a_case_id_only_changes_nothing() -> None:
    case = a_case()
    assert update(FIRM, case, CaseUpdate(7), ACME, NOW, TAKER) == (case, [])


@pytest.mark.parametrize(("next_call", "expected"), [(None, NOW), (LATER, LATER)])
@pytest.mark.parametrize("status", ["to DIAL ", "In the Dialer", "Do not dial"])
def test_a_status_brings_its_time_or_now(status: str, next_call: datetime | None, expected: datetime) -> None:
    after, [recorded] = update(FIRM, a_case(), CaseUpdate(7, status=status, next_call=next_call), ACME, NOW, TAKER)
    assert after.dial_at == recorded.dial_at == expected
    assert (recorded.changed_at, recorded.changed_by) == (NOW, "Acme")


def test_next_call_alone_moves_a_case_that_is_to_dial_and_no_other() -> None:
    after, [recorded] = update(FIRM, a_case(), CaseUpdate(7, next_call=LATER), ACME, NOW, TAKER)
    assert (after.role, after.dial_at, recorded.type) == (Role.TO_DIAL, LATER, StatusType.DIALER)
    for role in (Role.IN_THE_DIALER, Role.DO_NOT_DIAL):
        with pytest.raises(NotToDial) as refused:
            update(FIRM, a_case(role), CaseUpdate(7, next_call=LATER, pointer="#/Cases/3"), ACME, NOW, TAKER)
        assert refused.value.fields[0].pointer == "#/Cases/3/NextCall"


@pytest.mark.parametrize(
    ("item", "error", "pointer"),
    [
        (CaseUpdate(7, status="Nope"), UnknownStatus, "#/Status"),
        (CaseUpdate(7, status="To Dial", disposition="Nope"), UnknownStatus, "#/Disposition"),
        (CaseUpdate(7, status="To Dial", attempts="21"), UnknownStatus, "#/Attempts"),
        (CaseUpdate(7, status="paused"), RetiredStatus, "#/Status"),
    ],
)
def test_a_bad_field_is_named(item: CaseUpdate, error: type[Exception], pointer: str) -> None:
    with pytest.raises(error) as refused:
        update(FIRM, a_case(), item, ACME, NOW, TAKER)
    assert [bad.pointer for bad in refused.value.fields] == [pointer]  # type: ignore[attr-defined]


@given(st.lists(st.tuples(st.sampled_from(list(Role)), st.integers(-3600, 3600)), min_size=1, max_size=12))
def test_history_never_runs_backwards_and_has_no_holes(steps: list[tuple[Role, int]]) -> None:
    """Whatever the clocks of the servers that record it."""
    case, history = a_case(), []
    for role, seconds in steps:
        case, recorded = change(
            case, {StatusType.DIALER: STATUSES.with_role(role)}, NOW, "x", NOW + timedelta(seconds=seconds)
        )
        history += recorded
    times = [recorded.changed_at for recorded in history]
    assert times == sorted(times)
    lasted = periods(history)
    assert [period.until for period in lasted] == [*times[1:], None]
    assert case.changed_at == times[-1]


def test_clearing_a_status() -> None:
    after, [recorded] = change(a_case(), {StatusType.DIALER: None}, None, "x", NOW)
    assert (after.role, after.dial_at, recorded.status) == (None, None, None)


def test_a_note_goes_to_all_open_cases_or_else_to_all_closed_ones() -> None:
    opened, also, closed, ended = (Addressee(number, number > 2, None, None) for number in (1, 2, 3, 4))
    assert note_recipients([opened, closed, also]) == [1, 2]
    assert note_recipients([closed, ended]) == [3, 4]
    assert note_recipients([]) == []


def test_an_operator_does_not_take_a_case_out_of_the_dialer_by_to_dial() -> None:
    in_dialer, waiting = a_case(Role.IN_THE_DIALER), a_case()
    assert not concerns(OperatorChange(Move.TO_DIAL), in_dialer)
    assert concerns(OperatorChange(Move.TO_DIAL), waiting)
    assert concerns(OperatorChange(Move.BACK_FROM_DIALER), in_dialer)
    assert not concerns(OperatorChange(Move.BACK_FROM_DIALER), waiting)
    assert concerns(OperatorChange(Move.DO_NOT_DIAL), in_dialer)
    assert not concerns(OperatorChange(Move.DO_NOT_DIAL), a_case(Role.DO_NOT_DIAL))
    assert not concerns(OperatorChange(campaign=None), waiting)


def test_back_from_the_dialer_is_back_at_the_old_time() -> None:
    waiting = a_case(dial_at=LATER)
    case, history = update(FIRM, waiting, CaseUpdate(7, status="In the Dialer"), ACME, NOW, TAKER)
    assert case.hold == Hold(TAKER.claim_id, NOW + timedelta(days=1), LATER)
    after, _ = operate(FIRM, case, OperatorChange(Move.BACK_FROM_DIALER), operator("me"), NOW)
    assert (after.role, after.dial_at, after.hold) == (Role.TO_DIAL, LATER, None)
    after, _ = operate(FIRM, a_case(Role.IN_THE_DIALER), OperatorChange(Move.BACK_FROM_DIALER), operator("me"), NOW)
    assert after.dial_at == NOW
    _, first = change(a_case(), {StatusType.DIALER: STATUSES.with_role(Role.TO_DIAL)}, LATER, "x", NOW)
    assert came_from(first + history) == first[0]
    assert came_from(history) is None


def test_names_are_matched_trimmed_and_case_folded() -> None:
    statuses = Statuses([Status(1, StatusType.CAMPAIGN, "Große Straße")])
    assert statuses.find(StatusType.CAMPAIGN, "  GROSSE STRASSE ") is not None
    assert statuses.find(StatusType.DISPOSITION, "Große Straße") is None
