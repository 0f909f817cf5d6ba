"""The SQL that casedial runs, as scripts for pgbench: recorded while casedial itself does the work, never copied.

A recording is done in a transaction that is rolled back. Parameters become pgbench's variables, so that statements stay
word for word what the driver was given; only what must differ from call to call is replaced: the campaign, the CaseIDs,
the id of the claim.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.data import CAMPAIGNS, FIRST_CAMPAIGN_ID, KEYS
from casedial.domain.cases import Caller
from casedial.domain.dialing import CaseUpdate, DialQuery
from casedial.service import dialing
from casedial.service.keys import digest
from casedial.storage import firms, keys
from casedial.storage.engine import Database, Store, Transaction
from casedial.storage.postgresql import PostgresqlSession
from casedial.storage.sessions import Prepared, Result
from casedial.storage.sqlite import SqliteSession

NEXT_CALL = datetime(2030, 5, 6, 13, tzinfo=UTC)
_FIRST_CASE = 100_001  # of the recorded batch: a number that no other parameter has

# pgbench makes no UUIDs: twelve digits, different in every call and as scattered as random ones, and twenty that stay.
_CLAIM_ID = "(:tail::text || '40008000000000000000')"
_NEW_CLAIM_ID = r"""\set sequence :sequence + 1
\set tail 100000000000 + permute(:base + :client_id * 1000000 + :sequence, 899999999999, 5)
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script of pgbench and the variables it is given."""

    text: str
    variables: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the driver was given it, with its sets of parameters; many: sent in one go, once for each set."""

    text: str
    sets: tuple[tuple[Any, ...], ...]


class _Undo(Exception):
    """Ends a recording."""


async def caller_of(tx: Transaction, firm: int) -> Caller:
    """Return the caller with the key of firm 0 or 1."""
    key = (await keys.find(tx, {digest(KEYS[firm])}))[digest(KEYS[firm])]
    return Caller((await firms.load(tx, key.firm_id))[1], key.vendor, key.id)


async def record(url: str, firm: int, work: Callable[[Transaction, Caller], Awaitable[object]]) -> list[Statement]:
    """Return the statements of a piece of work, in order; nothing of it is kept in the database."""
    store, found, listening = Store(url), [], False
    kind = PostgresqlSession if store.database is Database.POSTGRESQL else SqliteSession
    send, run, copy = kind._send, kind.run, asyncpg.Connection.copy_records_to_table

    async def sent(session: Any, prepared: Prepared, text: str, several: list[list[Any]]) -> Result:
        if listening:
            found.append(Statement(text, tuple(map(tuple, several))))
        return await send(session, prepared, text, several)

    async def ran(session: Any, command: str, *arguments: Any) -> str:
        if listening and arguments:
            found.append(Statement(command, tuple(map(tuple, arguments))))
        return await run(session, command, *arguments)

    async def copied(connection: object, table: str, *, records: Any, columns: Any, **rest: Any) -> None:
        """Note a COPY, which pgbench cannot do, as INSERTs of many rows."""
        if listening:
            rows = list(records)
            found.extend(_inserted(table, columns, rows[start : start + 200]) for start in range(0, len(rows), 200))

    kind._send, kind.run, asyncpg.Connection.copy_records_to_table = sent, ran, copied
    try:
        async with store.write() as tx:
            caller = await caller_of(tx, firm)
            listening = True
            await work(tx, caller)
            raise _Undo
    except _Undo:
        return found
    finally:
        kind._send, kind.run, asyncpg.Connection.copy_records_to_table = send, run, copy
        await store.close()


