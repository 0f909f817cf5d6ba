"""A dry run of an import: what every row would do, and nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from casedial.database.engine import Transaction
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.importing import CaseRow
from casedial.domain.statuses import Status, Statuses, StatusType, first_flags
from casedial.service.do_not_call import keep_off
from casedial.service.firms import open_firm
from casedial.service.imports import BatchReport, Draft, ImportOptions, add_unknown, merged
from casedial.service.statuses import checked_status
from casedial.storage import cases


@dataclass(slots=True)
class Rehearsal:
    """What earlier rows would have done, of which later ones depend: statuses added, and cases that come again."""

    again: frozenset[int]
    added: list[Status] = field(default_factory=list)
    cases: dict[int, Case] = field(default_factory=dict)

    async def add(self, firm: Firm, kind: StatusType, name: str) -> Firm:
        """Return the firm with a status more. Raises InvalidSetting."""
        name = checked_status(kind, name)
        status = Status(-1 - len(self.added), kind, name, flags=first_flags(kind, name))
        self.added.append(status)
        return _with_statuses(firm, [status])


def come_again(rows: Iterable[CaseRow]) -> frozenset[int]:
    """Return the CaseIDs that more than one row has."""
    seen: set[int] = set()
    again: set[int] = set()
    for row in rows:
        (again if row.case_id in seen else seen).add(row.case_id)
    return frozenset(again)


async def rehearse_rows(
    tx: Transaction,
    firm_name: str,
    rows: Sequence[CaseRow],
    options: ImportOptions,
    now: datetime,
    drafted: Draft | None,
    rehearsal: Rehearsal,
) -> BatchReport:
    """Return what ``import_rows`` would report of these rows; nothing is locked. Raises FirmNotFound."""
    report = BatchReport()
    firm = _with_statuses(await open_firm(tx, firm_name), rehearsal.added)
    if options.add_statuses:
        firm = await add_unknown(firm, rows, report, rehearsal.add)
    report.firm = firm
    case_ids = {row.case_id for row in rows}
    stored = await cases.these(tx, firm, case_ids)
    stored |= {case_id: case for case_id, case in rehearsal.cases.items() if case_id in case_ids}
    repeated = rehearsal.again & case_ids
    if drafted and not (stored or stored.unreadable or repeated) and drafted.holds_for(firm):
        report.added = len(rows)
    else:
        moves = await merged(tx, firm, rows, stored, options, report, now)
        await keep_off(tx, firm, moves, now)
        rehearsal.cases |= {case_id: case for case_id, case in moves.cases.items() if case_id in repeated}
    report.note_phones(rows)
    return report


def _with_statuses(firm: Firm, added: Sequence[Status]) -> Firm:
    return replace(firm, statuses=Statuses([*firm.statuses.all, *added])) if added else firm
