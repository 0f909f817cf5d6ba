"""The checker is only worth something if it cries out: one fault of each kind is planted in a good history."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos import office, snapshot
from tests.chaos.checker import check
from tests.chaos.evidence import Evidence, read_journals, read_tables
from tests.chaos.history import ACME, BELL, START, History, done, good, refused, wire
from tests.chaos.verdict import (
    ACKNOWLEDGED,
    FEED_ONCE,
    FEED_ORDER,
    GRANTED,
    LATE,
    LEASES,
    PROMISES,
    RECORDS,
    REPEATS,
    REPLIES,
    SOUND,
    TWICE,
    UNACKNOWLEDGED,
    UNASKED,
)


def test_a_good_history_is_good() -> None:
    verdict = check(good().evidence())
    assert verdict.faults == {}
    assert {promise for promise in PROMISES if not verdict.counted[promise]} == set()


def drop(rows: list[dict[str, object]], *unwanted: dict[str, object]) -> None:
    rows[:] = [row for row in rows if row not in unwanted]


# --- The faults ---


def claimed_by_two(history: History) -> None:
    """Bell's claim gets case 1 while Acme's holds it, as the history has it."""
    for row in history.of(1, "c2"):
        row["changed_at"] -= 2.5


def held_by_two(history: History) -> None:
    """Bell hears of its claim of case 1 before Acme reports it: the history was written over."""
    history.move_reply("b1", 10.5)


def held_by_two_after_an_answer(history: History) -> None:
    """A case that somebody was dialed for goes to another after the lease."""
    history.send("x", 15.5, "GetCasesToDial", {"Records": 1, "Auto-change": True}, BELL)
    history.claim("cx", 15.6, 16, BELL, 2)
    history.got("x", 15.7, [{"CaseID": 2}], x_claim_id="cx", x_claim_expires=wire(16))


def more_than_records(history: History) -> None:
    history.sending("a1")["body"]["Records"] = 1


def half_a_claim(history: History) -> None:
    drop(history.rows, *history.of(4, "c3"))


def a_granted_claim_is_gone(history: History) -> None:
    history.reply("a1")["headers"]["x-claim-id"] = "c9"


def a_claim_nobody_asked_for(history: History) -> None:
    history.claim("cx", 30, 35, ACME, 2)
    history.change(2, 35.5, "casedial", "cx", dial_at=-902, dialer=1)


def a_lost_claim_that_was_taken_twice(history: History) -> None:
    """One request, repeated with its key, made two claims."""
    history.claim("cx", 24.1, 29, ACME, 4)
    history.change(4, 29.3, "casedial", "cx", dial_at=-904, dialer=1)
    drop(history.rows, *[row for row in history.of(4) if row["changed_at"] == START + 25.05])


def stranded(history: History) -> None:
    drop(history.rows, history.of(3, "c4")[-1])
    history.held[3] = {"claim_id": "c4", "held_until": START + 29}


def stranded_for_ever(history: History) -> None:
    drop(history.rows, history.of(3, "c4")[-1])
    history.held[3] = {"claim_id": "c4", "held_until": None}


def back_too_late(history: History) -> None:
    history.of(3, "c4")[-1]["changed_at"] = START + 39


def back_twice(history: History) -> None:
    history.change(3, 29.4, "casedial", "c4", dial_at=0, dialer=1)


def back_though_answered(history: History) -> None:
    history.change(2, 15.2, "casedial", "c1", dial_at=0, dialer=1)


def back_at_another_time(history: History) -> None:
    history.of(1, "c2")[-1]["dial_at"] = START + 18


def refused_while_it_held(history: History) -> None:
    history.reply("a4").update(status=409, body=json.dumps(refused(2)))
    history.lines = [line for line in history.lines if line["request"] != "a3"]
    for row in [*history.of(2, "c1")[1:]]:
        drop(history.rows, row)
    history.held[2] = {"claim_id": "c1", "held_until": START + 60}


def a_lost_write(history: History) -> None:
    drop(history.rows, *[row for row in history.of(2, "c1") if row["changed_at"] == START + 20.05])
    history.held[2] = {"claim_id": "c1", "held_until": None, "answered_at": START + 12}


def a_lost_answer(history: History) -> None:
    drop(history.rows, history.of(2, "c1")[1])


def half_a_write(history: History) -> None:
    drop(history.rows, *[row for row in history.of(1, "c1") if row["type"] == 2])


def another_write_than_sent(history: History) -> None:
    next(row for row in history.of(1, "c1") if row["type"] == 4)["status_id"] = 20


def a_write_under_another_name(history: History) -> None:
    for row in history.of(1, "c1")[1:]:
        row["changed_by"] = BELL[0]


def half_an_unacknowledged_write(history: History) -> None:
    drop(history.rows, *[row for row in history.of(4) if row["changed_at"] == START + 25.05 and row["type"] == 4])


def the_other_half(history: History) -> None:
    drop(history.rows, *[row for row in history.of(4) if row["changed_at"] == START + 25.05 and row["type"] == 1])


def a_lost_note(history: History) -> None:
    drop(history.notes, *[note for note in history.notes if note["text"] == "at 30"])


def a_note_lost_on_one_case(history: History) -> None:
    drop(history.notes, {"case_id": 2, "text": "one", "author": ACME[0]})


def half_an_unacknowledged_note(history: History) -> None:
    drop(history.notes, {"case_id": 2, "text": "two", "author": BELL[0]})


def a_note_twice(history: History) -> None:
    history.note("at 30", ACME, 3)


def a_note_twice_by_a_repeat(history: History) -> None:
    history.note("one", ACME, 1, 2)


def an_update_twice_by_a_repeat(history: History) -> None:
    history.change(1, 11.4, ACME[0], None, dial_at=-901, dialer=1, attempts=21, disposition=11)


def other_bytes_for_a_repeat(history: History) -> None:
    history.reply("n1", 1)["body"] += " "


def another_status_for_a_repeat(history: History) -> None:
    history.reply("a2", 2).update(status=409, body=json.dumps(refused(1)))


def another_header_for_a_repeat(history: History) -> None:
    history.reply("n1", 1)["headers"]["x-ignored-parameters"] = "Color"


def late_and_yet_made(history: History) -> None:
    """Nobody held the case when the late report came."""
    history.change(1, 21.05, BELL[0], "c2", dial_at=-903, dialer=3)


def late_and_overwritten(history: History) -> None:
    """The late report came when another held the case, and took it away."""
    for line in history.lines:
        if line["request"] == "b2":
            line["at"] += 4
    history.change(1, 25.05, BELL[0], "c3", dial_at=-903, dialer=3)
    del history.held[1]


def late_and_acknowledged(history: History) -> None:
    history.reply("b2").update(status=200, body=json.dumps(done(1)))
    history.change(1, 21.05, BELL[0], "c2", dial_at=-903, dialer=3)


def a_lost_release(history: History) -> None:
    drop(history.rows, *[row for row in history.of(4, "c3") if row["status_id"] == 1])


def a_late_release(history: History) -> None:
    history.reply("b4").update(status=409, body=json.dumps(refused(4)))


def a_change_nobody_sent(history: History) -> None:
    history.change(3, 35, ACME[0], None, dial_at=-905, dialer=3)


def a_note_nobody_sent(history: History) -> None:
    history.note("five", ACME, 1)


def a_fault_of_the_server(history: History) -> None:
    history.reply("a7-30").update(status=500, body=json.dumps({"code": "InternalError"}))


def unavailable_without_a_time(history: History) -> None:
    history.reply("n4")["headers"].clear()


def refused_without_a_claim(history: History) -> None:
    history.reply("a7-30").update(status=409, body=json.dumps(refused(3)))


def a_corrupt_database(history: History) -> None:
    history.integrity = "row 7 missing from index"


def a_case_unlike_its_history(history: History) -> None:
    history.overrides[2] = {"disposition_id": None}


def in_the_dialer_without_a_claim(history: History) -> None:
    history.overrides[1] = {"claim_id": None}


def an_event_too_few(history: History) -> None:
    del history.feeds()["reader-1"][5]


def an_event_twice(history: History) -> None:
    events = history.feeds()["reader-1"]
    events.insert(9, events[7])


def an_event_of_nothing(history: History) -> None:
    events = history.feeds()["reader-0"]
    events.append({**events[0], "ID": "h999", "After": {}})


def two_orders(history: History) -> None:
    events = history.feeds()["reader-1"]
    events[0], events[2] = events[2], events[0]  # of two cases


def a_case_out_of_order(history: History) -> None:
    for events in history.feeds().values():
        places = [n for n, event in enumerate(events) if event["CaseID"] == 1 and "DialerStatus" in event["After"]]
        events[places[1]], events[places[2]] = events[places[2]], events[places[1]]


def an_end_that_is_not_the_cases(history: History) -> None:
    history.feeds()
    history.overrides[2] = {"disposition_id": None}


def a_note_before_its_time(history: History) -> None:
    for events in history.feeds().values():
        places = [n for n, event in enumerate(events) if event["Note"].startswith("at ")]
        events[places[0]], events[places[1]] = events[places[1]], events[places[0]]


FAULTS: dict[Callable[[History], None], tuple[str, str]] = {
    claimed_by_two: (TWICE, "case 1 went to claim c2 while c1 held it"),
    held_by_two: (TWICE, "case 1 was held by c1 and by c2"),
    held_by_two_after_an_answer: (TWICE, "case 2 was held by c1 and by cx"),
    more_than_records: (RECORDS, "a1 asked for 1 cases and got 2"),
    half_a_claim: (RECORDS, "claim c3 moved other cases"),
    a_granted_claim_is_gone: (GRANTED, "a1 was granted claim c9"),
    a_claim_nobody_asked_for: (GRANTED, "claim cx of key 1 is there, but no request explains it"),
    a_lost_claim_that_was_taken_twice: (GRANTED, "claim cx of key 1 is there, but no request explains it"),
    stranded: (LEASES, "case 3 is stranded: its lease ended 11.0 s ago"),
    stranded_for_ever: (LEASES, "case 3 is stranded: In the Dialer for ever"),
    back_too_late: (LEASES, "case 3 came back 10 s after its lease"),
    back_twice: (LEASES, "casedial changed case 3 under claim c4 while nobody held it"),
    back_though_answered: (LEASES, "case 2 was answered and yet returned"),
    back_at_another_time: (LEASES, "case 1 came back at another dial time"),
    refused_while_it_held: (LEASES, "a4 was told that claim c1 is lost, which held case 2"),
    a_lost_write: (ACKNOWLEDGED, "a4's update of case 2 was acknowledged and is not there"),
    a_lost_answer: (ACKNOWLEDGED, "a3's update of case 2 was acknowledged and is not there"),
    half_a_write: (ACKNOWLEDGED, "a2's update of case 1 is there by half"),
    another_write_than_sent: (ACKNOWLEDGED, "a2's update of case 1 is there by half, or other than sent"),
    a_write_under_another_name: (ACKNOWLEDGED, "a2's update of case 1 is there by half, or other than sent"),
    half_an_unacknowledged_write: (UNACKNOWLEDGED, "a6's update of case 4 is there by half"),
    the_other_half: (UNACKNOWLEDGED, "of case 4 by Acme Dialer under claim None is half of what was sent"),
    a_lost_note: (ACKNOWLEDGED, "a7-30's note 'at 30' was acknowledged and is not there"),
    a_note_lost_on_one_case: (ACKNOWLEDGED, "n1's note 'one' is on some of its cases only: missing on [2]"),
    half_an_unacknowledged_note: (UNACKNOWLEDGED, "n2's note 'two' is on some of its cases only: missing on [2]"),
    a_note_twice: (ACKNOWLEDGED, "a7-30's note 'at 30' is there more than once"),
    a_note_twice_by_a_repeat: (REPEATS, "n1's note 'one' is there more than once"),
    an_update_twice_by_a_repeat: (REPEATS, "a2's update of case 1 is there 2 times"),
    other_bytes_for_a_repeat: (REPEATS, "n1 (AddCaseNote) was answered"),
    another_status_for_a_repeat: (REPEATS, "a2 (UpdateCaseStatus) was answered"),
    another_header_for_a_repeat: (REPEATS, "n1 (AddCaseNote) was answered"),
    late_and_yet_made: (LATE, "b2's update of case 1 was refused (ClaimLost) and yet made"),
    late_and_overwritten: (LATE, "b2's update of case 1 was refused (ClaimLost) and yet made"),
    late_and_acknowledged: (LATE, "Bell Calls changed case 1 under claim c2 while nobody held it"),
    a_lost_release: (ACKNOWLEDGED, "the release of case 4 by claim c3 was acknowledged and is not there"),
    a_late_release: (LATE, "the release of case 4 by claim c3 was refused and yet made"),
    a_change_nobody_sent: (UNASKED, "nobody sent the change {1: 3} of case 3 by Acme Dialer"),
    a_note_nobody_sent: (UNASKED, "nobody sent the note 'five'"),
    a_fault_of_the_server: (REPLIES, "a7-30 (AddCaseNote) got 500"),
    unavailable_without_a_time: (REPLIES, "n4 (AddCaseNote) got 503"),
    refused_without_a_claim: (REPLIES, "a7-30 (AddCaseNote) got 409"),
    an_event_too_few: (FEED_ONCE, "reader-1 did not get ('h6', 3)"),
    an_event_twice: (FEED_ONCE, "reader-1 got event h8 2 times"),
    an_event_of_nothing: (FEED_ONCE, "reader-0 got ('h999', 1), which is not there"),
    two_orders: (FEED_ORDER, "reader-1 got another order than the first reader from event 0 on"),
    a_case_out_of_order: (FEED_ORDER, "says that case 1 had DialerStatus 'In the Dialer', and it had 'To Dial'"),
    an_end_that_is_not_the_cases: (FEED_ORDER, "by the feed case 2 has Disposition 'Busy', and it has None"),
    a_note_before_its_time: (FEED_ORDER, "comes behind what was sent after its answer"),
    a_corrupt_database: (SOUND, "the database says of itself: row 7 missing from index"),
    a_case_unlike_its_history: (SOUND, "case 2 has disposition_id None, its history says 11"),
    in_the_dialer_without_a_claim: (SOUND, "case 1 is In the Dialer without a claim"),
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_named(plant: Callable[[History], None]) -> None:
    promise, words = FAULTS[plant]
    history = good()
    plant(history)
    verdict = check(history.evidence())
    assert any(words in fault for fault in verdict.faults[promise]), dict(verdict.faults)


def test_every_promise_has_a_fault_that_breaks_it() -> None:
    assert {promise for promise, _ in FAULTS.values()} == set(PROMISES)


def test_the_checker_and_the_dialers_know_nothing_of_casedial() -> None:
    modules = ("checker", "snapshot", "dialer", "drills", "proxy", "reader")
    imports = "; ".join(f"import tests.chaos.{module}" for module in modules)
    code = f"{imports}; import sys; print([m for m in sys.modules if m.partition('.')[0] == 'casedial'])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_line_that_was_cut_off_counts_as_not_written(tmp_path: Path) -> None:
    lines = [json.dumps(line) for line in good().lines if line["request"] == "a2"]
    journal = tmp_path / "dialer.jsonl"
    journal.write_text("\n".join([*lines[:3], lines[3][:40]]))
    (asked,) = read_journals([journal])
    assert [attempt.status for attempt in asked.attempts] == [None, None]


async def test_a_copy_of_the_tables_can_be_judged(empty_url: str) -> None:
    keys = await office.make(empty_url, 2)
    tables = read_tables(await asyncio.to_thread(snapshot.take, empty_url))
    verdict = check(Evidence([], tables))
    assert verdict.is_good
    assert verdict.counted[SOUND] == sum(count for _, count, _ in office.CAMPAIGNS.values())
    assert {key["vendor"] for key in keys} == {*office.VENDORS[:2], office.READER}
