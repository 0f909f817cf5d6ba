"""New cases, made ready for their database before the transaction that adds them begins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from casedial.database import bulk
from casedial.database.engine import Store, Transaction
from casedial.database.tables import case_names, cases, phone_numbers, status_history
from casedial.domain.actors import Actor
from casedial.domain.cases import Case
from casedial.domain.firms import Firm
from casedial.domain.importing import beginnings
from casedial.domain.names import fold
from casedial.domain.statuses import StatusType
from casedial.storage import names
from casedial.storage.actors import ACTOR_COLUMNS, actor_values
from casedial.storage.cases import NUMBER_COLUMNS, STATUS_COLUMNS, number_rows

# What a new case brings: all else that a row has is null.
_COLUMNS = (
    *("firm_id", "case_id", "case_status", "case_group", "case_group_folded", "closed", "closed_on", "zip_code"),
    *("plaintiff", "phones", *(column for _, column in STATUS_COLUMNS), "dialer_role"),
    *("dial_at", "changed_at", "priority"),
)
_HISTORY = ("firm_id", "case_id", "type", "status_id", "dial_at", "changed_at", "changed_by", *ACTOR_COLUMNS)
_STATUS_ID = "CASE kind {} END".format(" ".join(f"WHEN {kind:d} THEN {column}" for kind, column in STATUS_COLUMNS))
_DIAL_AT = f"CASE kind WHEN {StatusType.DIALER:d} THEN dial_at END"
_ACTOR = ", ".join(f":{name}" for name in ACTOR_COLUMNS)
# The history with which new cases begin follows from the cases. Made of them by SQLite itself, it costs an import a
# fifth less than as rows of its own; PostgreSQL, which has COPY, is no quicker for it.
_HISTORY_OF_CASES = sa.text(f"""INSERT INTO status_history ({", ".join(_HISTORY)})
SELECT firm_id, case_id, kind, {_STATUS_ID}, {_DIAL_AT}, changed_at, :by, {_ACTOR}
FROM json_each(:added) AS added CROSS JOIN cases CROSS JOIN
({" UNION ALL ".join(f"SELECT {kind:d} AS kind" for kind in StatusType)})
WHERE firm_id = :the_firm AND case_id = added.value AND coalesce({_STATUS_ID}, {_DIAL_AT}) IS NOT NULL""")  # noqa: S608


class Addition:
    """Cases that a firm does not have, with their history, made ready for ``store`` before the transaction begins.

    While one batch is written, the next is made ready: this is a third of the work in Python.
    """

    def __init__(self, store: Store, firm: Firm, by: Actor) -> None:
        """Begin an addition of cases by ``by``, which stands in their history."""
        self._firm, self._by, self._dialect = firm, by, store.dialect
        both = store.dialect, store.engine.dialect
        self._case_ids: list[int] = []
        self._cases = bulk.Ready(*both, cases, _COLUMNS)
        self._numbers = bulk.Ready(*both, phone_numbers, NUMBER_COLUMNS)
        self._names = bulk.Ready(*both, case_names, names.COLUMNS)
        self._history = bulk.Ready(*both, status_history, _HISTORY)

    def add(self, added: Sequence[Case]) -> None:
        """Make some cases ready."""
        self._case_ids += [case.case_id for case in added]
        self._cases.add([_row(self._firm.id, case) for case in added])
        self._numbers.add(number_rows(self._firm, added))
        self._names.add(names.rows(self._firm.id, added))
        if self._dialect.has_copy:
            self._history.add(self._history_rows(added))

    def _history_rows(self, added: Sequence[Case]) -> bulk.Rows:
        firm_id, by = self._firm.id, (self._by.name, *actor_values(self._by))
        return [
            (
                *(firm_id, case.case_id, kind, status.id if status else None),
                *(case.dial_at if kind is StatusType.DIALER else None, case.changed_at, *by),
            )
            for case in added
            for kind, status in beginnings(case)
        ]

    async def write(self, tx: Transaction) -> None:
        """Add them all."""
        await tx.dialect.expect_many_rows(tx)
        await self._cases.send(tx)
        await self._numbers.send(tx)
        await self._names.send(tx)
        if tx.dialect.has_copy:
            await self._history.send(tx)
        else:
            who = dict(zip(ACTOR_COLUMNS, actor_values(self._by), strict=True))
            given = {"by": self._by.name, **who, "added": json.dumps(self._case_ids), "the_firm": self._firm.id}
            await tx.execute(_HISTORY_OF_CASES, given)


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
