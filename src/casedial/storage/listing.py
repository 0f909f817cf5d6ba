"""Cases as they are listed for who looks for them: in an order of an index, from a place on, in bounded steps.

Whatever is asked for, no more is read than a constant times what is listed. Where an index says which few cases are
meant, these are listed; else cases are gone through in their order, so many and no more, and the list says how far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import HELD_BACK, IN_THE_DIALER, TO_DIAL, case_names, cases, do_not_call, phone_numbers
from casedial.domain.cases import Case
from casedial.domain.dialing import CaseFilter
from casedial.domain.firms import Firm
from casedial.domain.names import fold, looked_for, words_of
from casedial.domain.searching import Capped, Order, Place
from casedial.domain.statuses import Role, StatusType
from casedial.storage import cases as stored
from casedial.storage.cases import WHOLE, whole
from casedial.storage.finding import conditions
from casedial.storage.names import begins, with_word

MOST_COUNTED = 10_000
_STEPS = (2_000, 20_000, 20_000, 20_000, 20_000)  # cases that are gone through for one page
_AT_ONCE = 500  # of the few that an index names
_WORDS = (200, 1_000, 2_000)  # that are gone through for one page
_NAMES_COUNTED = 2_000  # that are read to count them


@dataclass(frozen=True, slots=True)
class Listed:
    """Cases in their order, each with its place; ``more``: where to go on, though no case may be found from there on.

    ``unreadable`` are CaseIDs whose rows make no sense.
    """

    cases: list[tuple[Place, Case]]
    more: Place | None
    unreadable: list[int]


async def page(
    tx: Transaction,
    firm: Firm,
    wanted: CaseFilter,
    order: Order,
    after: Place | None,
    limit: int,
    back: bool = False,
) -> Listed:
    """Return the first cases that are meant behind a place; ``back``: before it, the nearest first.

    Raises StatusNotFound or StatusesStale.
    """
    if order is Order.NAME and wanted.name is not None:
        return await _by_name(tx, firm, wanted, after, limit, back)
    if order is Order.DIALING:
        return await _by_dialing(tx, firm, wanted, after, limit, back)
    falls = (order is Order.NEWEST) is not back
    start = int(after[0]) if after else None
    few = await _few(tx, firm, wanted)
    if few is None:
        return await _by_steps(tx, firm, wanted, start, limit, falls)
    ids = sorted((one for one in few if start is None or (one < start if falls else one > start)), reverse=falls)
    return await _of_these(tx, firm, wanted, ids, limit)


# The few that an index names


async def _few(tx: Transaction, firm: Firm, wanted: CaseFilter) -> Sequence[int] | None:
    """Return CaseIDs among which all are that are meant, where an index says that there are few; else None."""
    if wanted.case_ids is not None:
        return wanted.case_ids
    for query in _named_by_indexes(firm, wanted, wanted.do_not_call and not await _is_list_long(tx, firm)):
        found = (await tx.execute(query.limit(MOST_COUNTED + 1))).scalars().all()
        if len(found) <= MOST_COUNTED:
            return list(set(found))
    return None


async def _is_list_long(tx: Transaction, firm: Firm) -> bool:
    """Tell whether more stands on a firm's do-not-call list than is gone through for a page."""
    query = sa.select(sa.literal(1)).where(do_not_call.c.firm_id == firm.id).offset(MOST_COUNTED).limit(1)
    return (await tx.execute(query)).first() is not None


def _named_by_indexes(firm: Firm, wanted: CaseFilter, lists: bool) -> Iterator[sa.Select[tuple[int]]]:
    """Yield queries each of which an index answers, and whose answer has all cases that are meant.

    ``lists``: those on the do-not-call list are asked for.
    """
    c, mine = cases.c, cases.c.firm_id == firm.id
    campaign = firm.statuses.named(StatusType.CAMPAIGN, wanted.campaign) if wanted.campaign else None
    of_campaign = [c.campaign_id == campaign.id] if campaign else []
    dialer = firm.statuses.named(StatusType.DIALER, wanted.dialer_status) if wanted.dialer_status else None
    role = dialer.role if dialer else None
    if wanted.number is not None:
        n = phone_numbers.c
        yield sa.select(n.case_id).where(n.firm_id == firm.id, n.number == wanted.number)
    if wanted.name is not None:
        for word in sorted(looked_for(wanted.name), key=len, reverse=True):
            yield with_word(firm, word)
    if wanted.answered:
        yield sa.select(c.case_id).where(mine, c.answered_at.is_not(None))
    if role is Role.IN_THE_DIALER or wanted.held_by is not None:
        yield sa.select(c.case_id).where(mine, IN_THE_DIALER, *of_campaign)
    if wanted.held_back:
        yield sa.select(c.case_id).where(mine, HELD_BACK, *of_campaign)
    if lists:
        yield _listed(firm)


