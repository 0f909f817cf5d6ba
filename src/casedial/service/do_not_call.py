"""A firm's do-not-call list, by number and by case: change it, ask it, keep cases off the dial list by it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from casedial.domain.calling import NOBODY, DoNotCall, Listing
from casedial.domain.cases import CASEDIAL, Case, Firm, Role, Status, StatusChange, StatusType
from casedial.domain.dialing import change
from casedial.domain.errors import InvalidSetting
from casedial.domain.phones import PHONE_LIMIT, Kind, key_of, read, split
from casedial.domain.standing import Standing
from casedial.service.standing import standings
from casedial.storage import cases, do_not_call, firms, standing
from casedial.storage.engine import Transaction

# Why a case that was set To Dial is Do not Dial, in its history.
ON_THE_LIST = "on the do-not-call list"
MOST_TOLD = 1000  # cases that a removal tells of


async def concerning(tx: Transaction, firm: Firm, found: Sequence[Case]) -> DoNotCall:
    """Return what the list says of these cases."""
    if not firm.has_do_not_call or not found:
        return NOBODY
    numbers = [number for case in found for phone in case.voice_phones if (number := key_of(phone.number))]
    listed = await do_not_call.concerning(tx, firm.id, numbers, [case.case_id for case in found])
    by_number = {listing.number: listing for listing in listed if listing.number is not None}
    return DoNotCall(by_number, {listing.case_id: listing for listing in listed if listing.case_id is not None})


@dataclass(slots=True)
class Moves:
    """Cases as a transaction leaves them, and their history until then."""

    cases: list[Case]
    history: list[StatusChange]


async def keep_off(tx: Transaction, firm: Firm, moves: Moves, now: datetime) -> None:
    """Set those of the cases Do not Dial that are To Dial and must not be called; their history says why."""
    if not firm.has_do_not_call:
        return
    waiting = [case for case in moves.cases if case.role is Role.TO_DIAL]
    listed = await concerning(tx, firm, waiting)
    off: dict[StatusType, Status | None] = {StatusType.DIALER: firm.statuses.with_role(Role.DO_NOT_DIAL)}
    for place, case in enumerate(moves.cases):
        if case.role is Role.TO_DIAL and listed.forbids(case):
            moves.cases[place], recorded = change(case, off, now, CASEDIAL, now, reason=ON_THE_LIST)
            moves.history.extend(recorded)


def read_numbers(text: str) -> list[str]:
    """Return what a number is listed by; a text may hold several. Raises InvalidSetting for a doubtful one."""
    cell = text.strip()
    if len(cell) > PHONE_LIMIT:
        raise InvalidSetting(f"{cell[:PHONE_LIMIT]!r}… is no number: it has more than {PHONE_LIMIT} characters.")
    numbers = [read(part) for part in split(cell)]
    for number in numbers:
        if number.kind is Kind.DOUBTFUL:
            raise InvalidSetting(f"{cell!r} is no number that can be dialed: it {number.why}.")
    return [number.key for number in numbers]


async def add(tx: Transaction, firm: Firm, listings: Sequence[Listing]) -> int:
    """Add entries; every server knows them from the commit on. Return how many were new.

    Wants the firm opened with ``lock=True``, as ``remove`` does.
    """
    added = await do_not_call.add(tx, firm.id, listings)
    await firms.change(tx, firm.id)
    return added


async def list_at_once(tx: Transaction, firm: Firm, listings: Sequence[Listing]) -> None:
    """Add entries while the firm is in use: it changes only where it had no list, for what is on one is read anew."""
    is_first = not await do_not_call.has_any(tx, firm.id)
    # In one order, or two requests that list the same would wait for each other.
    await do_not_call.add(tx, firm.id, sorted(listings, key=lambda one: (one.number or "", one.case_id or 0)))
    if is_first:
        await firms.change(tx, firm.id)


async def unknown_cases(tx: Transaction, firm: Firm, case_ids: Collection[int]) -> list[int]:
    """Return those of these cases that the firm does not have."""
    return sorted(set(case_ids) - (await cases.whereabouts(tx, firm, case_ids)).keys())


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal did, and the cases concerned that stay Do not Dial though no entry of the list asks for it."""

    entries: int
    do_not_dial: list[tuple[int, Standing]]
    are_all: bool = True  # no more than are shown


async def remove_and_tell(tx: Transaction, firm: Firm, numbers: Sequence[str], case_ids: Sequence[int]) -> Removed:
    """Do what ``remove`` does, and find those cases: a status is never set back by itself."""
    removed = await remove(tx, firm, numbers, case_ids)
    found = await standing.do_not_dial(tx, firm, numbers, case_ids, MOST_TOLD + 1)
    listed = await concerning(tx, firm, found[:MOST_TOLD])
    free = [case for case in found[:MOST_TOLD] if not listed.forbids(case)]
    told = zip(free, await standings(tx, firm, free), strict=True)
    return Removed(removed, [(case.case_id, found) for case, found in told], len(found) <= MOST_TOLD)


async def remove(tx: Transaction, firm: Firm, numbers: Sequence[str], case_ids: Sequence[int]) -> int:
    """Take entries off; return how many there were. Wants ``calling.look_again`` afterwards."""
    removed = await do_not_call.remove(tx, firm.id, numbers, case_ids)
    await firms.change(tx, firm.id)
    return removed
