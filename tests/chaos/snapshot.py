"""Copy the tables to plain values, with nothing but a driver of the database; the evidence is read from the copy."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

try:  # newer than most systems' own, and free of its bug with the log that the server uses
    import pysqlite3.dbapi2 as sqlite
except ImportError:
    import sqlite3 as sqlite

Table = list[dict[str, Any]]

QUERIES = {
    "cases": "SELECT case_id, dialer_role, dialer_status_id, disposition_id, campaign_id, attempts_id, dial_at,"
    " claim_id, held_until, redial_at, answered_at FROM cases",
    "claims": "SELECT id, key_id, vendor, case_ids, created_at, expires_at FROM claims",
    "history": "SELECT id, case_id, type, status_id, dial_at, changed_at, changed_by, claim_id, reason"
    " FROM status_history",
    "notes": "SELECT case_id, text, author FROM notes",
    "statuses": "SELECT id, type, name, role FROM statuses",
    "phones": "SELECT number, case_id FROM phone_numbers",
}
_TIMES = {"dial_at", "held_until", "redial_at", "answered_at", "changed_at", "created_at", "expires_at"}


def take(url: str) -> dict[str, Any]:
    """Copy a database that holds one firm."""
    taken_at = time.time()
    if url.startswith("sqlite:///"):
        rows, integrity = _from_sqlite(url.removeprefix("sqlite:///"))
    else:
        rows, integrity = asyncio.run(_from_postgresql(url)), "ok"
    tables: dict[str, Any] = {name: [_plain(row) for row in found] for name, found in rows.items()}
    for row in tables["history"]:
        row["claim"] = row.pop("claim_id")
    for row in tables["claims"]:
        row["key"] = row.pop("key_id")
    return {"taken_at": taken_at, "integrity": integrity, **tables}


def _from_sqlite(path: str) -> tuple[dict[str, Table], str]:
    connection = sqlite.connect(path)
    connection.row_factory = sqlite.Row
    rows = {name: [dict(row) for row in connection.execute(query)] for name, query in QUERIES.items()}
    integrity = "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check"))
    dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
    connection.close()
    return rows, f"{len(dangling)} rows refer to nothing" if dangling else integrity


async def _from_postgresql(url: str) -> dict[str, Table]:
    connection = await asyncpg.connect(url)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = {name: [dict(row) for row in await connection.fetch(query)] for name, query in QUERIES.items()}
    await connection.close()
    return rows


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in row.items()}


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        told = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()
    if name == "case_ids":
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(value, UUID) or (name in ("claim_id", "id") and isinstance(value, str)):
        return str(UUID(str(value)))
    return value