def _listed(firm: Firm) -> sa.Select[tuple[int]]:
    """Return the query for the cases on the do-not-call list, by themselves or by a number: by its first entries.

    A case is there as often as it has numbers on the list.
    """
    d, n = do_not_call.c, phone_numbers.c
    some = sa.select(d.firm_id, d.number, d.case_id).where(d.firm_id == firm.id).limit(MOST_COUNTED + 1).subquery()
    with_number = sa.and_(n.firm_id == some.c.firm_id, n.number == some.c.number)  # else SQLite begins with numbers
    by_number = sa.select(n.case_id).join_from(some, phone_numbers, with_number)
    itself = sa.select(some.c.case_id).where(some.c.case_id.is_not(None))
    both = sa.union_all(by_number, itself).subquery()
    return sa.select(both.c.case_id)


async def _of_these(tx: Transaction, firm: Firm, wanted: CaseFilter, ids: Sequence[int], limit: int) -> Listed:
    found: list[tuple[Place, Case]] = []
    unreadable: list[int] = []
    meant = [cases.c.firm_id == firm.id, *conditions(firm, wanted)]
    for start in range(0, len(ids), _AT_ONCE):
        these = ids[start : start + _AT_ONCE]
        there = await whole(tx, firm, sa.select(*WHOLE).where(*meant, tx.among(cases.c.case_id, these)))
        unreadable += sorted(there.unreadable)
        found += [((case_id,), there[case_id]) for case_id in these if case_id in there]
        if len(found) > limit:
            return Listed(found[:limit], found[limit - 1][0], unreadable)
    return Listed(found, None, unreadable)


# Cases in the order of their CaseIDs


def _steps(wanted: CaseFilter) -> Sequence[int]:
    """Return how many cases are gone through for one page: fewer where each is asked whether it is on a list."""
    return _STEPS[:2] if wanted.do_not_call else _STEPS


async def _by_steps(
    tx: Transaction, firm: Firm, wanted: CaseFilter, start: int | None, limit: int, falls: bool
) -> Listed:
    c, at = cases.c, start
    by = c.case_id.desc() if falls else c.case_id.asc()
    found: list[tuple[Place, Case]] = []
    unreadable: list[int] = []
    meant = conditions(firm, wanted)
    for step in _steps(wanted):
        behind = [] if at is None else [c.case_id < at if falls else c.case_id > at]
        here = [c.firm_id == firm.id, *behind]
        end = (await tx.execute(sa.select(c.case_id).where(*here).order_by(by).offset(step - 1).limit(1))).scalar()
        if end is not None:
            here.append(c.case_id >= end if falls else c.case_id <= end)
        some = sa.select(*WHOLE).where(*here, *meant).order_by(by).limit(limit + 1 - len(found))
        there = await whole(tx, firm, some)
        unreadable += sorted(there.unreadable)
        found += [((case_id,), case) for case_id, case in there.items()]
        if len(found) > limit:
            return Listed(found[:limit], found[limit - 1][0], unreadable)
        if end is None:
            return Listed(found, None, unreadable)
        at = end
    return Listed(found, (at,) if at is not None else None, unreadable)


# Cases in the order in which they are dialed


