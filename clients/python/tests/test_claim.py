"""A claim and its outbox against a real server, on both databases."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clients.python.tests.conftest import fill
from tests.conftest import DATABASES, Office
from tests.servers import Server
from tests.waiting import PATIENCE, until

from casedial.domain.statuses import Role, StatusType
from casedial.service.statuses import add_statuses
from casedial_client import AsyncClient, CaseUpdate, Client, Outbox

LATER = datetime(2031, 5, 6, 14, 0, tzinfo=UTC)


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_what_is_reported_arrives_and_what_is_not_goes_back(client: Client, office: Office, file: Path) -> None:
    await fill(office, 5)
    with client.claim("Intake follow-up", records=4, outbox=file) as claim:
        assert [case.case_id for case in claim.cases] == [1, 2, 3, 4]
        for case in claim:
            if case.case_id == 3:
                break
            claim.report(case, "No Answer", attempts=case.attempts + 1, status="To Dial", next_call=LATER)
            claim.note(case, f"Left a message for {case.case_id}.")
        assert claim.flush(PATIENCE)
        assert claim.refused() == []
        assert [case.case_id for case in client.get_cases_to_dial()] == [5]
    assert [case.case_id for case in client.get_cases_to_dial()] == [3, 4, 5]
    for case_id in (1, 2):
        case = await office.case(case_id)
        assert (case.dial_at, case.statuses[StatusType.ATTEMPTS].name) == (LATER, "1")
        assert [note.text for note in await office.notes(case_id)] == [f"Left a message for {case_id}."]
    assert "released by the dialer" in {change.reason for change in await office.changes(4)}


async def test_asyncio(server: Server, office: Office, file: Path) -> None:
    await fill(office, 3)
    async with AsyncClient(server.base, key=office.key) as client, client.claim(records=3, outbox=file) as claim:
        async for case in claim:
            if case.case_id != 2:
                await claim.report(case, "Successful", status="Do not Dial", attempts=1)
        assert await claim.flush(PATIENCE)
        assert await claim.refused() == []
    assert [await office.role(case_id) for case_id in (1, 2, 3)] == [Role.DO_NOT_DIAL, Role.TO_DIAL, Role.DO_NOT_DIAL]


@pytest.mark.usefixtures("soon")
async def test_a_lease_is_extended_behind_the_dialers_back(client: Client, office: Office, file: Path) -> None:
    await fill(office, 2)
    with client.claim(records=2, outbox=file, seconds=60) as claim:
        lease = claim.cases.lease
        assert lease
        assert lease.expires_at
        time.sleep(2)  # blocks everything here but the courier

        async def are_extended() -> bool:
            held = [(await office.case(case_id)).hold for case_id in (1, 2)]
            return all(hold and hold.until and hold.until >= lease.expires_at + timedelta(seconds=1) for hold in held)

        await until(are_extended)
        for case in claim:
            claim.report(case, "Busy", status="To Dial", next_call=LATER)
        assert claim.flush(PATIENCE)
        assert claim.refused() == []


@pytest.mark.usefixtures("soon")
async def test_a_case_that_was_lost_is_not_handed_out_and_its_report_is_kept_and_told(
    client: Client, office: Office, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(office, 3)
    with client.claim(records=3, outbox=file, seconds=60) as claim:
        first = claim.next()
        assert first
        client.update_case_status(CaseUpdate(1, "Do not Dial"), CaseUpdate(2, "Do not Dial"))  # by the firm, say
        await until(lambda: "no longer" in caplog.text)  # by the extension
        assert [case.case_id for case in claim] == [3]
        claim.report(first, "Busy", status="To Dial", next_call=LATER, attempts=4)
        claim.note(first, "It was busy.")
        assert claim.flush(PATIENCE)
    assert await office.role(1) is Role.DO_NOT_DIAL
    assert [note.text for note in await office.notes(1)] == ["It was busy."]
    assert "report for case 1 was refused for good: ClaimLost" in caplog.text
    assert "busy" not in caplog.text
    with Outbox(file) as kept:
        [refused] = kept.refused()
        assert refused.content == CaseUpdate(1, "To Dial", LATER, 4, "Busy")
        assert (refused.code, bool(refused.request_id), refused.claim_id) == (
            "ClaimLost",
            True,
            claim.cases.lease and claim.cases.lease.claim_id,
        )
        kept.forget(refused)
        assert kept.refused() == []


async def test_what_was_refused_can_be_tried_again(client: Client, office: Office, file: Path) -> None:
    await fill(office, 1)
    with client.claim(outbox=file) as claim:
        for case in claim:
            claim.report(case, "No Anser", status="To Dial", next_call=LATER)
        assert claim.flush(PATIENCE)
        [refused] = claim.refused()
        assert refused.code == "UnknownStatus"
        await office_adds(office, "No Anser")
        assert claim._outbox
        claim._outbox.retry(refused)
        assert claim.flush(PATIENCE)
        assert claim.refused() == []
    assert (await office.case(1)).statuses[StatusType.DISPOSITION].name == "No Anser"


async def office_adds(office: Office, disposition: str) -> None:
    async with office.store.write() as tx:
        await add_statuses(tx, await office.firm(), [(StatusType.DISPOSITION, disposition)])


async def test_a_server_that_restarts_gets_everything_once(
    database_url: str, office: Office, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(office, 20)
    with (
        Server(database_url) as server,
        Client(server.base, key=office.key) as client,
        client.claim(records=20, outbox=file) as claim,
    ):
        for number, case in enumerate(claim):
            if number == 5:
                os.killpg(server.process.pid, signal.SIGKILL)
                server.process.wait()
            next_call = LATER + timedelta(seconds=number)
            claim.report(case, "Busy", attempts=number, status="To Dial", next_call=next_call)
            claim.note(case, f"note {number}")
        assert not claim.flush(0.5)
        server.__enter__()
        assert claim.flush(2 * PATIENCE)
    assert caplog.text.count("Results wait in") == 1
    assert "delivered again" in caplog.text
    for number in range(20):
        assert [note.text for note in await office.notes(number + 1)] == [f"note {number}"]
        dialed = [
            change for change in await office.changes(number + 1) if change.dial_at == LATER + timedelta(seconds=number)
        ]
        assert len(dialed) == 1


async def test_what_is_left_is_delivered_by_the_next_claim(
    database_url: str, office: Office, file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casedial_client.claim.CLOSE_SECONDS", 0.5)
    await fill(office, 3)
    with Server(database_url) as server, Client(server.base, key=office.key) as client:
        with client.claim(records=2, outbox=file) as claim:
            server.stop()
            for case in claim:
                claim.report(case, "Busy", status="To Dial", next_call=LATER)
                break
        assert "1 results wait" in caplog.text
        server.__enter__()
        with client.claim(outbox=file) as claim:
            assert claim.flush(PATIENCE)
    assert await office.role(1) is Role.TO_DIAL
    assert (await office.case(1)).dial_at == LATER
    assert await office.role(2) is Role.TO_DIAL
