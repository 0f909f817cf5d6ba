"""casedial cases delete: of a person nothing is left, of all others everything."""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from casedial.database.dialects import sqlite
from casedial.database.dialects.postgresql import pg_dump
from casedial.database.engine import Store
from casedial.database.tables import cases as cases_table
from casedial.database.tables import claims as claims_table
from casedial.database.tables import idempotency as replies_table
from casedial.database.tables import notes as notes_table
from casedial.database.tables import phone_numbers, status_history
from casedial.domain.cases import Phone
from casedial.domain.statuses import Role
from casedial.storage import cases, forgetting
from tests.cli.test_commands import Casedial
from tests.conftest import Api, Office, assert_problem

KEY = {"Idempotency-Key": "4f8c"}
CLAIM = {"Records": 10, "Auto-change": True}


async def delete(casedial: Casedial, office: Office, *arguments: object, status: int = 0) -> Any:
    return await asyncio.to_thread(casedial.json, "cases", "delete", *arguments, "--firm", office.name, status=status)


async def bytes_of(store: Store) -> bytes:
    """All that is stored: the bytes of SQLite's files; a dump of PostgreSQL, and what its statistics sampled."""
    if store.path:
        names = [store.path.with_name(store.path.name + end) for end in ("", "-wal", "-shm", "-journal")]
        return b"".join(name.read_bytes() for name in names if name.exists())
    program = Path(pg_dump())
    dump = await asyncio.to_thread(subprocess.run, [program, store.url], check=True, capture_output=True)
    async with store.read() as tx:
        sampled = await tx.execute(sa.text("SELECT s::text FROM pg_stats s WHERE schemaname = 'public'"))
        return bytes(dump.stdout) + b"".join(row[0].encode() for row in sampled)


def found_in(stored: bytes, canaries: set[str]) -> set[str]:
    """Which canaries are there, as text or as the hexadecimal digits of it (of a reply in a dump)."""
    return {c for c in canaries if c.encode() in stored or c.encode().hex().encode() in stored}


async def count(store: Store, table: sa.Table) -> int:
    async with store.read() as tx:
        return int((await tx.execute(sa.select(sa.func.count()).select_from(table))).scalar_one())


