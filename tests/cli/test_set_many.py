"""casedial cases set on many cases: what it says beforehand is what happens, and it never ends half-way unsaid."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.tables import cases as cases_table
from casedial.domain.cases import Case
from casedial.domain.errors import StorageUnavailable
from casedial.domain.statuses import Role, StatusType
from casedial.service.firms import open_firm
from casedial.service.operations import changes, working
from casedial.service.statuses import add_statuses
from casedial.storage import cases
from tests.cli.test_commands import Casedial
from tests.conftest import NOW, Office
from tests.servers import CASEDIAL
from tests.waiting import until

FIRM = ("--firm", "Lex & Partners")


async def some_of_each(office: Office) -> None:
    """1 and 2 wait, 3 is Do not Dial, 4 and 5 are In the Dialer, 6 and 7 are to be listed."""
    for case_id, dialer in enumerate(["To Dial", "To Dial", "Do not Dial", *["In the Dialer"] * 2, "To Dial"], 1):
        await office.add(case_id, dialer=dialer)
    await office.add(7, dialer="In the Dialer")


WANTED: dict[str, tuple[tuple[object, ...], dict[str, int]]] = {
    "to dial": (
        ("--to-dial",),
        {"cases": 3, "from_the_dialer": 0, "in_the_dialer": 3, "do_not_call": 1, "unchanged": 0},
    ),
    "do not dial": (
        ("--do-not-dial",),
        {"cases": 6, "from_the_dialer": 3, "in_the_dialer": 0, "do_not_call": 0, "unchanged": 1},
    ),
    "back from the dialer": (
        ("--back-from-dialer",),
        {"cases": 2, "from_the_dialer": 2, "in_the_dialer": 0, "do_not_call": 1, "unchanged": 4},
    ),
    "priority": (
        ("--priority", 1),
        {"cases": 7, "from_the_dialer": 0, "in_the_dialer": 0, "do_not_call": 1, "unchanged": 0},
    ),
    "the campaign that it has": (
        ("--into-campaign", "Intake follow-up"),
        {"cases": 0, "from_the_dialer": 0, "in_the_dialer": 0, "do_not_call": 0, "unchanged": 7},
    ),
}


@pytest.mark.parametrize("what", WANTED)
async def test_before_and_after_are_told_by_reason(casedial: Casedial, office: Office, what: str) -> None:
    await some_of_each(office)
    await asyncio.to_thread(casedial.run, "dnc", "add", "--case", 6, "--case", 7, "--firm", office.name)
    options, expected = WANTED[what]
    given = ("cases", "set", "--all", "--firm", office.name, *options)
    told = await asyncio.to_thread(casedial.json, *given)
    assert told == {**expected, "done": False, "unknown": []}
    text = (await asyncio.to_thread(casedial.run, *given)).stdout
    assert f"This would change {expected['cases']} case" in text
    and_so = (
        "Of these, on the do-not-call list and so also set" if what == "priority" else "On the do-not-call list, so"
    )
    kept_off = f"{and_so} Do not Dial: 1 case."
    for words, name in (
        ("are In the Dialer: the dialers that have them would lose their claims.", "from_the_dialer"),
        ("Left in the dialer: 3 cases", "in_the_dialer"),
        (kept_off, "do_not_call"),
        (": 4 cases." if what.startswith("back") else "Already as wanted:", "unchanged"),
    ):
        assert (words in text) is (expected[name] > 0), text
    before = [await office.case(case_id) for case_id in range(1, 8)]
    done = await asyncio.to_thread(casedial.json, *given, "--yes")
    assert done == {"change": 1, **expected, "not_meant": [], "gone": [], "done": True, "unknown": []}
    after = [await office.case(case_id) for case_id in range(1, 8)]
    left = [new for old, new in zip(before, after, strict=True) if old.hold and not new.hold]
    assert len(left) == expected["from_the_dialer"] + (what.startswith("back") and 1)


async def add_many(office: Office, count: int) -> None:
    firm = await office.firm()
    to_dial = {StatusType.DIALER: firm.statuses.with_role(Role.TO_DIAL)}
    made = [Case(n, statuses=to_dial, dial_at=NOW) for n in range(1, count + 1)]
    async with office.store.write() as tx:
        await cases.add(tx, firm, made)


async def do_not_dial(office: Office) -> int:
    async with office.store.read() as tx:
        role = cases_table.c.dialer_role == int(Role.DO_NOT_DIAL)
        return int((await tx.execute(sa.select(sa.func.count()).select_from(cases_table).where(role))).scalar_one())


async def test_a_status_added_meanwhile_ends_nothing(
    casedial: Casedial, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case of the next page gets one that the firm, as it was read, did not have."""
    monkeypatch.setattr(changes, "PAGE", 2)
    await add_many(office, 5)
    lock, calls = cases.lock, 0

    async def with_a_status(tx: Any, *given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:  # as the dialer of another process would, between our reading of the firm and of its cases
            firm = await add_statuses(tx, await open_firm(tx, office.name), [(StatusType.DISPOSITION, "Busy tone")])
            new = firm.statuses.named(StatusType.DISPOSITION, "Busy tone").id
            await tx.execute(cases_table.update().where(cases_table.c.case_id == 3).values(disposition_id=new))
        return await lock(tx, *given, **more)

    monkeypatch.setattr(cases, "lock", with_a_status)
    given = ("cases", "set", "--all", "--firm", office.name, "--do-not-dial", "--yes")
    assert (await asyncio.to_thread(casedial.json, *given))["cases"] == 5
    assert await do_not_dial(office) == 5


async def test_what_ends_it_half_way_is_told_with_how_to_go_on(
    casedial: Casedial, office: Office, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    monkeypatch.setattr(changes, "PAGE", 2)
    monkeypatch.setattr(working, "SPAN", timedelta(seconds=1))  # for which the next one waits
    await add_many(office, 9)
    save, left = cases.save, 0
    fault: Exception = RuntimeError()

    async def failing(*given: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise fault
        await save(*given)

    monkeypatch.setattr(cases, "save", failing)
    given = ("cases", "set", "--all", "--firm", office.name, "--do-not-dial", "--yes")
    go_on = (
        "Change 1 is not done yet. A running server goes on with it within seconds, and so does casedial cases resume "
        "1; casedial cases undo 1 ends it, and puts back what was changed."
    )
    with subtests.test("at once"):
        left, fault = 2, StorageUnavailable("The database is away.")
        report = await asyncio.to_thread(casedial.json, *given, status=1)
        assert report["error"] == {"code": "EndedHalfway", "message": f"The database is away. {go_on}"}
        assert await do_not_dial(office) == 4
    with subtests.test("by a fault of ours"):
        left, fault = 1, KeyError("what")
        said = (await asyncio.to_thread(casedial.run, "cases", "resume", 1, *FIRM, status=1)).stderr
        assert f"A fault in casedial: KeyError('what'). {go_on}" in said
        assert await do_not_dial(office) == 6
    with subtests.test("it is listed"):
        [listed] = (await asyncio.to_thread(casedial.json, "cases", "changes", *FIRM))["changes"]
        assert (listed["state"], listed["total"], listed["counts"]["cases"]) == ("running", 9, 6)
    with subtests.test("and it goes on"):
        left = 99
        assert (await asyncio.to_thread(casedial.json, "cases", "resume", 1, *FIRM))["counts"]["cases"] == 9
        assert await do_not_dial(office) == 9
        assert {len(await office.history(n)) for n in range(1, 10)} == {1}  # each was changed once


async def test_a_case_with_a_status_that_is_none_is_named_and_left(casedial: Casedial, office: Office) -> None:
    await add_many(office, 1500)
    async with office.store.write() as tx:
        await tx.execute(cases_table.update().where(cases_table.c.case_id == 1200).values(disposition_id=99999))
    given = ("cases", "set", "--all", "--firm", office.name, "--do-not-dial")
    report = await asyncio.to_thread(casedial.json, *given, "--yes", status=1)
    assert (report["cases"], report["unreadable"]) == (1499, [1200])
    assert await do_not_dial(office) == 1499
    for other in (given, ("cases", "export", "--firm", office.name), ("cases", "show", 1200, "--firm", office.name)):
        said = (await asyncio.to_thread(casedial.run, *other, status=1)).stderr
        assert "1200" in said
        assert "cannot be read" in said


async def test_ctrl_c_tells_what_was_done(casedial: Casedial, office: Office) -> None:
    await add_many(office, 20_000)
    given = ["cases", "set", "--all", "--firm", office.name, "--do-not-dial", "--yes"]
    change = subprocess.Popen(
        [CASEDIAL, *given], env={**os.environ, **casedial.environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )

    async def has_begun() -> bool:
        assert change.poll() is None
        return await do_not_dial(office) > 0

    await until(has_begun)
    change.send_signal(signal.SIGINT)
    _, said = await asyncio.to_thread(change.communicate)
    changed = await do_not_dial(office)
    assert change.returncode != 0
    assert b"Change 1 is not done yet. A running server goes on with it" in said, said
    assert b"Traceback" not in said
    assert changed < 20_000


async def test_delete_tells_it_too(casedial: Casedial, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_many(office, 3)
    lock, calls = cases.lock, 0

    async def failing(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise StorageUnavailable("The database is away.")
        return await lock(*given, **more)

    monkeypatch.setattr(cases, "lock", failing)
    given = ("cases", "delete", 1, 2, 3, "--firm", office.name, "--yes")
    report = await asyncio.to_thread(casedial.json, *given, status=1)
    assert report["error"]["message"].startswith("The database is away. Until then 2 cases were deleted.")
    assert (await asyncio.to_thread(casedial.json, *given, status=1))["cases"] == 1
