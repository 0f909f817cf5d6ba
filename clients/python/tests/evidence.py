"""What the server has of what dialers reported, compared with what these wrote down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from uuid import UUID

from clients.python.tests.dialer import EPOCH
from tests.conftest import Office

from casedial.domain.statuses import StatusType
from casedial.storage import cases, notes

WORDS = ("reporting", "reported", "noting", "noted")


@dataclass
class Evidence:
    """What the server has: how often each report and each note, and the cases that each claim still holds."""

    reports: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: Counter[UUID] = field(default_factory=Counter)

    @classmethod
    async def of(cls, office: Office, count: int) -> Evidence:
        found, firm = cls(), await office.firm()
        for start in range(1, count + 1, 500):
            ids = range(start, min(start + 500, count + 1))
            async with office.store.read() as tx:
                history = await cases.history(tx, firm, ids)
                noted = await notes.of_cases(tx, firm, ids)
                there = await cases.these(tx, firm, ids)
            for change in chain.from_iterable(history.values()):
                if change.type is StatusType.DIALER and change.dial_at and change.dial_at >= EPOCH:
                    found.reports[str(change.case_id), change.dial_at.isoformat()] += 1
            found.notes.update((str(note.case_id), note.text.removeprefix("note ")) for note in noted)
            found.held.update(case.hold.claim_id for case in there.values() if case.hold)
        return found

    def judge(self, journal: Path) -> int:
        """Compare with what the dialers wrote down; return how many reports and notes there were."""
        lines = [tuple(line.split()) for line in journal.read_text().splitlines()]
        told = {word: {(case, mark) for said, case, mark in lines if said == word} for word in WORDS}
        for made, asked, counted in (("reported", "reporting", self.reports), ("noted", "noting", self.notes)):
            assert told[made] <= counted.keys(), "lost"
            assert counted.keys() <= told[asked], "from nowhere"
            assert set(counted.values()) == {1}, "twice"
        assert max(self.held.values(), default=0) <= 1, "not given back"
        return len(told["reported"]) + len(told["noted"])