async def _by_dialing(
    tx: Transaction, firm: Firm, wanted: CaseFilter, after: Place | None, limit: int, back: bool
) -> Listed:
    """List cases that wait To Dial and are not held back: each priority is a range of one index."""
    c = cases.c
    found: list[tuple[Place, Case]] = []
    unreadable: list[int] = []
    place = (int(after[0]), datetime.fromisoformat(str(after[1])), int(after[2])) if after else None
    where: list[Any] = [c.firm_id == firm.id, TO_DIAL]
    if wanted.campaign:
        where.append(c.campaign_id == firm.statuses.named(StatusType.CAMPAIGN, wanted.campaign).id)
    if wanted.case_group is not None:
        where.append(c.case_group_folded == fold(wanted.case_group))
    if wanted.due_at is not None:
        where.append(c.dial_at <= wanted.due_at)
    by = (c.dial_at.desc(), c.case_id.desc()) if back else (c.dial_at, c.case_id)
    for priority in sorted(firm.priorities, reverse=back):
        if wanted.priority not in (None, priority):
            continue
        behind: list[sa.ColumnElement[bool]] = []
        if place and priority == place[0]:
            here, there = sa.tuple_(c.dial_at, c.case_id), sa.tuple_(sa.literal(place[1], c.dial_at.type), place[2])
            behind = [here < there if back else here > there]
        elif place and (priority > place[0] if back else priority < place[0]):
            continue
        query = sa.select(*WHOLE).where(*where, c.priority == priority, *behind).order_by(*by)
        some = await whole(tx, firm, query.limit(limit + 1 - len(found)))
        unreadable += sorted(some.unreadable)
        found += [(_dialing_place(case), case) for case in some.values()]
        if len(found) > limit:
            return Listed(found[:limit], found[limit - 1][0], unreadable)
    return Listed(found, None, unreadable)


def _dialing_place(case: Case) -> Place:
    at = case.dial_at.astimezone(UTC).isoformat() if case.dial_at else ""
    return case.priority, at, case.case_id


# Cases in the order of a word


def _found_by(beginning: str, name: str) -> str | None:
    """Return the word by which a name is found: where several begin so, the first of them."""
    return min((word for word in words_of(name) if word.startswith(beginning)), default=None)


def _is_named(name: str, words: Sequence[str]) -> bool:
    """Tell whether for each of these words a name has one that begins so."""
    its = words_of(name)
    return all(any(one.startswith(word) for one in its) for word in words)


async def _by_name(
    tx: Transaction, firm: Firm, wanted: CaseFilter, after: Place | None, limit: int, back: bool
) -> Listed:
    """List cases by the longest word that was looked for; a case is listed once, and only if it is still named so."""
    words = sorted(looked_for(wanted.name or ""), key=len, reverse=True)
    if not words:
        return Listed([], None, [])
    n, c, place = case_names.c, cases.c, after
    by = (n.word.desc(), n.case_id.desc()) if back else (n.word, n.case_id)
    found: dict[int, Place] = {}
    meant = conditions(firm, replace(wanted, name=None))
    for step in _WORDS:
        here = sa.select(n.word, n.case_id).where(n.firm_id == firm.id, begins(words[0]))
        if place:
            key, than = sa.tuple_(n.word, n.case_id), sa.tuple_(sa.literal(str(place[0])), sa.literal(place[1]))
            here = here.where(key < than if back else key > than)
        rows = (await tx.execute(here.order_by(*by).limit(step))).all()
        these = tx.among(c.case_id, sorted({row.case_id for row in rows}))
        named = await tx.execute(sa.select(c.case_id, c.plaintiff).where(c.firm_id == firm.id, these, *meant))
        names = {row.case_id: row.plaintiff for row in named if _is_named(row.plaintiff, words)}
        for row in rows:
            if row.case_id in names and _found_by(words[0], names[row.case_id]) == row.word:
                found.setdefault(row.case_id, (row.word, row.case_id))
                if len(found) > limit:
                    return await _whole(tx, firm, dict(list(found.items())[:limit]), goes_on=True)
        if len(rows) < step:
            return await _whole(tx, firm, found)
        last = rows[-1]
        place = (last.word, last.case_id)
    listed = await _whole(tx, firm, found)
    return replace(listed, more=place)


async def _whole(tx: Transaction, firm: Firm, found: Mapping[int, Place], goes_on: bool = False) -> Listed:
    """Return the cases that were found, whole; ``goes_on`` tells whether there are more behind the last."""
    there = await stored.these(tx, firm, found)
    rows = [(place, there[case_id]) for case_id, place in found.items() if case_id in there]
    return Listed(rows, list(found.values())[-1] if goes_on else None, sorted(there.unreadable))


def place_of(order: Order, wanted: CaseFilter, case: Case) -> Place:
    """Return the place of a case in an order."""
    if order is Order.DIALING:
        return _dialing_place(case)
    if order is Order.NAME and wanted.name is not None:
        longest = max(looked_for(wanted.name), key=len, default="")
        return _found_by(longest, case.plaintiff) or "", case.case_id
    return (case.case_id,)


