"""casedial purge: what is over goes, what says how things are stays, and no firm loses what another one keeps."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store, Transaction
from casedial.database.tables import cases as cases_table
from casedial.database.tables import claims as claims_table
from casedial.database.tables import idempotency as replies_table
from casedial.database.tables import notes as notes_table
from casedial.database.tables import status_history
from casedial.domain.cases import Note, StatusChange
from casedial.domain.claims import Claim
from casedial.domain.dialing import CaseUpdate, DialQuery, periods
from casedial.domain.firms import Caller
from casedial.domain.statuses import StatusType
from casedial.service import dialing
from casedial.storage import cases, claims, notes, retention
from tests.cli.test_commands import Casedial
from tests.conftest import Office, vendor

TODAY = datetime.now(UTC)
CUTOFF = TODAY - timedelta(days=90)
# Half a day apart from the cutoff, however many days later, for a run of all tests may take a while.
LONG_AGO = TODAY - timedelta(days=200, hours=12)


async def purge(casedial: Casedial, *arguments: str, status: int = 0) -> Any:
    return await asyncio.to_thread(casedial.json, "purge", *arguments, status=status)


async def fill(office: Office, seed: int, case_ids: range) -> None:
    """Give cases a history, notes and claims that begin long ago and end today."""
    chance = random.Random(seed)
    firm = await office.firm()
    lists = [firm.statuses.of(kind) for kind in (StatusType.DIALER, StatusType.DISPOSITION, StatusType.ATTEMPTS)]
    changes, written, made = [], [], []
    for case_id in case_ids:
        await office.add(case_id)
        at = LONG_AGO
        for number in range(chance.randrange(9)):
            at += timedelta(days=chance.randrange(40), minutes=1)
            claim_id = None
            if chance.random() < 0.3:
                claim_id = uuid4()
                made.append(Claim(claim_id, vendor(), (case_id, case_id + 1), at, None))
            status = chance.choice(chance.choice(lists))
            changes.append(StatusChange(case_id, status.type, status, None, at, vendor(), claim_id))
            written.append(Note(case_id, f"note {number}", vendor(), at))
    chance.shuffle(written)
    async with office.store.write() as tx:
        await cases.record(tx, firm, changes)
        await notes.add(tx, firm, written)
        await claims.add(tx, firm, made)


async def everything(store: Store, office: Office) -> dict[str, list[Any]]:
    """Every row of a firm in the tables that a purge knows."""
    firm = await office.firm()
    async with store.read() as tx:
        return {
            table.name: [
                tuple(row)
                for row in await tx.execute(table.select().where(table.c.firm_id == firm.id).order_by(table.c.id))
            ]
            for table in (status_history, notes_table, claims_table)
        }


async def caller(office: Office) -> Caller:
    async with office.store.read() as tx:
        key_id = (await tx.execute(sa.text("SELECT min(id) FROM keys"))).scalar_one()
    return Caller(await office.firm(), vendor("Acme Dialer", key_id))


@pytest.mark.parametrize("page", [3, 2000])
@pytest.mark.parametrize("seed", range(2))
async def test_what_is_over_goes_and_what_is_stays(
    casedial: Casedial, office: Office, store: Store, seed: int, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", page)
    await fill(office, seed, range(1, 30))
    shown = [casedial.json, "cases", "show"]
    before = {n: await asyncio.to_thread(*shown, n, "--firm", office.name) for n in range(1, 30, 7)}
    old = await everything(store, office)
    expected = {
        case_id: [p.change for p in periods(await office.changes(case_id)) if p.until is None or p.until > CUTOFF]
        for case_id in range(1, 30)
    }

    said = await purge(casedial, "--older-than", "90d")
    assert said["done"] is False
    assert await everything(store, office) == old
    done = await purge(casedial, "--older-than", "90d", "--yes")
    assert done["firms"][0] | {"before": ""} == said["firms"][0] | {"before": ""}

    left = await everything(store, office)
    for table, name in (("status_history", "history"), ("notes", "notes"), ("claims", "claims")):
        assert len(old[table]) - len(left[table]) == done["firms"][0][name] > 0
    assert {case_id: await office.changes(case_id) for case_id in expected} == expected
    kept = [note.created_at for case_id in expected for note in await office.notes(case_id)]
    assert min(kept) > CUTOFF
    for case_id, was in before.items():
        now = await asyncio.to_thread(*shown, case_id, "--firm", office.name)
        for document in (was, now):
            document["notes"] = []
            document["history"] = [period for period in document["history"] if period["until"] is None]
        assert now == was
    again = await purge(casedial, "--older-than", "90d", "--yes")
    assert [again["firms"][0][name] for name in ("history", "notes", "claims")] == [0, 0, 0]


async def test_ended_half_way_the_next_one_goes_on(
    casedial: Casedial, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(office, 7, range(1, 30))
    whole = await purge(casedial, "--older-than", "90d")
    with monkeypatch.context() as broken:
        broken.setattr(retention, "PAGE", 10)
        calls = []
        remove = retention.remove

        async def fail_later(tx: Transaction, *arguments: Any) -> int:
            calls.append(arguments)
            removed = await remove(tx, *arguments)
            if len(calls) == 4:
                raise OSError(5, "the disk is gone")
            return removed

        broken.setattr(retention, "remove", fail_later)
        report = await purge(casedial, "--older-than", "90d", "--yes", status=1)
        assert report["error"]["code"] == "EndedHalfway"
        assert "Until then 30 rows were removed." in report["error"]["message"]
    rest = await purge(casedial, "--older-than", "90d", "--yes")
    sums = [sum(report["firms"][0][kind] for kind in ("claims", "history", "notes")) for report in (whole, rest)]
    assert 0 < sums[1] < sums[0]
    assert (await purge(casedial, "--older-than", "90d"))["firms"][0]["history"] == 0


async def claim_long_ago(office: Office, records: int) -> UUID:
    async with office.store.write() as tx:
        query = DialQuery(None, None, records, True)
        _, claim = await dialing.get_cases_to_dial(tx, await caller(office), query, LONG_AGO)
    assert claim
    return claim.id


async def test_what_a_held_claim_needs_stays(casedial: Casedial, office: Office, store: Store) -> None:
    """A dialer that repeats a report under a claim is told that it is done, as long as the claim holds any case."""
    await office.set(claim_timeout=0)
    for case_id in (1, 2, 3):
        await office.add(case_id, dial_at=LONG_AGO)
    claim_id = await claim_long_ago(office, 2)
    report = [CaseUpdate(1, "Do not Dial", LONG_AGO + timedelta(hours=1), None, "Successful")]

    async def send(items: list[CaseUpdate], at: datetime, fence: UUID | None = claim_id) -> list[Any]:
        async with store.write() as tx:
            return (await dialing.update_case_status(tx, await caller(office), items, at, fence))[0]

    assert await send(report, LONG_AGO + timedelta(hours=1)) == [None]
    assert await send([CaseUpdate(1, "To Dial")], LONG_AGO + timedelta(hours=2), None) == [None]
    done = await purge(casedial, "--older-than", "90d", "--yes")
    assert (done["firms"][0]["claims"], done["firms"][0]["history"]) == (0, 0)
    assert await send(report, TODAY) == [None]  # already done
    hold = (await office.case(2)).hold
    assert hold
    assert hold.claim_id == claim_id

    assert await send([CaseUpdate(2, "Do not Dial")], TODAY) == [None]
    done = await purge(casedial, "--older-than", "90d", "--yes")
    assert (done["firms"][0]["claims"], done["firms"][0]["history"]) == (0, 0)
    assert await send([CaseUpdate(2, "Do not Dial")], TODAY) == [None]  # done a moment ago, and repeated

    async with store.write() as tx:  # that was long ago, too
        await tx.execute(status_history.update().where(status_history.c.case_id == 2).values(changed_at=LONG_AGO))
    done = await purge(casedial, "--older-than", "90d", "--yes")
    assert (done["firms"][0]["claims"], done["firms"][0]["history"]) == (1, 3)
    assert [error.code for error in await send(report, TODAY)] == ["ClaimLost"]


async def test_a_case_in_the_dialer_without_a_claim_keeps_its_history(
    casedial: Casedial, office: Office, store: Store
) -> None:
    """Whoever finds it reads there from which dial time it came."""
    await office.add(1, dial_at=LONG_AGO)
    firm = await office.firm()
    dialer = firm.statuses.of(StatusType.DIALER)
    changes = [
        StatusChange(1, StatusType.DIALER, status, LONG_AGO, LONG_AGO + timedelta(hours=hour), vendor("old"))
        for hour, status in enumerate((dialer[0], dialer[1]))
    ]
    async with store.write() as tx:
        await cases.record(tx, firm, changes)
        await tx.execute(cases_table.update().values(dialer_status_id=dialer[1].id, dialer_role=2))
    assert (await purge(casedial, "--older-than", "90d", "--yes"))["firms"][0]["history"] == 0
    async with store.write() as tx:
        await tx.execute(cases_table.update().values(dialer_status_id=dialer[0].id, dialer_role=1))
    assert (await purge(casedial, "--older-than", "90d", "--yes"))["firms"][0]["history"] == 1


async def test_each_firm_keeps_as_long_as_it_says(
    casedial: Casedial, office: Office, other_office: Office, store: Store
) -> None:
    await fill(office, 1, range(1, 12))
    await fill(other_office, 2, range(1, 12))
    both = await everything(store, office), await everything(store, other_office)
    for_ever = await purge(casedial, "--yes")
    assert for_ever == {"done": True, "firms": [], "kept_forever": [office.name, other_office.name], "replies": 0}

    await office.set(retention_days=90)
    done = await purge(casedial, "--yes")
    assert done["kept_forever"] == [other_office.name]
    assert [firm["name"] for firm in done["firms"]] == [office.name]
    before = datetime.now(UTC) - timedelta(days=90)
    assert abs(datetime.fromisoformat(done["firms"][0]["before"]) - before) < timedelta(minutes=1)
    assert await everything(store, other_office) == both[1]
    assert await everything(store, office) != both[0]

    named = await purge(casedial, "--firm", other_office.name.upper(), "--older-than", "12w")
    assert [firm["name"] for firm in named["firms"]] == [other_office.name]
    assert named["firms"][0]["notes"] > 0
    text = (await asyncio.to_thread(casedial.run, "purge")).stdout
    for expected in ("These firms keep everything: Other & Sons.", "Nothing was changed; add --yes", office.name):
        assert expected in text
    missing = await purge(casedial, "--firm", "Nobody", status=1)
    assert missing["error"]["code"] == "FirmNotFound"


async def test_replies_go_after_a_day(casedial: Casedial, office: Office, store: Store) -> None:
    key_id = (await caller(office)).key_id
    row = {"key_id": key_id, "fingerprint": b"", "status": 200, "headers": {}, "body": b"{}"}
    async with store.write() as tx:
        for number, hours in enumerate((23, 25, 30)):
            at = datetime.now(UTC) - timedelta(hours=hours)
            await tx.execute(replies_table.insert().values(row | {"digest": bytes([number]), "created_at": at}))
    assert (await purge(casedial))["replies"] == 2
    assert (await purge(casedial, "--firm", office.name, "--yes"))["replies"] == 2
    async with store.read() as tx:
        assert [reply.digest for reply in await tx.execute(replies_table.select())] == [b"\x00"]


@pytest.mark.parametrize("age", ["", "0d", "23h", "-1", "1.5d", "90 moons", "36501d", "9" * 30])
def test_an_age_that_cannot_be_one(age: str, tmp_path: Path) -> None:
    Casedial(f"sqlite:///{tmp_path / 'x.db'}", tmp_path).run("purge", f"--older-than={age}", status=2)


@pytest.mark.parametrize(("age", "days"), [("90", 90), ("90d", 90), ("2W", 14), ("36h", 1.5)])
async def test_ages(age: str, days: float, casedial: Casedial, office: Office) -> None:
    before = datetime.fromisoformat((await purge(casedial, "--older-than", age))["firms"][0]["before"])
    assert abs(datetime.now(UTC) - timedelta(days=days) - before) < timedelta(minutes=1)
