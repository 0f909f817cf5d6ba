"""The demo's firm with its past, many times over, in a database of either kind: what pages are measured on.

``BASE`` cases are made as the demo makes them, by casedial; the others are copies of them by SQL, with a CaseID, a name
and numbers of their own, and a past that lies 0, 30 or 60 days earlier. Their figures are those of the first, so many
times. So it is made in minutes, and every table has what a year's work leaves.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.machine import HOME, Postgres
from casedial.database import schema
from casedial.database.engine import Store
from casedial.domain.actors import operator
from casedial.domain.statuses import StatusType
from casedial.service.firms import open_firm
from casedial.service.operations import sample, signing_in, users
from casedial.service.operations.counting import Counter
from casedial.service.statuses import add_statuses

VERSION = "2"  # of what is made here
BASE = 20_000
PASSWORD = "four words that nobody expects"
RARE = "Wrong person"  # a disposition that one case in 10,007 has
_FIRST = """
Aaron Abby Ada Alan Amy Anna Ben Beth Bob Brian Carl Clara Cora Dan Dora Earl Ed Ella Emma Eric Eva Finn Fred Gina
Glen Hank Helen Hugo Ian Ida Ines Jack Jacob James Jane Janet Jim Joan John Karl Kate Ken Kim Lara Lee Leo Lily Lou
Luke Mark Mary Max Mia Mike Nan Ned Nina Noah Olga Omar Otto Pam Paul Peter Quin Ralph Rita Ron Rosa Roy Ruth Sam
Sara Sean Stan Sue Ted Tess Tim Tom Uma Vera Vic Wade Walt Wendy Will Xena Yan Yves Zach Zoe
"""
_LAST = """
Adams Allen Baker Bell Bloom Bond Booth Bowen Boyd Brown Burke Camp Clark Cole Cook Cox Cruz Davis Day Diaz Dunn
Ellis Evans Field Fisher Ford Fox Frost Gray Green Hall Hart Hayes Hill Hunt James Jones Kelly Kent King Lane Lee
Lewis Long Marsh Mason Mills Moore Nash Nolan Olsen Owens Page Park Perez Pope Price Quick Reed Rice Rivera Ross
Ryan Sanders Scott Shaw Smith Stone Swan Tate Todd Turner Tyler Vance Wade Walsh Ward Webb West White Wolf Wood
Yates York Young Zeller
"""
FIRST, LAST = _FIRST.split(), _LAST.split()
# What a copy differs in, by table, but for its CaseID; what stands in braces depends on the database.
_DIFFERS = {
    "cases": {"plaintiff": "f.name || ' ' || l.name", "phones": "{phones}"},
    "phone_numbers": {"number": "{number}"},
    "status_history": {"changed_at": "{changed_at}"},
    "notes": {"created_at": "{created_at}"},
    "calls": {"number": "{number}", "called_at": "{called_at}"},
    "claims": {"id": "{id}", "created_at": "{created_at}", "check_at": "NULL"},
}
_NAMED = "JOIN firsts f ON f.i = id.x % {firsts} JOIN lasts l ON l.i = id.x / {firsts} % {lasts}"
_FIGURES = "firm_id, kind, slot, campaign_id, detail, vendor, number"


def postgresql(postgres: Postgres, count: int) -> str:
    """Make the database unless it is there; return its URL."""
    name, mark = f"pages_{count}", f"{VERSION} {max(schema._known())}"
    marked = f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{name}'"
    if postgres.sql("postgres", marked) == [[mark]]:
        return postgres.url(name)
    postgres.drop(name)
    postgres.sql("postgres", f"CREATE DATABASE {name}")
    asyncio.run(_begin(postgres.url(name)))
    columns = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    found: dict[str, list[str]] = {}
    for table, column in postgres.sql(name, columns):
        found.setdefault(table, []).append(column)
    making = ["SET session_replication_role = replica", *script(found, BASE, count, False)]
    postgres.sql(name, ";\n".join(making))
    postgres.sql(name, "VACUUM (ANALYZE)")
    postgres.sql("postgres", f"COMMENT ON DATABASE {name} IS '{mark}'")
    return postgres.url(name)


def sqlite(count: int, home: Path = HOME) -> str:
    """Make the file unless it is there; return its URL."""
    file = home / f"pages-{count}-{VERSION}-{max(schema._known())}.db"
    if file.exists():
        return f"sqlite:///{file}"
    home.mkdir(parents=True, exist_ok=True)
    making = file.with_suffix(".making")
    for left in home.glob(f"{making.name}*"):
        left.unlink()
    asyncio.run(_begin(f"sqlite:///{making}"))
    db = sqlite3.connect(making, isolation_level=None)
    db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-1000000")
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for name in tables}
    db.executescript(";\n".join(["BEGIN", *script(found, BASE, count, True), "COMMIT;"]))
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    shutil.move(making, file)
    return f"sqlite:///{file}"


async def _begin(url: str) -> None:
    store = Store(url)
    try:
        await schema.migrate(store)
        await begin(store, BASE)
    finally:
        await store.close()


async def begin(store: Store, count: int) -> None:
    """Make the first cases, with ``PASSWORD`` for their user, and count their history."""
    me = operator("benchmark")
    await sample.make(store, me, count)
    linked = await users.reset(store, me, sample.USER)
    await signing_in.use_link(store, linked.token, PASSWORD, signing_in.Browser("127.0.0.1"))
    async with store.write() as tx:
        firm = await open_firm(tx, sample.FIRM, lock=True)
        await add_statuses(tx, firm, [(StatusType.DISPOSITION, RARE)])
        await tx.run_sync(lambda connection: connection.exec_driver_sql(_listed("case_id > 0")))
    await Counter().catch_up(store)


def script(columns: Mapping[str, Sequence[str]], base: int, count: int, is_sqlite: bool) -> list[str]:
    """Return the statements that make ``count`` cases of the first ``base``; ``columns`` are those of each table."""
    copies = count // base
    fill = {
        "number": "replace(t.number, '55501', CAST(200 + k AS TEXT) || '01')",
        "phones": "replace(CAST(t.phones AS TEXT), '55501', CAST(200 + k AS TEXT) || '01')",
        "id": "lower(hex(randomblob(16)))" if is_sqlite else "gen_random_uuid()",
        **{name: _earlier(f"t.{name}", is_sqlite) for name in ("changed_at", "created_at", "called_at")},
    }
    fill["phones"] = fill["phones"] if is_sqlite else f"CAST({fill['phones']} AS JSON)"
    named = _NAMED.format(firsts=len(FIRST), lasts=len(LAST))
    made = [*_helpers(copies), *_audit(columns["audit"])]
    for table, differs in _DIFFERS.items():
        kept = [name for name in columns[table] if name != "id" or "id" in differs]
        values = [
            f"t.case_id + k * {base}" if name == "case_id" else differs.get(name, f"t.{name}").format(**fill)
            for name in kept
        ]
        also = named.replace("id.x", f"(t.case_id + k * {base})") if table == "cases" else ""
        first = f"WHERE t.case_id <= {base}" if "case_id" in kept else ""
        by = ", ".join(f"t.{name}" for name in ("case_id", "id") if name in columns[table])
        source = f"clones CROSS JOIN {table} t {also} {first} ORDER BY k, {by}"
        made.append(f"INSERT INTO {table} ({', '.join(kept)}) SELECT {', '.join(values)} FROM {source}")
    for which in ("f.word", "l.word"):
        source = f"(SELECT firm_id, case_id AS x FROM cases WHERE case_id > {base}) id {named}"
        made.append(f"INSERT INTO case_names (firm_id, word, case_id) SELECT firm_id, {which}, x FROM {source}")
    return [*made, *_figures(copies), *_odds(base)]


def _earlier(column: str, is_sqlite: bool) -> str:
    if is_sqlite:
        return f"strftime('%Y-%m-%d %H:%M:%f', {column}, '-' || (30 * (k % 3)) || ' days') || '000'"
    return f"{column} - (k % 3) * interval '30 days'"


def _helpers(copies: int) -> list[str]:
    """Return what makes the tables of copies and of names."""
    made = ["CREATE TEMP TABLE clones (k INTEGER)"]
    made.append(f"INSERT INTO clones VALUES {', '.join(f'({k})' for k in range(1, copies))}")
    for table, names in (("firsts", FIRST), ("lasts", LAST)):
        rows = ", ".join(f"({i}, '{name}', '{name.lower()}')" for i, name in enumerate(names))
        made += [f"CREATE TEMP TABLE {table} (i INTEGER, name TEXT, word TEXT)", f"INSERT INTO {table} VALUES {rows}"]
    return made


def _audit(columns: Sequence[str]) -> list[str]:
    """Return what repeats the audit; the chain of its hashes is broken by that."""
    kept = ", ".join(name for name in columns if name != "id")
    return [
        f"INSERT INTO audit ({kept}) SELECT {kept} FROM audit t CROSS JOIN clones CROSS JOIN clones c ORDER BY t.id"
    ]


def _figures(copies: int) -> list[str]:
    """Return what makes the figures of the copies; those of the same days are one number."""
    latest = f"(SELECT max(slot) FROM figures) - {30 * 96 - 1}"
    made = [f"DELETE FROM figures WHERE slot < {latest}"]
    for earlier in (1, 2):
        number = len(range(earlier, copies, 3))
        kept = _FIGURES.replace("slot", f"slot - {earlier * 30 * 96}").replace("number", f"number * {number}")
        made.append(f"INSERT INTO figures ({_FIGURES}) SELECT {kept} FROM figures f WHERE slot >= "
                    f"{latest}")  # fmt: skip
    made.append(f"UPDATE figures SET number = number * {len(range(0, copies, 3))} WHERE slot >= {latest}")
    return [*made, "UPDATE figures_place SET history_id = (SELECT max(id) FROM status_history), version = version + 1"]


def _listed(which: str) -> str:
    """Return what puts the numbers of some cases on the do-not-call list."""
    some = f"SELECT DISTINCT firm_id, number, date('2026-01-05'), 'letter' FROM phone_numbers WHERE {which}"
    return f"INSERT INTO do_not_call (firm_id, number, listed_on, source) {some} AND case_id - case_id / 97 * 97 = 7"


def _odds(base: int) -> list[str]:
    """Return what few cases have: a disposition, and a place on the do-not-call list."""
    rare = f"(SELECT id FROM statuses WHERE name = '{RARE}')"
    return [
        f"UPDATE cases SET disposition_id = {rare} WHERE case_id % 10007 = 5",
        _listed(f"case_id > {base}"),
    ]
