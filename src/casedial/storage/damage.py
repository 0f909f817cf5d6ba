"""Find rows that make no sense: what a hand wrote, or half a restore left. It looks at all cases: ask seldom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import HELD_BACK, HELD_BACK_ROLE, cases, claims, firms, statuses
from casedial.domain.statuses import StatusType
from casedial.storage.cases import STATUS_COLUMNS

_SHOWN = 5  # ids named of many


@dataclass(slots=True)
class Senseless:
    """Rows of one firm that make no sense in one way: how many, and the ids of some."""

    firm_id: int
    what: str
    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, count: int, ids: list[str]) -> None:
        """Add some, of which these ids may be named."""
        self.count += count
        self.ids = sorted({*self.ids, *ids}, key=lambda one: (len(one), one))[:_SHOWN]


STATUS = {kind: f"a {kind.label.lower()} that the firm does not have" for kind in StatusType}
ROLE = "whose Dialer Status and role do not match"
PHONES = "phones that are not a list"
TIMELESS = "held back without a time"
CASE_IDS = "whose list of cases cannot be read"
ORPHANED = "of a firm that no longer exists"
NAMELESS = "without a valid id"


async def senseless(tx: Transaction) -> list[Senseless]:
    """Return all that is found, by firm and by what it is."""
    found = [*await _of_statuses(tx)]
    no_phones = tx.dialect.is_no_list(cases.c.phones)
    timeless = sa.and_(HELD_BACK, sa.or_(cases.c.dial_at.is_(None), cases.c.held_back_until.is_(None)))
    open_claims = claims.c.check_at.is_not(None)
    no_firm = sa.not_(sa.exists().where(firms.c.id == claims.c.firm_id))
    for what, table, which in (
        (PHONES, cases, no_phones),
        (TIMELESS, cases, timeless),
        (CASE_IDS, claims, sa.and_(open_claims, tx.dialect.is_no_list(claims.c.case_ids))),
        (ORPHANED, claims, sa.and_(open_claims, no_firm)),
        (NAMELESS, claims, sa.and_(open_claims, tx.dialect.is_no_uuid(claims.c.id))),
    ):
        found += await _counted(tx, what, table, which)
    return found


async def _counted(tx: Transaction, what: str, table: sa.Table, which: sa.ColumnElement[bool]) -> list[Senseless]:
    counted = sa.select(table.c.firm_id, sa.func.count().label("rows")).where(which).group_by(table.c.firm_id)
    id_: sa.ColumnElement[Any] = table.c.id if table is claims else table.c.case_id
    if what == NAMELESS:
        id_ = sa.cast(id_, sa.Text)
    found = []
    for row in (await tx.execute(counted.order_by(table.c.firm_id))).all():
        some = sa.select(id_).where(which, table.c.firm_id == row.firm_id).order_by(id_).limit(_SHOWN)
        found.append(Senseless(row.firm_id, what, row.rows, [str(one) for one in (await tx.execute(some)).scalars()]))
    return found


async def _of_statuses(tx: Transaction) -> list[Senseless]:
    """Look at each combination of statuses that any case has: one pass over all cases tells them."""
    known: dict[tuple[int, int], Any] = {(row.firm_id, row.id): row for row in await tx.execute(statuses.select())}
    columns = [cases.c[column] for _, column in STATUS_COLUMNS]
    alike = sa.select(cases.c.firm_id, cases.c.dialer_role, *columns, sa.func.count().label("rows"))
    found: dict[tuple[int, str], Senseless] = {}
    for row in (await tx.execute(alike.group_by(cases.c.firm_id, cases.c.dialer_role, *columns))).all():
        wrong = _wrong(row, known)
        if wrong:
            same = (cases.c[name].is_not_distinct_from(getattr(row, name)) for name in ("dialer_role", *_NAMES))
            some = sa.select(cases.c.case_id).where(cases.c.firm_id == row.firm_id, *same).order_by(cases.c.case_id)
            ids = [str(case_id) for case_id in (await tx.execute(some.limit(_SHOWN))).scalars()]
        for what in wrong:
            found.setdefault((row.firm_id, what), Senseless(row.firm_id, what)).add(row.rows, ids)
    return [found[key] for key in sorted(found)]


_NAMES = tuple(column for _, column in STATUS_COLUMNS)


def _wrong(row: Any, known: Mapping[tuple[int, int], Any]) -> list[str]:
    """Return what is wrong with cases that have these statuses, and this role."""
    wrong = []
    for kind, column in STATUS_COLUMNS:
        status_id = getattr(row, column)
        status = known.get((row.firm_id, status_id))
        if status_id is not None and (status is None or status.type != kind):
            wrong.append(STATUS[kind])
    dialer = known.get((row.firm_id, row.dialer_status_id))
    role = 1 if row.dialer_role == HELD_BACK_ROLE else row.dialer_role
    if STATUS[StatusType.DIALER] not in wrong and role != (dialer.role if dialer else None):
        wrong.append(ROLE)
    return wrong
