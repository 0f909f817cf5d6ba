"""The past of the sample firm: thirty days in which dialers called, wrote down what came of it, and left notes."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from casedial.database.engine import Transaction
from casedial.domain.actors import Actor
from casedial.domain.cases import Case, Note, StatusChange
from casedial.domain.claims import Claim, Taker, enter
from casedial.domain.firms import Firm
from casedial.domain.importing import CaseRow
from casedial.domain.limits import Call
from casedial.domain.statuses import StatusType
from casedial.storage import calls, cases, claims, notes

DAYS = 30
_HOURS = range(9, 20)
# How likely somebody is reached at an hour of the day, beside the others; nobody at all otherwise.
_REACHED = (2, 5, 7, 4, 2, 3, 3, 4, 8, 9, 5)
_TRIED = ("No Answer", "Answering Machine", "Busy")
_NOTES = (
    "Left a message with the callback number.",
    "Asked to be called back after work.",
    "Spoke with the spouse; try the cell.",
    "Wants to read the retainer again before signing.",
    "Number is right, voicemail is full.",
)
_LATELY = 0.4  # of those whom anybody tried: on the last day on which that could be
_SLOT = 30 * 60  # seconds: what is claimed in one of one campaign is one claim
_QUEUE = 120  # seconds from a claim to what came of it


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a case was claimed, and what came of it; "" is what is still going on."""

    row: CaseRow
    number: int
    at: datetime
    disposition: str
    is_last: bool


@dataclass(slots=True)
class _Past:
    history: list[StatusChange] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    claims: dict[tuple[int, str, bool], tuple[UUID, datetime, list[int]]] = field(default_factory=dict)


def beginnings(rows: Sequence[CaseRow], attempts: Sequence[Attempt]) -> list[CaseRow]:
    """Return the rows as they were before anybody was called."""
    firsts: dict[int, datetime] = {}
    for attempt in attempts:
        firsts.setdefault(attempt.row.case_id, attempt.at)
    untouched = {StatusType.ATTEMPTS: "0", StatusType.DISPOSITION: "Never Dialed", StatusType.DIALER: "To Dial"}
    return [
        row._replace(statuses={**row.statuses, **untouched}, dial_at=firsts[row.case_id] - timedelta(hours=1))
        if row.case_id in firsts
        else row
        for row in rows
    ]


def attempts_of(rows: Sequence[CaseRow], now: datetime, firm: Firm) -> list[Attempt]:
    """Return what was tried, in the order in which it was."""
    chance = random.Random(2021)  # noqa: S311  # a sample, not a secret
    found: list[Attempt] = []
    for row in rows:
        is_held = row.statuses[StatusType.DIALER] == "In the Dialer"
        count = int(row.statuses[StatusType.ATTEMPTS] or 0) + is_held
        if not count:
            continue
        last = row.statuses[StatusType.DISPOSITION] or ""
        came_of_it = [chance.choice(_TRIED) for _ in range(count - 1)] + [last]
        if is_held:
            came_of_it = [*came_of_it[1:-1], last, ""] if count > 1 else [""]
        ats = _times(chance, row, came_of_it, now, firm)
        for number, (at, disposition) in enumerate(zip(ats, came_of_it, strict=True), start=1):
            found.append(Attempt(row, number, at, disposition, number == count))
    return sorted(found, key=lambda attempt: (attempt.at, attempt.row.case_id))


def _times(chance: random.Random, row: CaseRow, came_of_it: Sequence[str], now: datetime, firm: Firm) -> list[datetime]:
    """Return when each attempt was made: on different days, the last before the case is due again."""
    until = min(now, row.dial_at or now) - timedelta(hours=1)
    day = until.astimezone(firm.zone).replace(minute=0, second=0, microsecond=0)
    back = max(1, DAYS - (now - until).days - 1)
    offsets = sorted(chance.sample(range(back), len(came_of_it)), reverse=True) if back >= len(came_of_it) else []
    if offsets and chance.random() < _LATELY:
        offsets[-1] = 0
    found = []
    for index, disposition in enumerate(came_of_it):
        if not disposition:
            found.append(now - timedelta(minutes=chance.randrange(2, 20)))
            continue
        [hour] = chance.choices(_HOURS, _REACHED if disposition == "Successful" else None)
        at = (day - timedelta(days=offsets[index] if offsets else 0)).replace(hour=hour)
        at += timedelta(seconds=chance.randrange(3600 - _QUEUE))
        found.append(at if at < until else at - timedelta(days=1))
    return sorted(found)