async def test_nothing_is_left_of_a_person(casedial: Casedial, office: Office, store: Store, api: Api) -> None:
    file = casedial.folder / "cases.csv"
    header = "CaseID,Plaintiff,CaseStatus,CaseGroup,ZipCode,DialerStatus,Phone1Name,Phone1,Phone2Name,Phone2\n"
    gone: set[str] = set()
    for run in ("old", "new"):
        file.write_text(
            f"{header}7,Zara{run} Quill,Status{run},Group{run},zip{run}7,To Dial,Mobile{run},(402) 555-71"
            f"{'34' if run == 'old' else '35'},Fax{run},+49 30 71{run}\n"
            "8,Kept Person,S,G,68046,To Dial,Cell,402-555-8888,,\n"
        )
        await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", office.name)
        gone |= {f"Zara{run}", f"Status{run}", f"Group{run}", f"group{run}", f"zip{run}7", f"Mobile{run}", f"71{run}"}
    file.unlink()
    gone |= {"555-7134", "555-7135", "4025557134", "4025557135", "By number", "A note on seven"}
    claimed = await api.post("GetCasesToDial", CLAIM, KEY)
    assert [case["CaseID"] for case in claimed.json()] == [7, 8]
    await api.post("UpdateCaseStatus", {"Cases": [{"CaseID": n, "Status": "Do not Dial"} for n in (7, 8)]})
    await api.post("AddCaseNote", {"CaseID": 7, "Note": "A note on seven " + "x" * 9000})
    await api.post("AddCaseNote", {"CaseID": 8, "Note": "A note on eight"}, {"Idempotency-Key": "other"})
    await api.post("AddCaseNoteByPhone", {"Phone": "4025557135", "Note": "By number"}, {"Idempotency-Key": "third"})
    if store.dialect.name == "postgresql":
        async with store.write() as tx:
            await tx.execute(sa.text("ANALYZE"))
    there = found_in(await bytes_of(store), gone)
    assert there >= {"Zaranew", "555-7135", "4025557135", "By number", "A note on seven", "Groupnew", "zipnew7"}

    would = await delete(casedial, office, 7)
    kinds = {"cases": 1, "phones": 2, "history": 6, "notes": 2, "claims": 1, "replies": 1}
    assert would == {"done": False, **kinds, "unknown": [], "in_the_dialer": [], "wiped": None}
    assert found_in(await bytes_of(store), gone) == there
    done = await delete(casedial, office, 7, "--yes")
    assert done == would | {"done": True, "wiped": True}

    stored = await bytes_of(store)
    assert found_in(stored, gone) == set()
    kept = {"Kept Person", "402-555-8888", "4025558888", "A note on eight"}
    assert found_in(stored, kept) == kept
    for table in (cases_table, phone_numbers, status_history, notes_table):
        async with store.read() as tx:
            assert set((await tx.execute(sa.select(table.c.case_id))).scalars()) == {8}

    assert_problem(await api.get("GetCaseInfo", CaseID=7), 404, "CaseNotFound")
    assert_problem(await api.post("UpdateCaseStatus", {"CaseID": 7, "Status": "To Dial"}), 404, "CaseNotFound")
    assert_problem(await api.post("AddCaseNote", {"CaseID": 7, "Note": "late"}), 404, "CaseNotFound")
    by_phone = {"Phone": "4025557135", "Note": "late"}
    assert_problem(await api.post("AddCaseNoteByPhone", by_phone), 404, "PhoneNotFound")
    again = await api.post("GetCasesToDial", CLAIM, KEY)
    assert again.json() == claimed.json()[1:]
    assert again.headers["x-claim-id"] == claimed.headers["x-claim-id"]
    assert (await delete(casedial, office, 7, "--yes", status=1))["unknown"] == [7]


async def test_what_sqlite_moves_from_page_to_page_goes_too(
    casedial: Casedial, office: Office, store: Store, tmp_path: Path
) -> None:
    """Overwriting what is deleted misses copies that stay behind; so many cases have some."""
    chance = random.Random(5)
    firm = await office.firm()
    case_ids = list(range(1, 1201))
    chance.shuffle(case_ids)
    stored: dict[int, cases.Case] = {}

    def drawn(case_id: int) -> cases.Case:
        name = f"Zq{case_id:06}a" + "x" * chance.randrange(200)
        phones = tuple(Phone(f"Zq{case_id:06}b" + "y" * chance.randrange(90), "402") for _ in range(3))
        return cases.Case(case_id, plaintiff=name, phones=phones)

    for start in range(0, 1200, 20):
        async with store.write() as tx:
            new = [drawn(case_id) for case_id in case_ids[start : start + 20]]
            await cases.add(tx, firm, new)
            stored.update({case.case_id: case for case in new})
            changed = [(stored[n], drawn(n)) for n in chance.sample(sorted(stored), 20)]
            await cases.save(tx, firm, changed)
            stored.update({after.case_id: after for _, after in changed})
    gone = chance.sample(case_ids, 300)
    done = await delete(casedial, office, *gone, "--yes")
    assert (done["cases"], done["wiped"]) == (300, True)
    names = {int(found) for found in re.findall(rb"Zq(\d{6})[ab]", await bytes_of(store))}
    assert len(names) == 900
    assert names.isdisjoint(gone)


