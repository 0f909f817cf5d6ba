"""Who did something, and why: every writer says so in columns, and nobody reads it out of a name or of words."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from casedial.database.tables import claims, keys, metadata, notes, phone_changes, status_history
from casedial.domain.actors import ActorKind
from casedial.domain.calling import Listing
from casedial.domain.campaigns import Retry
from casedial.domain.cases import Note, StatusChange
from casedial.domain.phone_changes import PhoneChange
from casedial.domain.reasons import ReasonCode
from casedial.domain.statuses import Flag, Role, StatusType
from casedial.service import do_not_call
from casedial.service.firms import open_firm
from casedial.service.statuses import flag_status
from casedial.storage import cases, leases
from casedial.storage import notes as stored_notes
from casedial.storage import phone_changes as stored_phone_changes
from tests.cli.test_commands import Casedial
from tests.conftest import NOW, Api, Office
from tests.service.test_calling import decide
from tests.web.test_claims import let_pass, look, update

DIALER, DISPOSITION = StatusType.DIALER, StatusType.DISPOSITION
KEY, OPERATOR, POLICY = ActorKind.KEY, ActorKind.COMMAND_LINE, ActorKind.POLICY
TABLES = (status_history, claims, notes, phone_changes)
CASES = tuple(range(1, 11))


async def stored(office: Office, table: sa.Table, *names: str) -> list[tuple[Any, ...]]:
    """Columns of all rows, in order."""
    order = table.c.created_at if table is claims else table.c.id
    async with office.store.read() as tx:
        return [tuple(row) for row in await tx.execute(sa.select(*(table.c[name] for name in names)).order_by(order))]


async def why(office: Office, case_id: int) -> tuple[Any, ...]:
    """Who moved a case last, and why, as it is stored."""
    names = ("case_id", "actor_kind", "actor_id", "changed_by", "reason_code", "reason_number")
    return next(row[1:] for row in reversed(await stored(office, status_history, *names)) if row[0] == case_id)


async def work(casedial: Casedial, api: Api, office: Office) -> None:
    """Let everybody do what there is to do who writes of cases."""

    async def run(*arguments: object) -> None:
        await asyncio.to_thread(casedial.run, *arguments, "--firm", office.name)

    file = casedial.folder / "cases.csv"
    rows = "".join(f"{n},To Dial,402555{n:04},Intake follow-up\n" for n in CASES)
    file.write_text(f"CaseID,DialerStatus,Phone1,Campaign\n{rows}11,In the Dialer,4025550011,\n")
    await run("cases", "import", file)
    file.write_text("CaseID,Phone1\n10,4025559999\n")
    await run("cases", "import", file)
    await decide(office, retries={"Busy": Retry(timedelta(hours=1), 3)})
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await flag_status(tx, firm, "No Answer", frozenset({Flag.ATTEMPT, Flag.FINAL}))
    for _ in CASES[:4]:
        claimed = await api.post("GetCasesToDial", {"Records": 1, "Auto-change": True})
        [case], claim_id = claimed.json(), claimed.headers["X-Claim-Id"]
        if case["CaseID"] == 1:
            await api.post("ReleaseClaim", {"ClaimID": claim_id})
            await run("cases", "set", 1, "--do-not-dial", "--yes")
        elif case["CaseID"] == 3:
            await update(api, claim_id, CaseID=3, Disposition="Busy")
        elif case["CaseID"] == 4:
            await update(api, claim_id, CaseID=4, Disposition="No Answer")
    let_pass(office.store, 86400)
    assert await look(office.store) == 2  # 2, and the 11 of the import
    await api.post("UpdateCaseStatus", {"CaseID": 5, "Status": "In the Dialer"})
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await do_not_call.add(tx, firm, [Listing(NOW.date(), "letter", case_id=6)])
    await run("cases", "set", 6, "--to-dial", "--yes")
    await run("cases", "phone", "add", 7, "4025550777")
    await run("cases", "note", 7, "Called back.")
    await api.post("AddCaseNote", {"CaseID": 7, "Note": "one"})
    await api.post("AddCaseNoteByPhone", {"Phone": "4025550007", "Note": "two"})


async def read(office: Office) -> tuple[list[StatusChange], list[Note], list[PhoneChange], list[Any]]:
    """All that was recorded, as today's code reads it."""
    firm = await office.firm()
    async with office.store.read() as tx:
        history = await cases.history(tx, firm, range(1, 12))
        claim_ids = (await tx.execute(sa.select(claims.c.id))).scalars().all()
        found = await leases.find(tx, firm, claim_ids)
        return (
            [row for rows in history.values() for row in rows],
            await stored_notes.of_cases(tx, firm, range(1, 12)),
            await stored_phone_changes.of_cases(tx, firm, range(1, 12)),
            [found[claim_id] for claim_id in sorted(found)],
        )


