"""SQLite: a file, with one writer at a time, that takes any value in any column."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from functools import reduce
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from casedial.database import failures, sqlite, sqlite_files
from casedial.database.dialects import Column, Condition, Dialect, Opened
from casedial.domain.errors import InvalidSetting, StorageUnavailable

if TYPE_CHECKING:
    from casedial.database.engine import Store, Transaction

_WIPE_TRIES = 10
_WIPE_PAUSE = 0.5  # seconds
_ADVICE = (
    "This version can corrupt a database in WAL mode, so WAL is off. To use WAL, install pysqlite3 (Linux x86-64)."
)
_HISTORY_SHIFT = 28  # so many rows may come between two of the history; the triggers know it, too
_LAST_IN_LINE = sa.text(
    f"SELECT max((SELECT coalesce(max(id), 0) FROM status_history) << {_HISTORY_SHIFT}, (SELECT last FROM feed_line))"  # noqa: S608
)


class Sqlite(Dialect):
    """SQLite."""

    name = "sqlite"
    has_one_writer = True
    has_copy = False
    read, write = sqlite.READ, sqlite.WRITE
    caution = None if sqlite.WAL else sqlite.CAUTION
    history_shift = _HISTORY_SHIFT

    def open(self, url: str, pool_size: int, patience: float | None, is_standby: bool, **options: Any) -> Opened:
        """Make the sessions of a file that need not be there yet. Raises InvalidSetting."""
        path = sqlite.file_of(url)
        threads: WeakSet[Thread] = WeakSet()  # of connections
        engine = sqlite.make_engine(path, threads, **options)
        pool = sqlite.make_pool(engine, pool_size, path)
        return Opened(engine, pool, str(path), path, lambda: sqlite.wait_for(threads))

    def encoder(self, type_: Any, dialect: sa.Dialect) -> Any:
        """Return what makes of a value of a type what the driver takes; None where nothing does."""
        return sqlite.encoder(type_, dialect)

    async def refuse_pooler(self, url: str) -> None:
        """Do nothing: nobody is between us and a file."""

    def among(self, column: Column, values: Iterable[Any]) -> Condition:
        """Return the condition that a column has one of these values: IN takes a parameter for each."""
        return column.in_(list(values))

    def among_given(self, column: Column, name: str) -> Condition:
        """Return the condition that a column has one of the values of a parameter."""
        return column.in_(sa.bindparam(name, expanding=True))

    def insert(self, table: sa.Table) -> Any:
        """Return SQLite's INSERT."""
        return insert(table)

    def update_each(self, table: sa.Table, where: Condition, key: str, columns: Iterable[str]) -> sa.Update:
        """Return an UPDATE for one row, to be run for each."""
        this = table.c[key] == sa.bindparam(f"each_{key}")
        return table.update().where(where, this).values({name: sa.bindparam(f"each_{name}") for name in columns})

    def given_each(self, same: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> Any:
        """Return a set of parameters for each row."""
        return [{**same, **{f"each_{name}": value for name, value in row.items()}} for row in rows]

    def merged(self, looks: Sequence[sa.Select[Any]], most: Any) -> sa.CompoundSelect[Any]:
        """Return the rows of all, without an order of each: told that, SQLite would sort them."""
        return sa.union_all(*(look.order_by(None) for look in looks))

    def listed(self, column: Column) -> sa.TableValuedAlias:
        """Return what a list in JSON lists."""
        return sa.func.json_each(column).table_valued("value")

    def is_no_list(self, column: Column) -> Condition:
        """Return the condition that text is no list in JSON."""
        return sa.case((sa.func.json_valid(column) == 1, sa.func.json_type(column)), else_="") != "array"

    def is_no_uuid(self, column: Column) -> Condition:
        """Return the condition that a value is not 32 digits, as SQLAlchemy writes a UUID."""
        text = sa.type_coerce(column, sa.Text)
        return sa.or_(sa.func.typeof(text) != "text", sa.func.length(text) != 32, text.op("GLOB")("*[^0-9a-f]*"))

    def is_no_time(self, column: Column) -> Condition:
        """Return the condition that a value does not begin like an instant."""
        return sa.type_coerce(column, sa.Text).op("NOT GLOB")("[12][0-9][0-9][0-9]-[01][0-9]-*")

    def readable(self, column: Column, latest: datetime) -> Column:
        """Return the value as it is: who reads it sees whether it is an instant."""
        return column

    def holds(self, column: Column, part: bytes) -> Condition:
        """Return the condition that bytes have these among them."""
        return sa.func.instr(column, part) > 0

    def seconds(self) -> sa.ColumnElement[float]:
        """Return the machine's time: nobody elsewhere has the file."""
        return (sa.func.julianday("now", type_=sa.Float) - 2440587.5) * 86400.0  # which is 1970, in days

    def whole(self, number: sa.ColumnElement[float]) -> sa.ColumnElement[int]:
        """Return a number without what is behind its point: not every SQLite has floor(), and a cast cuts."""
        return sa.cast(number, sa.BigInteger)

    def has_table(self, name: str) -> sa.Executable:
        """Look for a table in the file's schema."""
        return sa.text("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name").bindparams(name=name)

    def state_of(self, columns: Sequence[Column]) -> sa.ColumnElement[str]:
        """Return them as literals."""
        quoted = (sa.func.quote(sa.type_coerce(column, sa.Text), type_=sa.Text) for column in columns)
        return reduce(lambda one, other: one.concat("|").concat(other), quoted)

    async def clock(self, tx: Transaction) -> datetime:
        """Return the machine's time."""
        return tx.now()

    async def reserve(self, tx: Transaction, space: int, owner: int, names: Sequence[str]) -> set[str]:
        """Return all: nobody else writes."""
        return set(names)

    def waiting(self, tx: Transaction, seconds: float) -> nullcontext[None]:
        """Wait for nobody: nobody else writes."""
        return nullcontext()

    async def expect_many_rows(self, tx: Transaction) -> None:
        """Give a session room for many rows."""
        for pragma in sqlite.FOR_MANY_ROWS:
            await tx.execute(sa.text(f"PRAGMA {pragma}"))

    async def see_it_writes(self, tx: Transaction, path: Path | None, has_tables: bool) -> None:
        """Write what was there before."""
        if path:
            sqlite_files.see_room(path)
        await tx.execute(sa.text(sqlite.REWRITE))

    async def last_in_line(self, tx: Transaction) -> int:
        """Return the later of the last rows of the history and of all else."""
        return int((await tx.execute(_LAST_IN_LINE)).scalar_one())

    async def version(self, tx: Transaction) -> tuple[str, str]:
        """Return the version, and what to do where it has no WAL."""
        mode = (await tx.execute(sa.text("PRAGMA journal_mode"))).scalar_one()
        number = str((await tx.execute(sa.text("SELECT sqlite_version()"))).scalar_one())
        good = sqlite.wal_is_safe(tuple(map(int, number.split("."))))
        return f"SQLite {number}, journal mode {mode}", "" if good else _ADVICE

    @asynccontextmanager
    async def alone(self, store: Store) -> AsyncIterator[Transaction]:
        """Write: nobody else does."""
        async with store.write() as tx:
            yield tx

    async def copy(self, store: Store, target: Path) -> None:
        """Write all that is in the file to another."""
        if not store.path or not store.path.exists():
            raise InvalidSetting(f"There is no database {store.path}.")
        async with _outside(store) as connection:
            await connection.execute("VACUUM INTO ?", (str(target),))

    async def wipe(self, store: Store, tables: Iterable[sa.Table]) -> bool:
        """See to it that nothing is left in the file or its log."""
        try:
            async with _outside(store) as connection:
                # Overwriting what is deleted (``secure_delete``) is not enough: where SQLite moves rows from page to
                # page, copies stay in the gaps, of two in a hundred cases when it was tried.
                await connection.execute("VACUUM")
                # The log is emptied when no reader needs it; who waits for that keeps writers out, so never long.
                await connection.execute("PRAGMA busy_timeout = 1000")
                for _ in range(_WIPE_TRIES):
                    cursor = await connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    busy = await cursor.fetchone()
                    if busy and not busy[0]:
                        return True
                    await asyncio.sleep(_WIPE_PAUSE)
        except StorageUnavailable:
            pass
        return False


@asynccontextmanager
async def _outside(store: Store) -> AsyncIterator[Any]:
    """Open a connection outside any transaction, as VACUUM wants it. Raises StorageUnavailable."""
    async with store.outside() as connection:
        try:
            yield connection
        except sqlite.Error as error:
            raise failures.unconnected(error, store.where, Sqlite.unconnected) from error


DIALECT = Sqlite()
