"""Databases as released versions of casedial left them: made by that revision, filled by plain SQL of that version.

Nothing here comes from today's tables or today's code, but the migrations up to that revision, which never change.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from casedial.database import schema
from casedial.database.dialects import Dialect
from casedial.database.engine import Store, Transaction

# Every revision that a released version had as its head; one is added with each release that changes the schema.
RELEASED = ("0001",)

START = datetime(2026, 11, 2, 14, 30, 5, 250_000, tzinfo=UTC)
FIRMS = {1: ("Lex & Partners", "America/Chicago"), 2: ("Łącki i Söhne", "Europe/Warsaw"), 3: ("Night", "UTC")}
CASES_OF_A_FIRM = 60
VENDORS = ("Acme Dialer", 'Call\'em "All"')
ROLES = (1, 1, 2, 3, None)  # of the cases, in turn

Rows = list[dict[str, Any]]


def key_of(firm_id: int) -> str:
    """The ClientKey of the firm's first vendor."""
    return f"a-key-from-elsewhere-{firm_id}"


def revoked_key_of(firm_id: int) -> str:
    return f"a-key-taken-back-{firm_id}"


def role_of(case_id: int) -> int | None:
    return ROLES[case_id % len(ROLES)]


def rows_of_0001() -> dict[str, Rows]:
    """Three firms with cases of every role, history, notes, phones and keys, in the order of their foreign keys."""
    found: dict[str, Rows] = {
        name: [] for name in ("firms", "keys", "statuses", "cases", "phone_numbers", "status_history", "notes")
    }
    for firm_id, (name, zone) in FIRMS.items():
        found["firms"].append(
            {
                "id": firm_id,
                "name": name,
                "name_folded": name.casefold(),
                "time_zone": zone,
                "default_records": 100 * firm_id,
                "version": 40 + firm_id,
                "created_at": START,
            }
        )
        found["keys"].extend(_keys(firm_id))
        found["statuses"].extend(_statuses(firm_id))
        for case_id in range(1, CASES_OF_A_FIRM + 1):
            _add_case(found, firm_id, case_id)
    for table in ("status_history", "notes"):
        for number, row in enumerate(found[table], 1):
            row["id"] = number
    return found


def _keys(firm_id: int) -> Iterator[dict[str, Any]]:
    for number, (key, used, revoked) in enumerate(
        [
            (key_of(firm_id), START, None),
            (f"another-key-of-{firm_id}", None, None),
            (revoked_key_of(firm_id), None, START),
        ]
    ):
        yield {
            "id": 10 * firm_id + number,
            "firm_id": firm_id,
            "vendor": VENDORS[number % 2],
            "digest": sha256(key.encode()).digest(),
            "hint": key[:12],
            "created_at": START,
            "last_used_at": used,
            "revoked_at": revoked,
        }


def status_id(firm_id: int, number: int) -> int:
    return 100 * firm_id + number


def _statuses(firm_id: int) -> Iterator[dict[str, Any]]:
    first = "To Dial" if firm_id == 1 else "Zu wählen"
    listed = [
        *((1, name, role) for role, name in enumerate((first, "In the Dialer", "Do not Dial"), 1)),
        (1, "On hold", None),
        *((2, name, None) for name in ("Never Dialed", "Busy", "No Answer", "Successful")),
        *((3, name, None) for name in ("Intake follow-up", "Straße")),
        *((4, str(count), None) for count in range(5)),
    ]
    for number, (kind, name, role) in enumerate(listed, 1):
        yield {
            "id": status_id(firm_id, number),
            "firm_id": firm_id,
            "type": kind,
            "name": name,
            "name_folded": name.casefold(),
            "position": number,
            "role": role,
            "retired": name == "Busy",
        }