async def test_every_writer_says_who_and_why(casedial: Casedial, api: Api, office: Office) -> None:
    await work(casedial, api, office)
    [(key_id,)] = await stored(office, keys, "id")
    me = next(name for name, *_ in await stored(office, notes, "author"))
    assert me.endswith(" (command line)")
    vendor, casedials = (KEY, key_id, "Acme Dialer"), (ActorKind.CASEDIAL, None, "casedial")
    assert [await why(office, n) for n in range(1, 7)] == [
        (OPERATOR, None, me, ReasonCode.CHANGE, None),
        (*casedials, ReasonCode.RAN_OUT, None),
        (POLICY, None, "casedial", ReasonCode.RETRY, 1),
        (POLICY, None, "casedial", ReasonCode.OVER, None),
        (*vendor, None, None),
        (*casedials, ReasonCode.ON_THE_LIST, None),
    ]
    names = ("actor_kind", "actor_id", "changed_by", "reason_code")
    written = await stored(office, status_history, "case_id", "type", *names)
    assert [row[2:] for row in written if row[:2] == (1, DIALER)] == [
        (ActorKind.IMPORT, None, "import", None),
        (*vendor, None),  # the claim
        (*vendor, ReasonCode.RELEASED),
        (OPERATOR, None, me, ReasonCode.CHANGE),
    ]
    assert {row[2:] for row in written if row[0] == 6} == {
        (ActorKind.IMPORT, None, "import", None),
        (OPERATOR, None, me, ReasonCode.CHANGE),
        (*casedials, ReasonCode.ON_THE_LIST),
    }
    by_key, by_import = (*vendor, key_id), (ActorKind.IMPORT, None, "import", None)
    opened = await stored(office, claims, "actor_kind", "actor_id", "vendor", "key_id")
    assert sorted(opened) == [*[by_key] * 5, by_import]
    noted = await stored(office, notes, "actor_kind", "actor_id", "author")
    assert noted == [(OPERATOR, None, me), vendor, vendor]
    phones = await stored(office, phone_changes, "case_id", "actor_kind", "actor_id", "changed_by")
    assert phones == [(10, ActorKind.IMPORT, None, "import"), (7, OPERATOR, None, me)]


async def test_a_large_import_says_it_as_a_small_one_does(casedial: Casedial, office: Office) -> None:
    """It goes another way, with a statement of its own in each database."""
    file = casedial.folder / "cases.csv"
    file.write_text("CaseID,DialerStatus\n" + "".join(f"{n},To Dial\n" for n in range(1, 301)))
    await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", office.name)
    rows = await stored(office, status_history, "actor_kind", "actor_id", "changed_by", "reason_code")
    assert rows == [(ActorKind.IMPORT, None, "import", None)] * 300


def without_ids(rows: Any) -> list[tuple[Any, ...]]:
    """What is told of each, but the id of the key: no older casedial told that in its history."""
    return [(row.actor.kind, row.actor.name, getattr(row, "why", None)) for row in rows]