async def store_past(tx: Transaction, firm: Firm, attempts: Sequence[Attempt], vendors: Sequence[Actor]) -> None:
    """Write down what was tried, and leave the cases as the rows say. They are there as they were at the beginning."""
    now, clock = tx.now(), await tx.clock()
    past = _Past()
    stored = await cases.lock(tx, firm, {attempt.row.case_id for attempt in attempts})
    left: dict[int, Case] = dict(stored)
    for attempt in attempts:
        case = left[attempt.row.case_id]
        vendor = vendors[attempt.row.case_id % len(vendors)]
        claim_id = _claimed(past, attempt, vendor)
        left[case.case_id] = _after(past, firm, case, attempt, vendor, claim_id, clock)
    past.history.sort(key=lambda change: change.changed_at)
    await cases.record(tx, firm, past.history)
    await cases.save(tx, firm, [(stored[case_id], case) for case_id, case in left.items()])
    await claims.add(tx, firm, list(_claims(past, firm, vendors, left)))
    await calls.add(tx, firm.id, sorted(past.calls, key=lambda call: call.at))
    await notes.add(
        tx, firm, sorted((note for note in past.notes if note.created_at <= now), key=lambda n: n.created_at)
    )


def _claimed(past: _Past, attempt: Attempt, vendor: Actor) -> UUID:
    """Return the claim of an attempt: what is claimed together of one campaign is one."""
    campaign = attempt.row.statuses[StatusType.CAMPAIGN] or ""
    slot = int(attempt.at.timestamp()) // _SLOT
    place = slot, f"{vendor.name} {campaign}", not attempt.disposition
    chance = random.Random(str(place))  # noqa: S311
    new: tuple[UUID, datetime, list[int]] = UUID(int=chance.getrandbits(128), version=4), attempt.at, []
    claim_id, _, case_ids = past.claims.setdefault(place, new)
    case_ids.append(attempt.row.case_id)
    return claim_id


def _after(
    past: _Past, firm: Firm, case: Case, attempt: Attempt, vendor: Actor, claim_id: UUID, clock: datetime
) -> Case:
    """Note an attempt; return the case after it."""
    statuses, at = firm.statuses, attempt.at
    held = statuses.named(StatusType.DIALER, "In the Dialer")
    past.history.append(StatusChange(case.case_id, StatusType.DIALER, held, at, at, vendor, claim_id))
    if not attempt.disposition:
        hold = enter(firm, case, Taker(claim_id, clock), case.dial_at)
        return replace(case, statuses={**case.statuses, StatusType.DIALER: held}, dial_at=at, changed_at=at, hold=hold)
    done = at + timedelta(seconds=20 + case.case_id % (_QUEUE - 20))
    name = attempt.row.statuses[StatusType.DIALER] or "To Dial"
    after = {
        StatusType.DISPOSITION: statuses.named(StatusType.DISPOSITION, attempt.disposition),
        StatusType.ATTEMPTS: statuses.named(StatusType.ATTEMPTS, str(attempt.number)),
        StatusType.DIALER: statuses.named(StatusType.DIALER, name if attempt.is_last else "To Dial"),
    }
    next_at = attempt.row.dial_at if attempt.is_last and name == "To Dial" else done
    for kind, status in after.items():
        dial_at = next_at if kind is StatusType.DIALER else None
        past.history.append(StatusChange(case.case_id, kind, status, dial_at, done, vendor, claim_id))
    reached = attempt.disposition == "Successful"
    past.calls.append(Call(case.numbers[0], case.case_id, done, reached))
    if reached or case.case_id % 9 == 0:
        past.notes.append(Note(case.case_id, _NOTES[(case.case_id + attempt.number) % len(_NOTES)], vendor, done))
    return replace(case, statuses={**case.statuses, **after}, dial_at=next_at, changed_at=done)


def _claims(past: _Past, firm: Firm, vendors: Sequence[Actor], left: dict[int, Case]) -> Iterator[Claim]:
    """Yield the claims in their order; one that still holds cases has an end."""
    by_name = {vendor.name: vendor for vendor in vendors}
    holding: dict[UUID, list[datetime]] = defaultdict(list)
    for case in left.values():
        if case.hold and case.hold.until:
            holding[case.hold.claim_id].append(case.hold.until)
    for (_, place, _), (claim_id, at, case_ids) in sorted(past.claims.items(), key=lambda item: item[1][1]):
        vendor = next(by_name[name] for name in by_name if place.startswith(f"{name} "))
        ends = min(holding[claim_id]) if claim_id in holding else None
        yield Claim(claim_id, vendor, tuple(dict.fromkeys(case_ids)), at, ends)