def _add_case(found: dict[str, Rows], firm_id: int, case_id: int) -> None:
    role, at = role_of(case_id), START + timedelta(minutes=case_id)
    phones = [["Cell", f"402555{case_id:04}", True, True], ["Fax", "4025559999", False, False]][: case_id % 3]
    dialer_id = status_id(firm_id, role) if role else (status_id(firm_id, 4) if case_id % 2 else None)
    found["cases"].append(
        {
            "firm_id": firm_id,
            "case_id": case_id,
            "case_status": "INT 01 - New Lead",
            "case_group": "Auto" if case_id % 2 else "Ärzte",
            "case_group_folded": "auto" if case_id % 2 else "ärzte",
            "closed": case_id % 7 == 0,
            "closed_on": date(2026, 10, case_id % 28 + 1) if case_id % 7 == 0 else None,
            "zip_code": f"{case_id:05}",
            "plaintiff": f"O'Hara, {case_id} “Zoë”",
            "phones": phones,
            "dialer_status_id": dialer_id,
            "dialer_role": role,
            "dial_at": at if dialer_id else None,
            "campaign_id": status_id(firm_id, 9 + case_id % 2) if case_id % 4 else None,
            "disposition_id": status_id(firm_id, 5 + case_id % 4) if case_id % 3 else None,
            "attempts_id": status_id(firm_id, 11 + case_id % 5),
            "changed_at": at,
        }
    )
    for name, number, *_ in phones:
        if name != "Fax":
            found["phone_numbers"].append({"firm_id": firm_id, "number": number, "case_id": case_id})
    # It was To Dial, and is since what it is now; the last change is the one that set it.
    past: list[tuple[int, int | None, datetime | None, datetime]] = [
        (1, status_id(firm_id, 1), dial_time(case_id), START - timedelta(days=9)),
        (4, status_id(firm_id, 11 + case_id % 5), None, at),
    ]
    if dialer_id and role != 1:
        past.append((1, dialer_id, at, at))
    found["status_history"].extend(
        {
            "firm_id": firm_id,
            "case_id": case_id,
            "type": kind,
            "status_id": status,
            "dial_at": dial_at,
            "changed_at": changed_at,
            "changed_by": VENDORS[0],
        }
        for kind, status, dial_at, changed_at in past
    )
    found["notes"].extend(
        {
            "firm_id": firm_id,
            "case_id": case_id,
            "text": f"Note {number}: it's “fine”,\n\ttoday; 100 % – né?",
            "author": VENDORS[number % 2],
            "created_at": at,
        }
        for number in range(case_id % 3)
    )


def dial_time(case_id: int) -> datetime:
    """When a case was to be dialed before it went into the dialer."""
    return START - timedelta(days=5, minutes=case_id)


def literal(value: object, dialect: Dialect) -> str:
    """Write a value as it stands in this database."""
    in_sqlite = dialect.name == "sqlite"
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(int(value)) if in_sqlite else str(value).upper()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'" if in_sqlite else f"'\\x{value.hex()}'"
    if isinstance(value, datetime):
        return f"'{value:%Y-%m-%d %H:%M:%S.%f}{'' if in_sqlite else '+00'}'"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)
    return "'" + text.replace("'", "''") + "'"


def inserts(rows: dict[str, Rows], dialect: Dialect) -> Iterator[str]:
    """Yield the statements that store these rows, and in PostgreSQL leave its counters behind the last id."""
    for table, listed in rows.items():
        columns = list(listed[0])
        values = (f"({', '.join(literal(row[name], dialect) for name in columns)})" for row in listed)
        yield f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join(values)}"
        if dialect.name == "postgresql" and isinstance(listed[0].get("id"), int):
            yield f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"


async def driver_sql(tx: Transaction, statement: str) -> sa.CursorResult[Any]:
    """Run a statement as it is written."""
    return await tx.run_sync(lambda connection: connection.exec_driver_sql(statement))


async def fill(tx: Transaction, rows: dict[str, Rows]) -> None:
    """Store rows by plain SQL."""
    for statement in inserts(rows, tx.dialect):
        await driver_sql(tx, statement)


async def make(store: Store, revision: str) -> None:
    """Make an empty database one of a released revision, with data in it."""
    store.make_file()

    def upgrade(connection: sa.Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(schema.MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with store.write() as tx:
        await tx.run_sync(upgrade)
        await fill(tx, rows_of_0001())


async def stored(tx: Transaction, revision: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that the revision's columns hold, as the driver gives it, in a fixed order."""
    assert revision in RELEASED
    found = {}
    for table, rows in rows_of_0001().items():
        columns = ", ".join(rows[0])
        result = await driver_sql(tx, f"SELECT {columns} FROM {table}")
        found[table] = sorted((tuple(row) for row in result), key=repr)
    return found
