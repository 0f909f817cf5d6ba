"""Who holds a case, and who set it Do not Dial, by its history."""

from __future__ import annotations

from collections.abc import Sequence

from casedial.database.engine import Transaction
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.standing import Standing, standing
from casedial.storage import cases


async def standings(tx: Transaction, firm: Firm, found: Sequence[Case]) -> list[Standing]:
    """Return the standing of each of these cases."""
    history = await cases.history(tx, firm, [case.case_id for case in found])
    return [standing(case, history[case.case_id]) for case in found]
