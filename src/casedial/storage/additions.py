"""New cases, made ready for their database before the transaction that adds them begins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from casedial.domain.cases import Case, Firm, StatusType, fold
from casedial.domain.importing import beginnings
from casedial.storage import bulk
from casedial.storage.cases import NUMBER_COLUMNS, STATUS_COLUMNS, number_rows
from casedial.storage.engine import Database, Store, Transaction
from casedial.storage.sqlite import FOR_MANY_ROWS, SqliteSession
from casedial.storage.tables import cases, phone_numbers, status_history

# What a new case brings: all else that a row has is null.
_COLUMNS = (
    *("firm_id", "case_id", "case_status", "case_group", "case_group_folded", "closed", "closed_on", "zip_code"),
    *("plaintiff", "phones", *(column for _, column in STATUS_COLUMNS), "dialer_role"),
    *("dial_at", "changed_at", "priority"),
)
_HISTORY = ("firm_id", "case_id", "type", "status_id", "dial_at", "changed_at", "changed_by")
_STATUS_ID = "CASE kind {} END".format(" ".join(f"WHEN {kind:d} THEN {column}" for kind, column in STATUS_COLUMNS))
_DIAL_AT = f"CASE kind WHEN {StatusType.DIALER:d} THEN dial_at END"
# The history with which new cases begin follows from the cases. Made of them by SQLite itself, it costs an import a
# fifth less than as rows of its own; PostgreSQL is no quicker for it.
_HISTORY_OF_CASES = f"""INSERT INTO status_history ({", ".join(_HISTORY)})
SELECT firm_id, case_id, kind, {_STATUS_ID}, {_DIAL_AT}, changed_at, ?
FROM json_each(?) AS added CROSS JOIN cases CROSS JOIN
({" UNION ALL ".join(f"SELECT {kind:d} AS kind" for kind in StatusType)})
WHERE firm_id = ? AND case_id = added.value AND coalesce({_STATUS_ID}, {_DIAL_AT}) IS NOT NULL"""  # noqa: S608


class Addition:
    """Cases that a firm does not have, with their history, made ready for ``store`` before the transaction begins.

    While one batch is written, the next is made ready: this is a third of the work in Python.
    """

    def __init__(self, store: Store, firm: Firm, by: str) -> None:
        """Begin an addition of cases by ``by``, which stands in their history."""
        self._firm, self._by, self._database = firm, by, store.database
        dialect = store.engine.dialect
        self._case_ids: list[int] = []
        self._cases = bulk.Ready(dialect, cases, _COLUMNS)
        self._numbers = bulk.Ready(dialect, phone_numbers, NUMBER_COLUMNS)
        self._history = bulk.Ready(dialect, status_history, _HISTORY)

    def add(self, added: Sequence[Case]) -> None:
        """Make some cases ready."""
        self._case_ids += [case.case_id for case in added]
        self._cases.add([_row(self._firm.id, case) for case in added])
        self._numbers.add(number_rows(self._firm, added))
        if self._database is Database.POSTGRESQL:
            self._history.add(self._history_rows(added))

    def _history_rows(self, added: Sequence[Case]) -> bulk.Rows:
        firm_id, by = self._firm.id, self._by
        return [
            (
                *(firm_id, case.case_id, kind, status.id if status else None),
                *(case.dial_at if kind is StatusType.DIALER else None, case.changed_at, by),
            )
            for case in added
            for kind, status in beginnings(case)
        ]

    async def write(self, tx: Transaction) -> None:
        """Add them all."""
        session = tx.session
        if isinstance(session, SqliteSession):
            for pragma in FOR_MANY_ROWS:
                await session.run(f"PRAGMA {pragma}")
        await self._cases.send(tx)
        await self._numbers.send(tx)
        if isinstance(session, SqliteSession):
            await session.run(_HISTORY_OF_CASES, (self._by, json.dumps(self._case_ids), self._firm.id))
        else:
            await self._history.send(tx)


def _row(firm_id: int, case: Case) -> tuple[Any, ...]:
    """Return the row of a new case, in the order of ``_COLUMNS``."""
    status = case.statuses.get
    return (
        firm_id,
        case.case_id,
        case.case_status,
        case.case_group,
        fold(case.case_group),
        case.closed,
        case.closed_on,
        case.zip_code,
        case.plaintiff,
        case.phones,
        *[found.id if (found := status(kind)) else None for kind, _ in STATUS_COLUMNS],
        case.role,
        case.dial_at,
        case.changed_at,
        case.priority,
    )
