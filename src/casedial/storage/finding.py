"""Which of a firm's cases an operator means: found page by page, by key."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import HELD_BACK_ROLE, cases, claims, do_not_call, phone_numbers
from casedial.domain.dialing import CaseFilter
from casedial.domain.firms import Firm
from casedial.domain.names import fold, looked_for
from casedial.domain.statuses import Role, StatusType
from casedial.storage import names
from casedial.storage.cases import WHOLE, Found, whole

_AT_ONCE = 5000  # CaseIDs that one query looks for: SQLite takes 32,766 parameters


async def matching(tx: Transaction, firm: Firm, wanted: CaseFilter, after: int, limit: int) -> Found:
    """Return a page of the firm's cases that match, in CaseID order from the one after ``after``.

    A page may be short; where it is empty there is nothing more. Raises StatusNotFound or StatusesStale.
    """
    query = sa.select(*WHOLE).where(cases.c.firm_id == firm.id, cases.c.case_id > after, *conditions(firm, wanted))
    query = query.order_by(cases.c.case_id).limit(limit)
    if wanted.case_ids is None:
        return await whole(tx, firm, query)
    for start in range(bisect_right(wanted.case_ids, after), len(wanted.case_ids), limit):
        these = tx.among(cases.c.case_id, wanted.case_ids[start : start + limit])
        found = await whole(tx, firm, query.where(these))
        if found.last is not None:
            return found
    return Found((), ())


async def there_are(tx: Transaction, firm: Firm, case_ids: Sequence[int]) -> set[int]:
    """Return which of these cases the firm has."""
    found: set[int] = set()
    for start in range(0, len(case_ids), _AT_ONCE):
        these = tx.among(cases.c.case_id, case_ids[start : start + _AT_ONCE])
        query = sa.select(cases.c.case_id).where(cases.c.firm_id == firm.id, these)
        found.update((await tx.execute(query)).scalars())
    return found


def conditions(firm: Firm, wanted: CaseFilter) -> list[sa.ColumnElement[bool]]:
    """Return what a case fulfils that is meant, its CaseID aside. Raises StatusNotFound."""
    named = [
        (StatusType.DIALER, wanted.dialer_status, cases.c.dialer_status_id),
        (StatusType.CAMPAIGN, wanted.campaign, cases.c.campaign_id),
        (StatusType.DISPOSITION, wanted.disposition, cases.c.disposition_id),
        (StatusType.ATTEMPTS, wanted.attempts, cases.c.attempts_id),
    ]
    found = [column == firm.statuses.named(kind, name).id for kind, name, column in named if name]
    if wanted.case_group is not None:
        found.append(cases.c.case_group_folded == fold(wanted.case_group))
    if wanted.due_at is not None:
        to_dial = cases.c.dialer_role.in_((int(Role.TO_DIAL), HELD_BACK_ROLE))
        found += [to_dial, cases.c.dial_at <= wanted.due_at]
    if wanted.number is not None:
        with_it = sa.select(phone_numbers.c.case_id).where(
            phone_numbers.c.firm_id == firm.id, phone_numbers.c.number == wanted.number
        )
        found.append(cases.c.case_id.in_(with_it))
    if wanted.name is not None:
        found += _has_name(firm, wanted.name)
    if wanted.do_not_call:
        found.append(_is_listed(firm))
    if wanted.held_by is not None:
        found.append(_is_held_by(wanted.held_by))
    if wanted.priority is not None:
        found.append(cases.c.priority == wanted.priority)
    if wanted.held_back:
        found.append(cases.c.dialer_role == HELD_BACK_ROLE)
    if wanted.answered:
        found.append(cases.c.answered_at.is_not(None))
    return found


def _has_name(firm: Firm, text: str) -> list[sa.ColumnElement[bool]]:
    """Tell whether the plaintiff has, for each word of a text, a name that begins so."""
    words = looked_for(text)
    return [cases.c.case_id.in_(names.with_word(firm, word)) for word in words] or [sa.false()]


def _is_listed(firm: Firm) -> sa.ColumnElement[bool]:
    """Tell whether a case is on the do-not-call list, or any number of it. It is asked of each case."""
    d, n = do_not_call.c, phone_numbers.c
    itself = sa.select(sa.literal(1)).where(d.firm_id == firm.id, d.case_id == cases.c.case_id)
    # SQLite would rather go through the whole list for each case, and look its numbers up there; or through all numbers
    # of the firm, whose key has everything that is asked for, where it could look up a case.
    same_number = sa.and_(d.firm_id == n.firm_id, d.number == n.number.concat(""))
    of_this = n.case_id.between(cases.c.case_id, cases.c.case_id)
    by_number = (
        sa.select(sa.literal(1))
        .select_from(phone_numbers)
        .join(do_not_call, same_number)
        .where(n.firm_id == firm.id, of_this)
    )
    return sa.or_(itself.correlate(cases).exists(), by_number.correlate(cases).exists())


def _is_held_by(vendor: str) -> sa.ColumnElement[bool]:
    """Tell whether a case is In the Dialer by a claim of this vendor."""
    held_by = sa.select(claims.c.vendor).where(claims.c.id == cases.c.claim_id).scalar_subquery()
    names = {vendor.strip(), fold(vendor)}
    is_his = sa.or_(held_by.in_(sorted(names)), sa.func.lower(held_by) == fold(vendor))
    return sa.and_(cases.c.dialer_role == int(Role.IN_THE_DIALER), is_his)


async def most_phones(tx: Transaction, firm: Firm) -> int:
    """Return the largest number of phones that a case of the firm has."""
    query = sa.select(sa.func.max(tx.dialect.length_of(cases.c.phones))).where(cases.c.firm_id == firm.id)
    return (await tx.execute(query)).scalar() or 0