async def test_other_firms_lose_nothing(
    casedial: Casedial, office: Office, other_office: Office, store: Store, api: Api
) -> None:
    for place in (office, other_office):
        for case_id in (7, 70, 77):
            await place.add(case_id)
    other = Api(api.http, other_office.key)
    mine, theirs = [await caller.post("GetCasesToDial", CLAIM, KEY) for caller in (api, other)]
    await other.post("AddCaseNote", {"CaseID": 7, "Note": "theirs"})
    before = await other_office.case(7), await other_office.changes(7), await other_office.notes(7)
    await delete(casedial, office, 7, "--even-in-the-dialer", "--yes")
    assert (await other_office.case(7), await other_office.changes(7), await other_office.notes(7)) == before
    assert (await other.post("GetCasesToDial", CLAIM, KEY)).json() == theirs.json()
    assert (await api.post("GetCasesToDial", CLAIM, KEY)).json() == mine.json()[1:]
    held = before[0].hold
    assert held
    assert (await other_office.claim(held.claim_id)).case_ids == (7, 70, 77)
    by_phone = await api.post("AddCaseNoteByPhone", {"Phone": "4025550070", "Note": "x"})
    assert [result["CaseID"] for result in by_phone.json()["Results"]] == [70]


async def test_the_other_cases_of_a_number_stay(casedial: Casedial, office: Office, api: Api) -> None:
    for case_id in (1, 2):
        await office.add(case_id, phones=(Phone("Home", "402-555-0100"),))
    await delete(casedial, office, 1, "--yes")
    reply = await api.post("AddCaseNoteByPhone", {"Phone": "4025550100", "Note": "x"})
    assert [result["CaseID"] for result in reply.json()["Results"]] == [2]


async def test_a_case_that_is_being_dialed_is_left_unless_it_is_said(
    casedial: Casedial, office: Office, store: Store, api: Api
) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    claimed = await api.post("GetCasesToDial", {"Records": 1, "Auto-change": True})
    claim = {"X-Claim-Id": claimed.headers["x-claim-id"]}
    done = await delete(casedial, office, 1, 2, 99, 2, "--yes", status=1)
    assert (done["cases"], done["in_the_dialer"], done["unknown"], done["claims"]) == (1, [1], [99], 0)
    assert await office.role(1) is Role.IN_THE_DIALER
    text = (await asyncio.to_thread(casedial.run, "cases", "delete", 1, "--firm", office.name)).stdout
    assert "In the dialer, so left: 1; --even-in-the-dialer" in text

    assert (await delete(casedial, office, 1, "--even-in-the-dialer", "--yes"))["claims"] == 1
    assert await count(store, claims_table) == 0  # it was the claim's only case
    report = await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial"}, claim)
    assert_problem(report, 404, "CaseNotFound")
    assert_problem(await api.post("ExtendClaim", {"ClaimID": claim["X-Claim-Id"]}), 409, "ClaimLost")
    assert await office.role(3) is Role.TO_DIAL


