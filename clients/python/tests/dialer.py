"""A dialer that writes down what it does: before each step, and after it has returned. That is the evidence."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import islice

from casedial_client import Client

EPOCH = datetime(2040, 1, 1, tzinfo=UTC)  # when cases that were reported are called next, and no others


def work(url: str, key: str, outbox: str, journal: int, records: int = 4) -> int:
    """Dial what is due once; return how many cases there were. The second and the last go back."""

    def note(*words: object) -> None:
        os.write(journal, (" ".join(map(str, words)) + "\n").encode())

    mark = int.from_bytes(os.urandom(4)) // 4  # that no other report has
    with Client(url, key=key, patience=20) as client, client.claim(records=records, outbox=outbox) as claim:
        for number, case in enumerate(islice(claim, records - 1)):
            if number == 1:
                claim.release(case)
                continue
            at = EPOCH + timedelta(seconds=mark + number)
            note("reporting", case.case_id, at.isoformat())
            claim.report(case, "No Answer", attempts=case.attempts + 1, status="To Dial", next_call=at)
            note("reported", case.case_id, at.isoformat())
            note("noting", case.case_id, mark + number)
            claim.note(case, f"note {mark + number}")
            note("noted", case.case_id, mark + number)
        claim.flush(20)
        return len(claim.cases)
