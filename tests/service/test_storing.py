"""What becomes of cases is stored in one place."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import casedial
from casedial.domain.actors import operator
from casedial.domain.cases import Note
from casedial.domain.moves import Moves
from casedial.domain.reasons import ReasonCode
from casedial.domain.statuses import Role, StatusType
from casedial.service import storing
from casedial.service.firms import open_firm
from tests.conftest import NOW, Office
from tests.service.test_do_not_call import add as list_number

WRITES = re.compile(r"\b(cases|claims|notes|phone_changes)\.(add|save|record)\(")


def test_nobody_else_writes_what_becomes_of_cases() -> None:
    """Or the next thing that has to know of every change would miss some."""
    src = Path(casedial.__file__).parent
    writing = {
        str(file.relative_to(src))
        for room in ("service", "cli", "web")
        for file in (src / room).rglob("*.py")
        if WRITES.search(file.read_text())
    }
    assert writing - {"service/operations/sample_past.py"} == {"service/storing.py"}  # which makes a past up, whole


async def test_it_keeps_off_who_must_not_be_called_and_stores_all_the_rest(office: Office) -> None:
    cases = [await office.add(n, dialer="Do not Dial") for n in (1, 2)]
    await list_number(office, "4025550001")
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name)
        moves = Moves(notes=[Note(2, "n", operator("me"), NOW)])
        to_dial = firm.statuses.with_role(Role.TO_DIAL)
        for case in cases:
            moves.move(case, replace(case, statuses={**case.statuses, StatusType.DIALER: to_dial}))
        await storing.store(tx, firm, moves, NOW)
    assert [await office.role(n) for n in (1, 2)] == [Role.DO_NOT_DIAL, Role.TO_DIAL]
    [kept_off] = await office.changes(1)
    assert kept_off.reason_code is ReasonCode.ON_THE_LIST
    assert await office.changes(2) == []
    assert [note.text for note in await office.notes(2)] == ["n"]
