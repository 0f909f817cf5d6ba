"""casedial cases phone and note: one phone at a time; the history says who changed which, and forgets with the case."""

from __future__ import annotations

import asyncio
import getpass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import cases as cases_table
from casedial.database.tables import phone_changes, phone_numbers
from casedial.domain.cases import Phone
from casedial.domain.statuses import Role
from tests.cli.test_commands import Casedial
from tests.conftest import Office

TWO = (Phone("Cell", "(402) 555-0100", True, True), Phone(), Phone("Home", "402-555-0101 / 402-555-0102"))


async def phone(casedial: Casedial, office: Office, *given: object, status: int = 0) -> Any:
    return await asyncio.to_thread(casedial.json, "cases", "phone", *given, "--firm", office.name, status=status)


async def numbers(store: Store) -> list[str]:
    async with store.read() as tx:
        return sorted((await tx.execute(sa.select(phone_numbers.c.number))).scalars())


async def changes(casedial: Casedial, office: Office, case_id: int = 1) -> list[tuple[str, str, str]]:
    shown = await asyncio.to_thread(casedial.json, "cases", "show", case_id, "--firm", office.name)
    return [(row["status"], row["why"], row["by"]) for row in shown["history"] if row["type"] == "Phone"]


async def test_phones_are_added_changed_and_removed(casedial: Casedial, office: Office, store: Store) -> None:
    await office.add(1, phones=TWO)
    me = f"{getpass.getuser()} (command line)"
    added = await phone(casedial, office, "add", 1, "+49 30 901820", "--name", "Work", "--primary")
    assert [one["primary"] for one in added["phones"]] == [False, False, False, True]
    await phone(casedial, office, "set", 1, "402.555.0102", "--number", "402 555 0103")
    await phone(casedial, office, "set", 1, "cell", "--no-text", "--name", "Mobile")
    await phone(casedial, office, "remove", 1, "4025550101")
    await phone(casedial, office, "remove", 1, "Work")
    case = await office.case(1)
    assert case.phones == (Phone("Mobile", "(402) 555-0100"), Phone(), Phone("Home", "402 555 0103"))
    assert await numbers(store) == ["4025550100", "4025550103"]
    assert await changes(casedial, office) == [
        ("Cell (402) 555-0100 (text)", "was Cell (402) 555-0100 (primary, text)", me),
        ("Work +49 30 901820 (primary)", "added", me),
        ("Home 402-555-0101 / 402 555 0103", "was Home 402-555-0101 / 402-555-0102", me),
        ("Mobile (402) 555-0100", "was Cell (402) 555-0100 (text)", me),
        ("Home 402 555 0103", "was Home 402-555-0101 / 402 555 0103", me),
        ("", "removed: Work +49 30 901820 (primary)", me),
    ]


WRONG: dict[str, tuple[tuple[object, ...], str]] = {
    "no number": (("add", 1, "555-0100"), "InvalidSetting"),
    "two numbers": (("add", 1, "4025550111 / 4025550112"), "InvalidSetting"),
    "one that is there": (("add", 1, "1 402 555 0101"), "InvalidSetting"),
    "no such phone": (("remove", 1, "4025550199"), "PhoneNotFound"),
    "no such name": (("set", 1, "Boat", "--text"), "PhoneNotFound"),
    "two of one name": (("remove", 1, "home"), "InvalidSetting"),
    "no such case": (("remove", 9, "Home"), "CaseNotFound"),
    "a name of two lines": (("set", 1, "Cell", "--name", "a\nb"), "InvalidSetting"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_changes_nothing(casedial: Casedial, office: Office, what: str) -> None:
    before = await office.add(1, phones=TWO)
    given, code = WRONG[what]
    error = (await phone(casedial, office, *given, status=1))["error"]
    assert error["code"] == code
    assert (await office.case(1)).phones == before.phones
    assert await changes(casedial, office) == []


async def test_the_list_counts_for_what_is_left(casedial: Casedial, office: Office) -> None:
    await office.add(1, phones=TWO[:1])
    run = casedial.run
    await asyncio.to_thread(run, "dnc", "add", "402-555-0177", "--firm", office.name)
    await phone(casedial, office, "add", 1, "4025550177")
    assert await office.role(1) is Role.TO_DIAL
    await phone(casedial, office, "remove", 1, "Cell")
    assert await office.role(1) is Role.DO_NOT_DIAL


async def test_an_import_is_in_the_history_too(casedial: Casedial, office: Office) -> None:
    path = casedial.folder / "cases.csv"
    for cells in ("Cell,4025550100,Home,4025550101", "Cell,4025550100,Home,4025550199", "Cell,4025550100,,"):
        path.write_text(f"CaseID,Phone1Name,Phone1,Phone2Name,Phone2\n1,{cells}\n")
        for _ in range(2):  # the same once more changes nothing
            await asyncio.to_thread(casedial.run, "cases", "import", path, "--firm", office.name)
    assert await changes(casedial, office) == [
        ("Home 4025550199", "was Home 4025550101", "import"),
        ("", "removed: Home 4025550199", "import"),
    ]


async def test_forgotten_with_the_case_and_by_purge(casedial: Casedial, office: Office, store: Store) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id, phones=TWO[:1])
        await phone(casedial, office, "set", case_id, "Cell", "--number", f"402555017{case_id}")
    told = await asyncio.to_thread(casedial.json, "cases", "delete", 1, "--firm", office.name, "--yes")
    assert told["history"] == 1
    async with store.write() as tx:  # as an older casedial deletes a case
        await tx.execute(phone_numbers.delete().where(phone_numbers.c.case_id == 2))
        await tx.execute(cases_table.delete().where(cases_table.c.case_id == 2))
        old = datetime.now(UTC) - timedelta(days=40)
        assert (await tx.execute(sa.select(phone_changes.c.case_id))).scalars().all() == [3]
        await tx.execute(phone_changes.update().values(changed_at=old))
    for given, left in ((("--older-than", "50d", "--yes"), 1), (("--older-than", "30d"), 1), (("--yes",), 1)):
        await asyncio.to_thread(casedial.run, "purge", "--firm", office.name, *given)
        assert len(await changes(casedial, office, 3)) == left
    told = await asyncio.to_thread(casedial.json, "purge", "--firm", office.name, "--older-than", "30d", "--yes")
    assert told["firms"][0]["phone_changes"] == 1
    assert await changes(casedial, office, 3) == []


async def test_a_note(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    await asyncio.to_thread(casedial.run, "cases", "note", 1, "Called back.", "--firm", office.name)
    [note] = await office.notes(1)
    assert (note.text, note.author) == ("Called back.", f"{getpass.getuser()} (command line)")
    for case_id, text, code in ((2, "x", "CaseNotFound"), (1, "x" * 65_537, "NoteTooLong")):
        error = await asyncio.to_thread(casedial.json, "cases", "note", case_id, text, "--firm", office.name, status=1)
        assert error["error"]["code"] == code
    said = await asyncio.to_thread(casedial.wrong, "cases", "note", 1, " ", "--firm", office.name)
    assert "a note must not be blank" in said
