"""Cases that somebody looks for, page by page; and the one before and behind a case in its list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.cases import Case
from casedial.domain.dialing import CaseFilter
from casedial.domain.firms import Firm
from casedial.domain.phones import key_of
from casedial.domain.searching import Capped, Order, Place, Search, may_be_in_dialing_order
from casedial.domain.statuses import Role, StatusType
from casedial.service.operations.opening import read_firm
from casedial.storage import cases, finding, held_back, leases, listing

_LONGEST_CASE_ID = 18  # digits
_PARTS = {Order.CASE: 1, Order.NEWEST: 1, Order.NAME: 2, Order.DIALING: 3}  # of a place


@dataclass(frozen=True, slots=True)
class Row:
    """A case as it is listed: who holds it, and until when it is held back, if it is."""

    case: Case
    place: Place
    vendor: str | None
    held_back_until: datetime | None


@dataclass(frozen=True, slots=True)
class Result:
    """A page of the cases that were found. ``search`` is what was made of what was asked for.

    ``more`` is where to go on; with no full page before it, it is how far was looked. ``count`` comes with the first
    page.
    """

    firm: Firm
    search: Search
    rows: list[Row]
    more: Place | None
    count: Capped | None
    unreadable: list[int]


async def find(store: Store, actor: Actor, firm_name: str, search: Search, after: Place | None, limit: int) -> Result:
    """Return the cases of a firm that are looked for, behind a place. Raises FirmNotFound or StatusNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Result:
        meant = await _meant(tx, firm, search)
        place = after if after and len(after) == _PARTS[meant.order] else None
        found = await listing.page(tx, firm, meant.which, meant.order, place, limit)
        rows = await _rows(tx, firm, found)
        is_counted = place is None and meant.order is not Order.DIALING  # which leaves out what is held back
        count = await _counted(tx, firm, meant.which, found, limit) if is_counted else None
        return Result(firm, meant, rows, found.more, count, found.unreadable)

    return await read_firm(store, firm_name, work)


async def _counted(tx: Transaction, firm: Firm, which: CaseFilter, first: listing.Listed, limit: int) -> Capped:
    """Count what is meant: a first page that is not full has all that a count would find, and went as far."""
    if first.more is None or len(first.cases) < limit:
        return Capped(len(first.cases), first.more is not None)
    return await listing.count(tx, firm, which)


async def meant(store: Store, actor: Actor, firm_name: str, search: Search) -> CaseFilter:
    """Return which cases a search is about, for a change of all of them. Raises FirmNotFound."""
    return await read_firm(store, firm_name, partial(_filter, search=search))


async def _filter(tx: Transaction, firm: Firm, search: Search) -> CaseFilter:
    return (await _meant(tx, firm, search)).which


async def _meant(tx: Transaction, firm: Firm, search: Search) -> Search:
    """Return a search with what its text means, and with an order that there is for it."""
    which, text = search.which, search.text.strip()
    if text:
        is_id = text.isascii() and text.isdigit() and len(text) <= _LONGEST_CASE_ID
        if is_id and await finding.there_are(tx, firm, [int(text)]):
            which = replace(which, case_ids=(int(text),))
        elif number := key_of(text):
            which = replace(which, number=number)
        elif is_id:
            which = replace(which, case_ids=())
        else:
            which = replace(which, name=text)
    order = Order.NAME if which.name else search.order
    if order is Order.NAME and not which.name:
        order = Order.CASE
    if order is Order.DIALING:
        waits = firm.statuses.with_role(Role.TO_DIAL)
        named = firm.statuses.named(StatusType.DIALER, which.dialer_status) if which.dialer_status else waits
        if named == waits and may_be_in_dialing_order(which):
            which = replace(which, dialer_status=waits.name)
        else:
            order = Order.CASE
    return replace(search, which=which, order=order)


async def _rows(tx: Transaction, firm: Firm, found: listing.Listed) -> list[Row]:
    claims = await leases.find(tx, firm, {case.hold.claim_id for _, case in found.cases if case.hold})
    until: Mapping[int, datetime] = await held_back.until(tx, firm, [case.case_id for _, case in found.cases])
    vendors = {claim_id: claim.vendor for claim_id, claim in claims.items()}
    return [
        Row(case, place, vendors.get(case.hold.claim_id) if case.hold else None, until.get(case.case_id))
        for place, case in found.cases
    ]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The cases before and behind one in the list in which it was found; None where there is none nearby."""

    before: int | None
    behind: int | None


async def neighbours(store: Store, actor: Actor, firm_name: str, search: Search, case_id: int) -> Neighbours:
    """Return which cases stand beside one in a list. Raises FirmNotFound or StatusNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Neighbours:
        case = await cases.fetch(tx, firm, case_id)
        meant = await _meant(tx, firm, search)
        if case is None:
            return Neighbours(None, None)
        place = listing.place_of(meant.order, meant.which, case)
        beside = [await listing.page(tx, firm, meant.which, meant.order, place, 1, back=back) for back in (True, False)]
        before, behind = (one.cases[0][1].case_id if one.cases else None for one in beside)
        return Neighbours(before, behind)

    return await read_firm(store, firm_name, work)
