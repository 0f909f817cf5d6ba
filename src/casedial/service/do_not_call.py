"""A firm's do-not-call list, by number and by case: change it, ask it, keep cases off the dial list by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from casedial.database.engine import Transaction
from casedial.domain.actors import CASEDIAL
from casedial.domain.calling import NOBODY, DoNotCall, Listing
from casedial.domain.cases import Case
from casedial.domain.dialing import change
from casedial.domain.firms import Firm
from casedial.domain.moves import Moves
from casedial.domain.phones import key_of
from casedial.domain.reasons import ON_THE_LIST
from casedial.domain.standing import Standing
from casedial.domain.statuses import Role, Status, StatusType
from casedial.service.standing import standings
from casedial.storage import do_not_call, firms, standing

MOST_TOLD = 1000  # cases that a removal tells of


async def concerning(tx: Transaction, firm: Firm, found: Sequence[Case]) -> DoNotCall:
    """Return what the list says of these cases."""
    if not firm.has_do_not_call or not found:
        return NOBODY
    numbers = [number for case in found for phone in case.voice_phones if (number := key_of(phone.number))]
    listed = await do_not_call.concerning(tx, firm.id, numbers, [case.case_id for case in found])
    by_number = {listing.number: listing for listing in listed if listing.number is not None}
    return DoNotCall(by_number, {listing.case_id: listing for listing in listed if listing.case_id is not None})


async def keep_off(tx: Transaction, firm: Firm, moves: Moves, now: datetime) -> None:
    """Set those of the cases Do not Dial that are To Dial and must not be called; their history says why."""
    if not firm.has_do_not_call:
        return
    waiting = [case for case in moves.cases.values() if case.role is Role.TO_DIAL]
    listed = await concerning(tx, firm, waiting)
    off: dict[StatusType, Status | None] = {StatusType.DIALER: firm.statuses.with_role(Role.DO_NOT_DIAL)}
    for case in waiting:
        if listed.forbids(case):
            moves.move(case, *change(case, off, now, CASEDIAL, now, why=ON_THE_LIST))


async def add(tx: Transaction, firm: Firm, listings: Sequence[Listing]) -> int:
    """Add entries; every server knows them from the commit on. Return how many were new.

    The firm is held, as it is for ``remove``.
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


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal did, and the cases concerned that stay Do not Dial though no entry of the list asks for it."""

    entries: int
    not_listed: tuple[list[str], list[int]]  # the numbers and the cases for which there was none
    do_not_dial: list[tuple[int, Standing]]
    are_all: bool = True  # no more than are shown


async def remove_and_tell(tx: Transaction, firm: Firm, numbers: Sequence[str], case_ids: Sequence[int]) -> Removed:
    """Do what ``remove`` does, and find those cases: a status is never set back by itself."""
    there = await do_not_call.concerning(tx, firm.id, numbers, case_ids)
    known_numbers, known_cases = {one.number for one in there}, {one.case_id for one in there}
    not_listed = (
        [number for number in dict.fromkeys(numbers) if number not in known_numbers],
        [case_id for case_id in dict.fromkeys(case_ids) if case_id not in known_cases],
    )
    removed = await remove(tx, firm, numbers, case_ids)
    found = await standing.do_not_dial(tx, firm, numbers, case_ids, MOST_TOLD + 1)
    listed = await concerning(tx, firm, found[:MOST_TOLD])
    free = [case for case in found[:MOST_TOLD] if not listed.forbids(case)]
    told = zip(free, await standings(tx, firm, free), strict=True)
    return Removed(removed, not_listed, [(case.case_id, found) for case, found in told], len(found) <= MOST_TOLD)


async def remove(tx: Transaction, firm: Firm, numbers: Sequence[str], case_ids: Sequence[int]) -> int:
    """Take entries off; return how many there were."""
    removed = await do_not_call.remove(tx, firm.id, numbers, case_ids)
    await firms.change(tx, firm.id)
    return removed
