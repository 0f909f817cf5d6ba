"""Cases that are Do not Dial, by CaseID or by number."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import cases, phone_numbers
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role
from casedial.storage.cases import WHOLE, whole


async def do_not_dial(
    tx: Transaction, firm: Firm, numbers: Iterable[str], case_ids: Iterable[int], limit: int
) -> list[Case]:
    """Return cases that are Do not Dial, of these or with one of these numbers, in CaseID order."""
    with_number = sa.select(phone_numbers.c.case_id).where(
        phone_numbers.c.firm_id == firm.id, tx.among(phone_numbers.c.number, sorted(set(numbers)))
    )
    these = sa.or_(cases.c.case_id.in_(with_number), tx.among(cases.c.case_id, sorted(set(case_ids))))
    query = sa.select(*WHOLE).where(cases.c.firm_id == firm.id, cases.c.dialer_role == int(Role.DO_NOT_DIAL), these)
    return list((await whole(tx, firm, query.order_by(cases.c.case_id).limit(limit))).values())
