"""What becomes of cases, collected."""

from __future__ import annotations

from dataclasses import replace

from casedial.domain.moves import Moves
from casedial.domain.statuses import Role, StatusType
from tests.domain.firm import BELL, NOW, a_case, changed, dialer


def test_several_moves_of_a_case_are_one_from_what_it_was_to_what_it_is() -> None:
    was = a_case()
    between, after = replace(was, zip_code="10001"), replace(was, zip_code="10002")
    first, second = (changed(StatusType.DIALER, dialer(Role.DO_NOT_DIAL), NOW, by) for by in (BELL, BELL))
    moves = Moves()
    moves.move(was, between, [first])
    moves.move(between, after, [second])
    assert (moves.changed, moves.added) == ([(was, after)], [])
    assert moves.cases == {7: after}
    assert moves.recorded == [first, second]


def test_a_case_that_is_new_stays_so_whatever_becomes_of_it() -> None:
    new = a_case()
    moves = Moves()
    moves.move(None, new)
    moves.move(new, replace(new, zip_code="10001"))
    assert (moves.changed, moves.added) == ([], [replace(new, zip_code="10001")])


def test_what_is_left_as_it_was_is_no_change() -> None:
    case, other = a_case(), replace(a_case(), case_id=8)
    moves = Moves()
    moves.move(case, case)
    moves.move(other, replace(other, zip_code="10001"))
    assert [after.case_id for _, after in moves.changed] == [8]