async def test_what_was_ended_half_way_is_made_whole(
    casedial: Casedial, office: Office, store: Store, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.add(7)
    await office.add(8)
    await api.post("GetCasesToDial", CLAIM, KEY)
    with monkeypatch.context() as broken:

        async def fail(*_: object) -> None:
            raise OSError(5, "the disk is gone")

        broken.setattr(forgetting, "claims_of", fail)
        await delete(casedial, office, 7, "--even-in-the-dialer", "--yes", status=1)
    assert await count(store, cases_table) == 1
    done = await delete(casedial, office, 7, "--yes", status=1)
    assert (done["unknown"], done["claims"], done["replies"], done["wiped"]) == ([7], 1, 1, True)
    async with store.read() as tx:
        reply = (await tx.execute(sa.select(replies_table.c.body))).scalar_one()
        assert [case["CaseID"] for case in json.loads(reply)] == [8]
        assert (await tx.execute(sa.select(claims_table.c.case_ids))).scalar_one() == [8]


async def test_what_a_dialer_said_of_a_person_goes_from_kept_replies(
    casedial: Casedial, office: Office, store: Store, api: Api
) -> None:
    """A refusal quotes what was sent, and a repeat would quote it again."""
    await office.add(7)
    await office.add(8)
    said = [{"CaseID": "7", "Disposition": "spoke to Zara Quill"}, {"CaseID": 8, "Attempts": 1}]
    sent = ({"Cases": said}, said[0], {"CaseID": 7, "Disposition": "Zara Quill again"})
    for number, body in enumerate(sent):
        await api.post("UpdateCaseStatus", body, {"Idempotency-Key": f"{number}"})
    assert b"Zara Quill" in b"".join(await kept_bodies(store))
    assert (await delete(casedial, office, 7, "--yes"))["replies"] == 3
    bodies = await kept_bodies(store)
    assert b"Zara Quill" not in b"".join(bodies)
    first = json.loads(bodies[0])
    assert [result["Success"] for result in first["Results"]] == [False, True]
    again = await api.post("UpdateCaseStatus", sent[0], {"Idempotency-Key": "0"})
    assert (again.status_code, again.content) == (200, bodies[0])


async def kept_bodies(store: Store) -> list[bytes]:
    async with store.read() as tx:
        query = sa.select(replies_table.c.body).order_by(replies_table.c.created_at)
        return list((await tx.execute(query)).scalars())


async def test_a_case_that_came_back_keeps_its_new_claim(office: Office, store: Store, api: Api) -> None:
    """Deleted, imported again by night and claimed, before its old claims were gone through."""
    await office.add(7)
    firm = await office.firm()
    async with store.write() as tx:
        await forgetting.delete(tx, firm.id, 7)
    await office.add(7)
    claim_id = UUID((await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"])
    async with store.write() as tx:
        found = await forgetting.claims_of(tx, firm.id, [7])
        await forgetting.take_from_claims(tx, firm.id, found, [7])
    assert (await office.claim(claim_id)).case_ids == (7,)


async def test_a_reader_in_the_way_is_said(
    casedial: Casedial, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_WIPE_TRIES", 1)
    await office.add(7, plaintiff="Zara Quill")
    async with store.read() as reading:
        assert (await reading.execute(sa.select(cases_table.c.plaintiff))).scalar_one() == "Zara Quill"
        done = await delete(casedial, office, 7, "--yes", status=1)
        assert done["wiped"] is False
    assert (await delete(casedial, office, 7, "--yes", status=1))["wiped"] is True
    assert b"Zara Quill" not in await bytes_of(store) or store.dialect.name == "postgresql"


@pytest.mark.parametrize(
    ("method", "body", "code"),
    [
        ("AddCaseNote", {"CaseID": 1, "Note": "x"}, "CaseNotFound"),
        ("AddCaseNoteByPhone", {"Phone": "4025550001", "Note": "x"}, "PhoneNotFound"),
        ("UpdateCaseStatus", {"CaseID": 1, "Status": "To Dial"}, "CaseNotFound"),
    ],
)
async def test_a_write_that_meets_the_deletion(
    method: str, body: dict[str, object], code: str, office: Office, store: Store, api: Api
) -> None:
    """It waits, and then finds no case; the database's own refusal of a note without a case would be a fault."""
    await office.add(1)
    firm = await office.firm()
    async with store.write() as tx:
        await cases.lock(tx, firm, [1])
        writing = asyncio.create_task(api.post(method, body))
        await asyncio.sleep(0.3)
        assert not writing.done()
        await forgetting.delete(tx, firm.id, 1)
    assert_problem(await writing, 404, code)
    assert await count(store, notes_table) == 0


async def test_the_deletion_meets_a_note(casedial: Casedial, office: Office, store: Store) -> None:
    await office.add(1)
    firm = await office.firm()
    async with store.write() as tx:
        await cases.whereabouts(tx, firm, [1])
        deleting = asyncio.create_task(delete(casedial, office, 1, "--yes"))
        await asyncio.sleep(0.5)
        values = {"firm_id": firm.id, "case_id": 1, "text": "x", "author": "x", "created_at": sa.func.now()}
        await tx.execute(notes_table.insert().values(values))
    assert (await deleting)["notes"] == 1
    assert await count(store, notes_table) == 0
