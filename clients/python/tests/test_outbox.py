"""The outbox, and what its courier does where things go wrong. None of it depends on the server's database."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clients.python.tests.conftest import fill
from clients.python.tests.odd import DONE, LOST, Asked, Odd, Says, refusal
from tests.conftest import Office
from tests.servers import Server
from tests.waiting import PATIENCE, until, wait_until

from casedial_client import AsyncClient, CaseNote, CaseUpdate, Client, Outbox, errors
from casedial_client.outbox import Entry

LATER = datetime(2031, 5, 6, 14, 0, tzinfo=UTC)


async def test_a_task_that_is_cancelled_gives_back(server: Server, office: Office, file: Path) -> None:
    await fill(office, 3)
    async with AsyncClient(server.base, key=office.key) as client:
        is_at_work = asyncio.Event()

        async def dial() -> None:
            async with client.claim(records=3, outbox=file) as claim:
                await claim.next()
                is_at_work.set()
                await asyncio.Event().wait()

        dialing = asyncio.create_task(dial())
        await until(is_at_work.is_set)
        dialing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialing
        assert [case.case_id for case in await client.get_cases_to_dial()] == [2, 3]  # the first was being worked
        with Outbox(file) as left:
            assert left.to_give_back() is None


def claimant(url: str, key: str, file: Path, answers: Any) -> None:
    try:
        with Client(url, key=key, patience=0) as client, client.claim(outbox=file):
            answers.put("claimed")
    except errors.OutboxInUse as error:
        answers.put(str(error))


async def test_an_outbox_is_of_one_process_and_one_claim(
    client: Client, server: Server, office: Office, file: Path
) -> None:
    await fill(office, 4)
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    with client.claim(records=2, outbox=file) as claim:
        with pytest.raises(errors.OutboxInUse):
            client.claim(records=2, outbox=file).__enter__()
        other = context.Process(target=claimant, args=(server.base, office.key, file, answers))
        other.start()
        assert "in use" in await asyncio.to_thread(answers.get, timeout=2 * PATIENCE)
        other.join()
        child = os.fork()
        if not child:
            try:
                claim.report(1, "Busy")
            except errors.OutboxInUse:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert len(client.get_cases_to_dial()) == 2  # who was refused has claimed nothing
        claim.report(1, "Busy", status="To Dial", next_call=LATER)
        assert claim.flush(PATIENCE)


async def test_threads_share_a_claim(client: Client, office: Office, file: Path) -> None:
    await fill(office, 40)
    with client.claim(records=40, outbox=file) as claim, ThreadPoolExecutor(8) as threads:

        def work() -> None:
            for case in claim:
                claim.report(case, "Busy", status="To Dial", next_call=LATER, attempts=case.attempts + 1)
                claim.note(case, "Busy.")

        for future in [threads.submit(work) for _ in range(8)]:
            future.result()
        assert claim.flush(PATIENCE)
    assert [len(await office.notes(case_id)) for case_id in range(1, 41)] == [1] * 40


async def test_an_outbox_is_for_one_firm_at_one_address(
    client: Client, other_office: Office, office: Office, server: Server, file: Path
) -> None:
    with Outbox(file) as outbox:
        outbox.belongs_to(f"{office.name} at {server.base}")
        outbox.add(CaseNote(1, "Private."), 0, None)
    with Client(server.base, key=other_office.key) as wrong, pytest.raises(errors.OutboxForeign, match="Lex"):
        wrong.claim(outbox=file).__enter__()
    with Outbox(file) as outbox:
        outbox.readdress()
        outbox.belongs_to("somebody else")


def test_the_file_is_the_owners_and_forgets_what_it_delivered(file: Path) -> None:
    with Outbox(file) as outbox:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        outbox.add(CaseNote(1, "Wants to sue Example Corp."), 0, None)
        entry = outbox.next_entry([])
        assert entry
        outbox.delivered(entry)
        assert outbox.next_entry([]) is None
    assert b"Example Corp" not in file.read_bytes()
    file.write_bytes(b"no database at all, but long enough to be one" * 100)
    with pytest.raises(errors.OutboxUnusable):
        Outbox(file)
    with pytest.raises(errors.OutboxUnusable):
        Outbox(file / "nowhere")


def test_results_go_in_order_for_each_case_and_one_waits_for_no_other(file: Path) -> None:
    with Outbox(file) as outbox:
        for content in (CaseUpdate(1, attempts=1), CaseNote(1, "a"), CaseUpdate(2), CaseNote(1, "b")):
            outbox.add(content, 0, "c")

        def next_of(*put_off: int) -> Entry:
            entry = outbox.next_entry(put_off)
            assert entry
            return entry

        assert next_of().content == CaseUpdate(1, attempts=1)
        assert next_of(1).content == CaseUpdate(2)
        assert outbox.next_entry([1, 2]) is None
        outbox.refuse(next_of(), errors.ClaimLost("It is."))
        assert next_of().content == CaseNote(1, "a")
        outbox.delivered(next_of())
        outbox.delivered(next_of())
        assert next_of().content == CaseNote(1, "b")


def dial(
    odd: Odd, file: Path, work: Callable[[Any], None], so_far: Callable[[], bool] | None = None, **options: Any
) -> list[str]:
    """Claim case 7 of an odd server, do something, and return the codes of what was refused.

    Wait until all is delivered; where that is not to be, until it is ``so_far``.
    """
    with (
        Client(odd.base, key="a-key-of-16-chars", patience=0, **options) as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        if so_far:
            patch.setattr("casedial_client.claim.CLOSE_SECONDS", 0)
        with client.claim(outbox=file) as claim:
            assert claim.next()
            work(claim)
            assert wait_until(so_far) if so_far else claim.flush(PATIENCE)
            return [refused.code for refused in claim.refused()]


def answering(*replies: Says) -> Callable[[Asked], Says]:
    """Give out case 7, and answer all else with these."""
    left = list(replies)

    def answer(asked: Asked) -> Says:
        if "GetCasesToDial" in asked.path:
            return Says(body=[{"CaseID": 7, "DialerStatus": "To Dial", "DialDateTime": "2026-05-06T09:00:00"}])
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def noting(claim: Any) -> None:
    claim.note(7, "Busy.")


def test_elsewhere_a_result_that_was_perhaps_delivered_is_kept_and_told(file: Path) -> None:
    with Odd(answering(LOST, Says(body=DONE)), casedial=False) as odd:
        assert dial(odd, file, noting, time_zone="America/Chicago") == ["OutcomeUnknown"]
        assert sum("AddCaseNote" in asked.path for asked in odd.asked) == 1
    file.unlink()
    with Odd(answering(Says(503, b""), Says(body=DONE)), casedial=False) as odd:
        assert dial(odd, file, noting, time_zone="America/Chicago") == []
        assert sum("AddCaseNote" in asked.path for asked in odd.asked) == 2


def test_elsewhere_what_was_not_worked_is_set_back_as_it_was(file: Path) -> None:
    with Odd(answering(Says(body=b"")), casedial=False) as odd:
        assert dial(odd, file, lambda claim: None, time_zone="America/Chicago") == []
        item = {"CaseID": 7, "Status": "To Dial", "NextCall": "2026-05-06T09:00:00"}
        assert odd.asked[-1].body == {"Cases": [item]}


@pytest.mark.parametrize("code", ["KeyRevoked", "AddressNotAllowed"])
def test_a_key_that_is_not_taken_condemns_no_result(file: Path, code: str, caplog: pytest.LogCaptureFixture) -> None:
    with Odd(answering(refusal(401, code))) as odd:
        assert dial(odd, file, noting, lambda: "Results wait" in caplog.text) == []
    with Outbox(file) as outbox:
        assert outbox.waiting() == 1


def test_what_the_key_may_not_do_holds_up_nothing_else(file: Path) -> None:
    def both(claim: Any) -> None:
        claim.note(7, "Busy.")
        claim.report(7, "Busy")

    with Odd(answering(refusal(403, "ScopeNotAllowed"), Says(body=DONE))) as odd:
        assert dial(odd, file, both) == ["ScopeNotAllowed"]
        assert "Cases" in next(asked for asked in odd.asked if "Update" in asked.path).body


def test_a_case_that_was_released_is_not_handed_out(file: Path) -> None:
    cases = [{"CaseID": 7}, {"CaseID": 8}, {"CaseID": 9}]
    claimed = Says(body=cases, headers={"X-Claim-Id": "c-1"})
    odd = Odd(lambda asked: claimed if "GetCases" in asked.path else Says(body=DONE))
    with odd, Client(odd.base, key="a-key-of-16-chars", patience=0) as client, client.claim(outbox=file) as claim:
        claim.release(8)
        assert [case.case_id for case in claim] == [7, 9]
        assert claim.flush(PATIENCE)
        assert odd.asked[-1].body == {"ClaimID": "c-1", "CaseID": [8]}


@pytest.mark.usefixtures("soon")
def test_a_claim_that_cannot_be_extended_holds_up_no_result(file: Path) -> None:
    def answer(asked: Asked) -> Says:
        if "GetCases" in asked.path:
            return Says(body=[{"CaseID": 7}], headers={"X-Claim-Id": "c-1", "X-Claim-Expires": later})
        return refusal(500, "InternalError") if "Extend" in asked.path else Says(body=DONE)

    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    with Odd(answer) as odd, Client(odd.base, key="a-key-of-16-chars") as client, client.claim(outbox=file) as claim:
        wait_until(lambda: any("Extend" in asked.path for asked in odd.asked))
        claim.note(7, "Busy.")
        assert claim.flush(PATIENCE)


def test_a_fault_of_the_server_with_one_case_holds_up_no_other(file: Path) -> None:
    def both(claim: Any) -> None:
        claim.note(7, "Busy.")
        claim.note(8, "Busy.")

    with Odd(answering(refusal(500, "InternalError"), Says(body=DONE))) as odd:

        def noted() -> list[int]:
            return [asked.body["CaseID"] for asked in odd.asked if "Note" in asked.path]

        dial(odd, file, both, lambda: len(noted()) > 1)
        assert noted() == [7, 8]


@pytest.mark.parametrize(
    ("made_by", "hours", "code"), [("", 1, []), ("other", 1, ["OutcomeUnknown"]), ("", 25, ["OutcomeUnknown"])]
)
def test_a_note_whose_repeat_the_server_would_not_know_is_kept_and_told(
    file: Path, made_by: str, hours: int, code: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with Odd(answering(LOST)) as odd:
        dial(odd, file, noting, lambda: "Results wait" in caplog.text)
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE entries SET sent = sent - ?, sent_by = ? || sent_by", (hours * 3600, made_by))
        raw.execute("UPDATE owner SET name = 'x'")
        raw.execute("DELETE FROM owner")
    raw.close()
    with Odd(answering(Says(body=DONE))) as odd:
        assert dial(odd, file, lambda claim: None) == code


def test_a_block_that_ends_by_an_exception_keeps_what_was_being_worked(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(claim: Any) -> None:
        raise KeyboardInterrupt

    with Odd(answering(Says(body=DONE))) as odd, pytest.raises(KeyboardInterrupt):
        dial(odd, file, fail)
    assert "Cases [7] were being worked" in caplog.text
    assert not any("Release" in asked.path for asked in odd.asked)


def test_a_claim_whose_reply_was_lost_is_asked_for_again_and_given_back(file: Path) -> None:
    claimed = Says(body=[{"CaseID": 7}], headers={"X-Claim-Id": "c-1"})
    lost: list[Asked] = []

    def answer(asked: Asked) -> Says:
        if not lost:
            lost.append(asked)
            return LOST
        if "Release" in asked.path:
            return Says(body=DONE)
        return claimed if asked.headers["Idempotency-Key"] == lost[0].headers["Idempotency-Key"] else Says(body=[])

    with Odd(answer) as odd, Client(odd.base, key="a-key-of-16-chars", patience=0) as client:
        with pytest.raises(errors.OutcomeUnknown):
            client.claim(records=3, outbox=file).__enter__()
        with client.claim(records=3, outbox=file) as claim:
            assert not claim.cases
            assert claim.flush(PATIENCE)
    assert [asked.body for asked in odd.asked].count(lost[0].body) == 3
    # Behind the new claim or before it: what is to be delivered has a thread of its own.
    assert [asked.body for asked in odd.asked].count({"ClaimID": "c-1", "CaseID": [7]}) == 1


def test_a_program_that_ends_within_the_block_is_no_hang(file: Path) -> None:
    with Odd(answering(Says(body=DONE))) as odd:
        text = (
            "import sys; from casedial_client import Client\n"
            f"claim = Client({odd.base!r}, key='a-key-of-16-chars').claim(outbox={str(file)!r}).__enter__()\n"
            "claim.note(7, 'Busy.')\nsys.exit(3)\n"
        )
        done = subprocess.run([sys.executable, "-c", text], timeout=2 * PATIENCE, check=False)
    assert done.returncode == 3


def test_nothing_is_left_running() -> None:
    assert [thread.name for thread in threading.enumerate() if thread.name == "casedial-courier"] == []
    assert logging.getLogger("casedial_client").handlers == []
