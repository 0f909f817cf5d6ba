"""Every released schema, with data in it, comes to head: nothing is lost, and today's code works on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from casedial.database import schema
from casedial.database.engine import Store, Transaction
from casedial.database.indexes import metadata
from casedial.database.tables import status_history
from casedial.domain.actors import IMPORT, Actor, ActorKind
from casedial.domain.reasons import ReasonCode
from casedial.domain.statuses import Role, StatusType
from casedial.service import claims
from casedial.settings import Settings
from casedial.storage import cases, firms, leases, notes, phone_changes
from casedial.web import probes
from casedial.web.app import create_app
from tests.conftest import Api, assert_problem
from tests.database import released
from tests.database.test_schema import described
from tests.waiting import PATIENCE


@pytest.fixture(params=released.RELEASED)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def old(empty_url: str, revision: str) -> AsyncIterator[Store]:
    """A database as a released version left it."""
    store = Store(empty_url)
    await released.make(store, revision)
    yield store
    await store.close()


@pytest.fixture
async def migrated(old: Store) -> Store:
    await schema.migrate(old)
    return old


def in_the_dialer() -> list[int]:
    """The cases of each firm that an older casedial put In the Dialer."""
    return [n for n in range(1, released.CASES_OF_A_FIRM + 1) if released.role_of(n) == Role.IN_THE_DIALER]


async def test_every_row_comes_to_head_unchanged(old: Store, revision: str) -> None:
    async with old.read() as tx:
        before = await released.stored(tx, revision)
    assert len(before["cases"]) == len(released.FIRMS) * released.CASES_OF_A_FIRM
    assert all(before.values())
    assert (await schema.migrate(old)).current == revision
    async with old.read() as tx:
        assert await released.stored(tx, revision) == before
        assert (await schema.state(tx)).at_head
        migrated = await described(tx)
    async with old.write() as tx:
        await tx.run_sync(metadata.drop_all)
        await tx.run_sync(metadata.create_all)
        assert migrated == await described(tx)


async def adopt(store: Store) -> int:
    """Open the claims that are missing, as a server does; return for how many cases."""
    found = 0
    while count := await store.transact(lambda tx: claims.adopt(tx, datetime.now(UTC))):
        found += count
    return found


async def holds(tx: Transaction, firm_id: int) -> dict[int, tuple[Role | None, datetime | None, datetime | None]]:
    """The role of each case that was In the Dialer, its dial time, and the end of its lease."""
    firm = (await firms.load(tx, firm_id))[1]
    held = await cases.lock(tx, firm, in_the_dialer())
    return {n: (case.role, case.dial_at, case.hold.until if case.hold else None) for n, case in held.items()}


async def test_what_was_in_the_dialer_gets_a_claim_that_runs_out(migrated: Store) -> None:
    async with migrated.write() as tx:
        await firms.change(tx, 1, claim_timeout=1)  # the other firms go by the default: a day
        began = await tx.clock()
    assert await adopt(migrated) == len(released.FIRMS) * len(in_the_dialer())
    async with migrated.write() as tx:
        ended = await tx.clock()
        for firm_id, seconds in ((1, 1), (2, 24 * 60 * 60)):
            for role, _, until in (await holds(tx, firm_id)).values():
                assert role is Role.IN_THE_DIALER
                assert until is not None
                assert began <= until - timedelta(seconds=seconds) <= ended
        firm = (await firms.load(tx, 1))[1]
        held = await cases.lock(tx, firm, in_the_dialer())
        found = await leases.find(tx, firm, [case.hold.claim_id for case in held.values() if case.hold])
        assert {claim.vendor for claim in found.values()} == {released.VENDORS[0]}  # who took it holds it
    await asyncio.sleep(1.1)
    returned = await migrated.transact(lambda tx: claims.return_lapsed(tx, datetime.now(UTC)))
    assert returned.cases == {1: len(in_the_dialer())}
    async with migrated.write() as tx:
        for case_id, (role, dial_at, _) in (await holds(tx, 1)).items():
            assert role is Role.TO_DIAL
            assert dial_at == released.dial_time(case_id)  # where it stood before it was claimed
        assert {role for role, _, _ in (await holds(tx, 2)).values()} == {Role.IN_THE_DIALER}
    assert await adopt(migrated) == 0


async def test_todays_code_works_on_it(migrated: Store) -> None:
    """Each method, for each firm, with the keys and the cases of the older version."""
    await adopt(migrated)
    app = create_app(Settings(database_url=migrated.url, log_level="error"))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://casedial.test") as client:
        for firm_id in released.FIRMS:
            await use(Api(client, released.key_of(firm_id)))
        refused = await Api(client, released.revoked_key_of(1)).get("GetCaseInfo", CaseID=1)
        assert_problem(refused, 401, "KeyRevoked")
    await app.close()
    async with migrated.read() as tx:
        firm = (await firms.load(tx, 2))[1]
        [first, *_] = in_the_dialer()
        changes = (await cases.history(tx, firm, [first]))[first]
    last = [change for change in changes if change.type is StatusType.DIALER][-1]
    assert last.status == firm.statuses.with_role(Role.DO_NOT_DIAL)
    assert last.claim_id  # the one that was opened for it


async def use(api: Api) -> None:
    """A dialer's day: claim, update a new case and one from before the migration, read, write notes."""
    due = [n for n in range(1, released.CASES_OF_A_FIRM + 1) if released.role_of(n) == Role.TO_DIAL]
    claimed = await api.post("GetCasesToDial", {"Records": 500, "Auto-change": True})
    assert [case["CaseID"] for case in claimed.json()] == due
    lately = in_the_dialer()[0]
    for case_id in (due[0], lately):  # the second by its holder, who knows of no claim
        body = {"CaseID": case_id, "Status": "Do not Dial", "Attempts": 2, "Disposition": "Successful"}
        assert (await api.post("UpdateCaseStatus", body)).status_code == 200
        shown = (await api.get("GetCaseInfo", CaseID=case_id)).json()
        assert (shown["DialerStatus"], shown["ZipCode"]) == ("Do not Dial", f"{case_id:05}")
    assert (await api.post("AddCaseNote", {"CaseID": 1, "Note": "It's new"})).status_code == 200
    by_phone = await api.post("AddCaseNoteByPhone", {"Phone": "402-555-0001", "Note": "By phone"})
    assert by_phone.status_code == 200