# How many there are


async def count(tx: Transaction, firm: Firm, wanted: CaseFilter) -> Capped:
    """Count cases that are meant, as far as that does not read more than a constant."""
    if wanted.name is not None:
        return await _count_named(tx, firm, wanted)
    if by_index := _counted_by_indexes(firm, wanted):
        parts = [sa.select(sa.func.count()).select_from(one.limit(MOST_COUNTED + 1).subquery()) for one in by_index]
        number = sum((await tx.execute(sa.select(*(part.scalar_subquery() for part in parts)))).one())
        return Capped(min(number, MOST_COUNTED), number > MOST_COUNTED)
    few = await _few(tx, firm, wanted)
    c, meant = cases.c, conditions(firm, wanted)
    if few is not None:
        number = 0
        for start in range(0, len(few), 5000):
            these = tx.among(c.case_id, few[start : start + 5000])
            query = sa.select(sa.func.count()).select_from(cases).where(c.firm_id == firm.id, these, *meant)
            number += int((await tx.execute(query)).scalar_one())
        return Capped(number)
    if wanted == CaseFilter(do_not_call=True):
        some = _listed(firm).subquery()
        number = int((await tx.execute(sa.select(sa.func.count(some.c.case_id.distinct())))).scalar_one())
        return Capped(min(number, MOST_COUNTED), True)
    most = sum(_steps(wanted))
    mine = sa.select(c.case_id).where(c.firm_id == firm.id).order_by(c.case_id)
    end = (await tx.execute(mine.offset(most - 1).limit(1))).scalar()
    within = [c.case_id <= end] if end is not None else []
    some = sa.select(sa.literal(1)).where(c.firm_id == firm.id, *within, *meant).limit(MOST_COUNTED + 1).subquery()
    number = int((await tx.execute(sa.select(sa.func.count()).select_from(some))).scalar_one())
    return Capped(min(number, MOST_COUNTED), number > MOST_COUNTED or end is not None)


def _counted_by_indexes(firm: Firm, wanted: CaseFilter) -> list[sa.Select[tuple[int]]]:
    """Return queries by indexes that together have just the cases that are meant; none where indexes do not tell."""
    c, mine = cases.c, [cases.c.firm_id == firm.id]
    if wanted.campaign:
        mine.append(c.campaign_id == firm.statuses.named(StatusType.CAMPAIGN, wanted.campaign).id)
    dialer = firm.statuses.named(StatusType.DIALER, wanted.dialer_status) if wanted.dialer_status else None
    rest = replace(wanted, campaign=None, dialer_status=None)
    waits, held = sa.select(c.case_id).where(*mine, TO_DIAL), sa.select(c.case_id).where(*mine, HELD_BACK)
    if rest == CaseFilter(held_back=True) and (dialer is None or dialer.role is Role.TO_DIAL):
        return [held]
    if rest != CaseFilter() or dialer is None:
        return []
    if dialer.role is Role.IN_THE_DIALER:
        return [sa.select(c.case_id).where(*mine, IN_THE_DIALER)]
    return [waits, held] if dialer.role is Role.TO_DIAL else []


async def _count_named(tx: Transaction, firm: Firm, wanted: CaseFilter) -> Capped:
    """Count cases by name: of one word alone by its index, else among the first that have the longest."""
    words = sorted(looked_for(wanted.name or ""), key=len, reverse=True)
    if not words:
        return Capped(0)
    found = (await tx.execute(with_word(firm, words[0]).limit(MOST_COUNTED + 1))).scalars().all()
    ids, is_more = sorted(set(found)), len(found) > MOST_COUNTED
    if len(words) == 1 and wanted == CaseFilter(name=wanted.name):
        return Capped(min(len(ids), MOST_COUNTED), is_more)
    c, meant = cases.c, conditions(firm, replace(wanted, name=None))
    these = tx.among(c.case_id, ids[:_NAMES_COUNTED])
    named = await tx.execute(sa.select(c.plaintiff).where(c.firm_id == firm.id, these, *meant))
    number = sum(_is_named(row.plaintiff, words) for row in named)
    return Capped(number, is_more or len(ids) > _NAMES_COUNTED)
