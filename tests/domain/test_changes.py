"""What is stored of a change says the same when it is read again, and a case goes back to exactly what it was."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from casedial.domain.actors import operator
from casedial.domain.cases import Case, Hold
from casedial.domain.changes import Before, Counts, put_back
from casedial.domain.dialing import CaseFilter, Move, OperatorChange, change
from casedial.domain.orders import read_order, written_order
from casedial.domain.reasons import undo_of
from casedial.domain.statuses import Role, StatusType
from tests.domain.firm import FIRM

NOW = datetime(2026, 11, 23, 15, 0, 0, 123_456, tzinfo=UTC)
ME = operator("me")
TO_DIAL = FIRM.statuses.with_role(Role.TO_DIAL)
IN_THE_DIALER = FIRM.statuses.with_role(Role.IN_THE_DIALER)
DO_NOT_DIAL = FIRM.statuses.with_role(Role.DO_NOT_DIAL)
HOLD = Hold(UUID(int=7), NOW + timedelta(hours=1), NOW - timedelta(days=1))


def test_what_was_wanted_is_read_as_it_was_written_but_nothing_of_a_person() -> None:
    wanted = OperatorChange(Move.TO_DIAL, NOW, None, 3)
    which = CaseFilter((1, 2), "to dial", None, "busy", "Mass Tort", NOW, "4025550101", "Quill", True, "Acme")
    written = json.loads(json.dumps(written_order(FIRM, wanted, which)))
    assert "Quill" not in str(written)
    assert "4025550101" not in str(written)
    state = replace(which, case_ids=None, number=None, name=None, dialer_status="To Dial", disposition="Busy")
    assert read_order(FIRM, written) == (wanted, state)


CASES = {
    "to dial": Case(1, statuses={StatusType.DIALER: TO_DIAL}, dial_at=NOW, priority=2),
    "without a status": Case(1),
    "held": Case(1, statuses={StatusType.DIALER: IN_THE_DIALER}, dial_at=NOW, hold=HOLD),
    "held for ever": Case(
        1, statuses={StatusType.DIALER: IN_THE_DIALER}, dial_at=NOW, hold=Hold(UUID(int=8), None, None, NOW)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_is_put_back(name: str) -> None:
    case = CASES[name]
    before = Before.read(json.loads(json.dumps(Before.of(case).written())))
    assert before == Before.of(case)
    after, _ = change(replace(case, priority=9), {StatusType.DIALER: DO_NOT_DIAL}, NOW, ME, NOW)
    back, recorded = put_back(FIRM, after, before, ME, NOW, undo_of(4))
    assert replace(back, changed_at=None) == case
    assert [(row.type, row.reason) for row in recorded] == [(StatusType.DIALER, "undo of change 4")]


def test_counts_add_up() -> None:
    counts = Counts(cases=3, from_the_dialer=1, in_the_dialer=2, do_not_call=1, unchanged=4)
    counts.add(Counts(cases=1, gone=5))
    assert (counts.of_all(has_move=True), counts.of_all(has_move=False), counts.changed(True)) == (16, 15, 5)