def _inserted(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Statement:
    """Return an INSERT of rows in which the CaseIDs of the recorded batch are parameters: pgbench has 255."""
    cases: list[int] = []

    def place(value: Any) -> str:
        if value is None or isinstance(value, bool):
            return {None: "NULL", True: "true", False: "false"}[value]
        if isinstance(value, int) and value >= _FIRST_CASE:
            cases.append(value)
            return f"${len(cases)}"
        return f"'{int(value) if isinstance(value, int) else value}'"

    values = ", ".join(f"({', '.join(map(place, row))})" for row in rows)
    return Statement(f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}", (tuple(cases),))


async def claim_statements(url: str, records: int, firm: int = 0, campaign: int = 0) -> list[Statement]:
    """Return what casedial runs for a claim from a campaign of the firm, the first unless said otherwise."""

    async def work(tx: Transaction, caller: Caller) -> None:
        query = DialQuery(CAMPAIGNS[campaign], None, records, auto_change=True)
        found, _ = await dialing.get_cases_to_dial(tx, caller, query, datetime.now(UTC))
        assert len(found) == records, "the recorded claim found too few cases"

    return await record(url, firm, work)


async def claim_script(url: str, records: int, firm: int, base: int, campaigns: int = len(CAMPAIGNS)) -> Script:
    """Return a script that claims from one of the firm's campaigns at random, as casedial does.

    ``base`` keeps the claim ids of several runs apart.
    """
    first = FIRST_CAMPAIGN_ID + firm * len(CAMPAIGNS)
    variables: dict[str, object] = {"sequence": 0, "base": base}
    lines = [rf"\set campaign random({first}, {first + campaigns - 1})", _NEW_CLAIM_ID.rstrip()]
    statements = await claim_statements(url, records, firm)

    def shown(value: object) -> str | None:
        if isinstance(value, UUID):
            return _CLAIM_ID
        return ":campaign" if value == first else None

    for number, statement in enumerate(statements):
        lines += _lines(statement, f"f{firm}s{number}", shown, variables)
    if len(statements) > 1:
        lines = [*lines[:2], "BEGIN;", *lines[2:], "COMMIT;"]
    return Script("\n".join(lines) + "\n", variables)


async def update_script(url: str, records: int, firm: int, clients: int) -> Script:
    """Return a script that updates one block of CaseIDs after the other, as casedial does for one call."""

    async def work(tx: Transaction, caller: Caller) -> None:
        items = [
            CaseUpdate(_FIRST_CASE + i, "To Dial", NEXT_CALL, attempts="1", disposition="No Answer")
            for i in range(records)
        ]
        outcomes, _ = await dialing.update_case_status(tx, caller, items, datetime.now(UTC))
        assert not any(outcomes), "the recorded update failed"

    cases = range(_FIRST_CASE, _FIRST_CASE + records)
    variables: dict[str, object] = {f"done{firm}": 0}
    lines = [rf"\set first (:done{firm} * {clients} + :client_id) * {records}", rf"\set done{firm} :done{firm} + 1"]
    lines += [rf"\set c{i} :first + {i + 1}" for i in range(records)]
    lines.append("BEGIN;")

    def shown(value: object) -> str | None:
        return f":c{value - _FIRST_CASE}" if isinstance(value, int) and value in cases else None

    for number, statement in enumerate(await record(url, firm, work)):
        sent = _lines(statement, f"f{firm}s{number}", shown, variables)
        lines += [r"\startpipeline", *sent, r"\endpipeline"] if len(sent) > 1 else sent
    return Script("\n".join([*lines, "COMMIT;"]) + "\n", variables)


def _lines(
    statement: Statement, name: str, shown: Callable[[object], str | None], variables: dict[str, object]
) -> list[str]:
    """Return a statement, once for each set of parameters; adds its constants to ``variables``."""
    known: dict[tuple[str, str], str] = {}
    made = []
    for parameters in statement.sets:

        def put(match: re.Match[str], parameters: tuple[Any, ...] = parameters) -> str:
            value = parameters[int(match[1]) - 1]
            if value is None:
                return "NULL"
            text = _text(value)
            if isinstance(value, list):
                elements = [shown(element) for element in value]
                replaced = f"ARRAY[{', '.join(filter(None, elements))}]" if all(elements) else None
                text = "{" + ", ".join(f'"{_text(one)}"' if one is not None else "NULL" for one in value) + "}"
            else:
                replaced = shown(value)
            if replaced is None:
                replaced = ":" + known.setdefault((match[1], text), f"{name}p{len(known)}")
                variables[replaced[1:]] = text
            return replaced

        made.append(re.sub(r"\$(\d+)", put, statement.text) + ";")
    return made


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def plain_script(records: int, firm: int) -> Script:
    """Return the textbook claim: no history, no lease, no record of the claim."""
    first = FIRST_CAMPAIGN_ID + firm * len(CAMPAIGNS)
    text = rf"""\set campaign random({first}, {first + len(CAMPAIGNS) - 1})
WITH picked AS MATERIALIZED (
  SELECT firm_id, case_id FROM cases
  WHERE firm_id = :firm{firm}::bigint AND campaign_id = :campaign::bigint AND dialer_role = 1 AND dial_at <= now()
  ORDER BY priority, dial_at, case_id FOR UPDATE SKIP LOCKED LIMIT :records::integer)
UPDATE cases SET dialer_status_id = :status{firm}::bigint, dialer_role = 2, changed_at = now()
FROM picked WHERE cases.firm_id = picked.firm_id AND cases.case_id = picked.case_id
RETURNING cases.*;
"""
    constants = {f"firm{firm}": firm + 1, "records": records, f"status{firm}": 2 + 29 * firm}
    return Script(text, constants)
