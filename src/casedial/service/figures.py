"""Count what dialers report: page by page from the history, behind the write, so that no report reads all of it.

What is counted stays counted: neither purge nor the deletion of a case takes anything from it, and both see to it that
what they take from the history was counted before. Only cases of an import that is undone were never there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from casedial.database.engine import Transaction
from casedial.domain.figures import Figure, Kind, Span, count, slot_of
from casedial.storage import figures
from casedial.storage.figures import Place

_CASES_AT_ONCE = 100  # others get to work between two queries


async def counted(tx: Transaction, after: int, until: int, firm_id: int | None = None) -> dict[int, Counter[Figure]]:
    """Count the history behind one row and up to another, by firm; of one firm only, where it is given."""
    found = {}
    for id, case_ids in (await figures.cases_between(tx, after, until, firm_id)).items():
        found[id] = await _of_cases(tx, id, case_ids, after, until)
    return found


async def _of_cases(tx: Transaction, firm_id: int, case_ids: list[int], after: int, until: int) -> Counter[Figure]:
    flags = await figures.flags(tx, firm_id)
    total: Counter[Figure] = Counter()
    for start in range(0, len(case_ids), _CASES_AT_ONCE):
        history = await figures.history(tx, firm_id, case_ids[start : start + _CASES_AT_ONCE], until)
        total.update(count(history, after, flags))
    return total


async def reports(
    tx: Transaction, firm_id: int, since: datetime, until: datetime, most_behind: int
) -> tuple[Counter[tuple[int, int]], bool]:
    """Count what dialers reported by campaign and disposition: what is kept, and what came since it was counted.

    Of that no more than so many; tell whether there is more. An import is not gone through, as long as it may be
    uncounted: only reports are looked for.
    """
    span = Span(slot_of(since), slot_of(until), 0)
    found = await figures.reports_kept(tx, firm_id, span)
    after, last = (await figures.place(tx)).history_id, await figures.last_id(tx)
    behind = await figures.cases_reported(tx, firm_id, since, after, most_behind)
    for figure, number in (await _of_cases(tx, firm_id, sorted(set(behind)), after, last)).items():
        if figure.kind is Kind.REPORTS and span.start <= figure.slot < span.end:
            found[figure.campaign_id, figure.detail] += number
    return found, len(behind) == most_behind


async def keep(tx: Transaction, before: Place, until: int, counts: dict[int, Counter[Figure]]) -> bool:
    """Keep what was counted from a place up to a row; return False, and do nothing, where somebody counted since."""
    if not await figures.move(tx, before, until):
        return False
    if counts:
        await figures.add(tx, counts)
    return True


async def count_cases(tx: Transaction, firm_id: int, case_ids: Iterable[int]) -> None:
    """Count what is not counted yet of cases that are about to be deleted, and that this transaction holds."""
    before = await figures.place(tx, lock=True)
    until = await figures.last_id(tx)
    if until > before.history_id:
        found = await _of_cases(tx, firm_id, sorted(case_ids), before.history_id, until)
        await figures.move(tx, before, before.history_id)
        await figures.add(tx, {firm_id: found})


async def take_back(tx: Transaction, firm_id: int, case_ids: Iterable[int]) -> None:
    """Take back what was counted of cases that this transaction holds and deletes as if they had never been."""
    before = await figures.place(tx, lock=True)
    found = await _of_cases(tx, firm_id, sorted(case_ids), 0, before.history_id)
    await figures.move(tx, before, before.history_id)
    await figures.add(tx, {firm_id: Counter({figure: -number for figure, number in found.items()})})
