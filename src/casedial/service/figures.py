"""Count what dialers report: page by page from the history, behind the write, so that no report reads all of it.

What is counted stays counted: neither purge nor the deletion of a case takes anything from it, and both see to it that
what they take from the history was counted before. Only cases of an import that is undone were never there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from casedial.database.engine import Transaction
from casedial.domain.figures import Figure, count
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