async def test_what_an_older_casedial_wrote_is_read_alike(casedial: Casedial, api: Api, office: Office) -> None:
    """It leaves the new columns out: before the migration, and beside this one since."""
    await work(casedial, api, office)
    before = await read(office)
    async with office.store.write() as tx:
        for table in TABLES:
            new = {"actor_kind", "actor_id", "reason_code", "reason_number"} & set(table.c.keys())
            older = table.c.reason_code.is_distinct_from(ReasonCode.CHANGE) if table is status_history else sa.true()
            await tx.execute(table.update().where(older).values(dict.fromkeys(new)))
    after = await read(office)
    assert list(map(without_ids, after)) == list(map(without_ids, before))
    assert after[3] == before[3]  # a claim told its key
    # And its rows do what they did: the policy counts on, and a release that is repeated is done.
    claim_id = next(row.claim_id for row in after[0] if row.reason_code is ReasonCode.RELEASED)
    again = await api.post("ReleaseClaim", {"ClaimID": str(claim_id), "CaseID": 1})
    assert again.status_code == 200, again.text
    await api.post("UpdateCaseStatus", {"CaseID": 3, "Status": "In the Dialer"})
    await api.post("UpdateCaseStatus", {"CaseID": 3, "Disposition": "Busy"})
    assert (await office.changes(3))[-1].reason == "retry policy: 2 of 3"


async def test_history_tells_the_name_as_it_was(casedial: Casedial, api: Api, office: Office) -> None:
    await work(casedial, api, office)
    before = await read(office)
    async with office.store.write() as tx:
        await tx.execute(keys.update().values(vendor="Renamed"))
    assert await read(office) == before
    async with office.store.write() as tx:
        for table in metadata.tables.values():
            if any(column.references(keys.c.id) for column in table.c):
                await tx.execute(table.delete())
        await tx.execute(keys.delete())
    assert await read(office) == before


@pytest.mark.parametrize("name", ["casedial", "import", "me (command line)"])
async def test_a_vendor_with_a_name_of_casedials_own_is_a_vendor(
    casedial: Casedial, api: Api, office: Office, name: str
) -> None:
    """A key from before such names were refused."""
    async with office.store.write() as tx:
        await tx.execute(keys.update().values(vendor=name))
    await office.add(1)
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    assert (await update(api, claim_id, CaseID=1, Disposition="Busy")).status_code == 200
    said = {"CaseID": 1, "Status": "To Dial"}
    for _ in range(2):  # what was done already is a success, and what a policy did would not be
        assert (await update(api, claim_id, **said)).status_code == 200
    assert {row.actor.kind for row in await office.changes(1)} == {KEY}
    assert {row[1] for row in await office.history(1)} == {"In the Dialer", "Busy", "To Dial"}
    span = ("--since", "2026-01-01", "--until", "2079-01-01")
    counted = await asyncio.to_thread(casedial.json, "report", "--firm", office.name, "--by", "vendor", *span)
    assert name in str(counted)


async def test_words_that_look_like_a_reason_change_nothing(api: Api, office: Office) -> None:
    """Stored by a hand, beside rows that tell who wrote them."""
    await decide(office, retries={"Busy": Retry(timedelta(hours=1), 3)})
    await office.add(1)
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    let_pass(office.store, 86400)
    assert await look(office.store) == 1
    history = status_history.c
    async with office.store.write() as tx:
        ran_out = history.reason_code == int(ReasonCode.RAN_OUT)
        await tx.execute(status_history.update().where(ran_out).values(reason="released by the dialer"))
    again = await api.post("ReleaseClaim", {"ClaimID": claim_id, "CaseID": 1})
    assert again.json()["code"] == "ClaimLost"
    async with office.store.write() as tx:
        words = {"reason": "retry policy: 3 of 3", "reason_code": None}
        await tx.execute(status_history.update().where(history.type == int(DIALER)).values(words))
    refused = await update(api, claim_id, CaseID=1, Status="Do not Dial")
    assert refused.json()["code"] == "ClaimLost"  # no policy moved it
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"})
    assert (await office.changes(1))[-1].reason == "retry policy: 1 of 3"
    assert await office.role(1) is Role.TO_DIAL
    await office.add(2)
    own = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    assert (await update(api, own, CaseID=2, Status="To Dial")).status_code == 200
    async with office.store.write() as tx:
        moved = sa.and_(history.claim_id == UUID(own), history.reason_code.is_(None))
        await tx.execute(status_history.update().where(moved).values(reason="released by the dialer"))
    again = await api.post("ReleaseClaim", {"ClaimID": own, "CaseID": 2})
    assert again.json()["code"] == "ClaimLost"