async def test_an_older_server_goes_on_on_the_newer_schema(migrated: Store, revision: str) -> None:
    """Its statements name the columns it knows; all others have a default."""
    rows = released.rows_of_0001()
    for table in rows:
        for row in rows[table]:
            for name in {"id", "firm_id"} & set(row):
                row[name] += 1000
            for name in [name for name in row if name.endswith("_id") and name not in ("id", "firm_id", "case_id")]:
                row[name] = row[name] and row[name] + 1000
            for name in {"name_folded"} & set(row):
                row[name] += "'"
            if "digest" in row:
                row["digest"] = row["digest"][::-1]
    async with migrated.write() as tx:
        await released.fill(tx, rows)
    async with migrated.read() as tx:
        stored = await released.stored(tx, revision)
        firm = (await firms.load(tx, 1001))[1]
        assert firm.claim_timeout == 24 * 60 * 60
        scopes = (await tx.execute(sa.text("SELECT DISTINCT scopes FROM keys"))).scalars().all()
    assert scopes == ["dial update note read"]
    assert len(stored["cases"]) == 2 * len(released.FIRMS) * released.CASES_OF_A_FIRM
    assert await adopt(migrated) == 2 * len(released.FIRMS) * len(in_the_dialer())  # its claims get one, too
    async with migrated.write() as tx:
        later = datetime.now(UTC) + timedelta(hours=23)
        assert all(until and until > later for _, _, until in (await holds(tx, 1001)).values())


async def test_a_server_goes_on_when_the_schema_moves_ahead_of_it(
    http: httpx.AsyncClient, api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses to start on one, but a newer casedial that migrates while it runs does not stop it."""
    monkeypatch.setattr(probes, "READY_SECONDS", PATIENCE)
    async with store.write() as tx:
        await tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    ready = await http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["revision"] == "9999"
    assert "newer casedial" in ready.json()["detail"]
    assert (await api.get("GetCasesToDial")).status_code == 200


# Numbers as they were entered, what a casedial of revision 0007 stored for each, and what is stored since.
NUMBERS = {
    901: ("+65 9234 5678", ["6592345678"], ["+6592345678"]),
    902: ("(+65) 9234 5679", ["6592345679"], ["+6592345679"]),
    903: ("4.0255501E+09", ["4025550109"], []),
    904: ("4025550159 / 4025550160", [], ["4025550159", "4025550160"]),
    905: ("+1 (402) 555-0161 x9", ["4025550161"], ["4025550161"]),
    906: ("0000000000", ["0000000000"], ["0000000000"]),
    907: ("+44 20 7946 0958", [], ["+442079460958"]),
}


async def test_keys_that_were_made_of_a_number_abroad_are_made_anew(empty_url: str) -> None:
    """What a list kept from being called it still does."""
    store = Store(empty_url)
    await released.make(store, "0007")
    template = released.rows_of_0001()["cases"][0]
    made: dict[str, released.Rows] = {"cases": [], "phone_numbers": [], "calls": [], "do_not_call": []}
    for case_id, (entered, before, _) in NUMBERS.items():
        made["cases"].append({**template, "case_id": case_id, "phones": [["Cell", entered, True, False]]})
        made["phone_numbers"] += [{"firm_id": 1, "number": number, "case_id": case_id} for number in before]
    at = released.START
    made["calls"] = [
        {"firm_id": 1, "number": number, "case_id": case_id, "called_at": at, "conversation": False}
        for number, case_id in (("6592345679", 902), ("4025550161", 905), ("6592345679", 1))
    ]
    listed = {"firm_id": 1, "listed_on": at.date(), "source": "letter"}
    made["do_not_call"] = [{**listed, "number": number} for number in ("6592345678", "6592345679", "4025550161")]
    async with store.write() as tx:
        await released.fill(tx, made)
    await schema.migrate(store)
    async with store.read() as tx:
        rows = (await tx.execute(sa.text("SELECT case_id, number FROM phone_numbers WHERE case_id > 900"))).all()
        called = (await tx.execute(sa.text("SELECT case_id, number FROM calls"))).all()
        numbers = (await tx.execute(sa.text("SELECT number, source FROM do_not_call"))).all()
        firm = (await firms.load(tx, 1))[1]
    await store.close()
    found = {case_id: sorted(number for n, number in rows if n == case_id) for case_id in NUMBERS}
    assert found == {case_id: after for case_id, (_, _, after) in NUMBERS.items()}
    assert sorted(map(tuple, called)) == [(1, "6592345679"), (902, "+6592345679"), (905, "4025550161")]
    # 901 was not kept from being called, for it begins with a +: the entry is of the US number.
    assert sorted(map(tuple, numbers)) == [
        (number, "letter") for number in ("+6592345679", "4025550161", "6592345678", "6592345679")
    ]
    assert not any(campaign.abroad for campaign in firm.campaigns.values())


@pytest.mark.parametrize("is_begun", [False, True], ids=["at once", "taken up"])
async def test_who_and_why_of_older_rows_is_read_out_of_them(empty_url: str, is_begun: bool) -> None:
    """Nothing is rewritten: neither name nor words change, and the new columns stay empty."""
    store = Store(empty_url)
    await released.make(store, "0014")
    told = [
        ("Acme Dialer", None),
        ("Acme Dialer", "released by the dialer"),
        ("casedial", "claim ran out unanswered"),
        ("casedial", "retry policy: 2 of 3"),
        ("casedial", "retry policy: tried again 3 times already"),
        ("import", None),
        ("root (command line)", None),
    ]
    row = {"firm_id": 1, "case_id": 999, "type": 1, "changed_at": released.START}
    owners = [("Acme Dialer", 1), ("Acme Dialer", None), ("import", None)]
    made: dict[str, released.Rows] = {
        "status_history": [{**row, "changed_by": by, "reason": reason} for by, reason in told],
        "claims": [
            {"id": f"{number:032}", "firm_id": 1, "vendor": vendor, "key_id": key_id, "case_ids": [1]}
            | {"created_at": released.START}
            for number, (vendor, key_id) in enumerate(owners)
        ],
        "phone_changes": [{"firm_id": 1, "case_id": 1, "changed_at": released.START, "changed_by": "import"}],
    }
    async with store.write() as tx:
        await released.fill(tx, made)
        if is_begun:  # killed after the first column of the first table
            await tx.execute(sa.text("ALTER TABLE status_history ADD COLUMN reason_code SMALLINT"))
    await schema.migrate(store)
    async with store.read() as tx:
        firm = (await firms.load(tx, 1))[1]
        history = (await cases.history(tx, firm, [999]))[999]
        found = await leases.find(tx, firm, [UUID(f"{number:032}") for number in range(len(owners))])
        empty = sa.select(sa.func.count()).where(status_history.c.actor_kind.is_not(None))
        assert (await tx.execute(empty)).scalar_one() == 0
        [phone] = await phone_changes.of_cases(tx, firm, [1])
        noted = await notes.of_cases(tx, firm, range(1, released.CASES_OF_A_FIRM + 1))
    await store.close()
    assert [(change.changed_by, change.reason) for change in history] == told
    assert [(change.actor.kind, change.reason_code, change.why and change.why.number) for change in history] == [
        (ActorKind.KEY, None, None),
        (ActorKind.KEY, ReasonCode.RELEASED, None),
        (ActorKind.CASEDIAL, ReasonCode.RAN_OUT, None),
        (ActorKind.POLICY, ReasonCode.RETRY, 2),
        (ActorKind.POLICY, ReasonCode.GIVEN_UP, None),
        (ActorKind.IMPORT, None, None),
        (ActorKind.COMMAND_LINE, None, None),
    ]
    assert [found[id_].actor for id_ in sorted(found)] == [
        Actor(ActorKind.KEY, "Acme Dialer", 1),
        Actor(ActorKind.KEY, "Acme Dialer"),
        IMPORT,
    ]
    assert phone.actor == IMPORT
    assert noted
    assert all(note.actor.kind is ActorKind.KEY for note in noted)
