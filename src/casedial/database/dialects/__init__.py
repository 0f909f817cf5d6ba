"""All that depends on which database it is: one object for each, which stores and transactions have.

sqlite.py, postgresql.py   the two. tests/database/test_dialects.py is what each of them has to hold

A statement that has something of a dialect in it is made once for each, by a function with ``functools.cache``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from casedial.domain.errors import InvalidSetting

if TYPE_CHECKING:
    from casedial.database.engine import Store, Transaction
    from casedial.database.pool import Pool
    from casedial.database.sessions import Processor, Session

Column = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]

_SCHEMES = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}


def of_url(url: str) -> Dialect:
    """Return the dialect of a URL; its module brings a driver, of which a command needs one. Raises InvalidSetting."""
    scheme = url.partition("://")[0].partition("+")[0].lower()
    if scheme not in _SCHEMES:
        raise InvalidSetting("The database URL must start with sqlite:/// or postgresql://.")
    found: Dialect = import_module(f"{__name__}.{_SCHEMES[scheme]}").DIALECT
    return found


def unnested(name: str, columns: Mapping[str, Any], number: str | None = None) -> Any:
    """Return a table made of arrays, a parameter for each column, and its rows numbered by ``number``.

    It is for databases with several writers.
    """
    arrays = [sa.bindparam(f"{name}_{column}", type_=sa.ARRAY(kind)) for column, kind in columns.items()]
    made = [sa.column(column, kind) for column, kind in columns.items()]
    return sa.func.unnest(*arrays).table_valued(*made, with_ordinality=number, name=name).render_derived()


class RowHeld(Exception):
    """A row was waited for as long as was said, and somebody else still has it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a store works with: ``where`` is the database, as the log calls it; ``path`` its file, if it is one."""

    engine: sa.Engine
    sessions: Pool
    where: str
    path: Path | None
    closed: Callable[[], Awaitable[None]]  # waits for what goes on behind connections that are closed


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What keeps a database from clearing old rows away: since when, if our role may see it, and transactions since."""

    what: str
    age: timedelta | None
    transactions: int | None


class Dialect(ABC):
    """A database, and what is different about it."""

    name: str
    # Whether a transaction that writes has the whole database for itself. Else it locks rows, a parameter may be an
    # array, and a query may write in its CTEs: both are needed to claim cases beside other writers.
    has_one_writer: bool
    has_copy: bool  # whether rows are added by it: so fast that rows are never made of others in SQL
    read: str  # what begins a transaction that sees one moment
    write: str
    unconnected: tuple[type[Exception], ...] = ()  # what the driver raises where no connection can be made
    caution: str | None = None  # what an administrator should know before a database is served
    # In the one line of all that a feed tells, a row has its id for a key; one of the history its id with so many bits
    # more behind it. Between those are the keys of what was written between them.
    history_shift: int = 0

    # Connections

    @abstractmethod
    def open(self, url: str, pool_size: int, patience: float | None, is_standby: bool, **options: Any) -> Opened:
        """Make what a store works with; nothing is connected yet. Raises InvalidSetting.

        ``is_standby`` tells that a server is looked for that follows another, to read only.
        """

    @abstractmethod
    def encoder(self, type_: Any, dialect: sa.Dialect) -> Processor:
        """Return what makes of a value of a type what the driver takes; None where nothing does."""

    def watched(self, session: Session, pool: Pool, patience: float) -> AbstractContextManager[None]:
        """Give a session up where it is lost or takes too long: whatever waits for it then fails."""
        return nullcontext()

    def advice(self, url: str) -> str:
        """Return what to look at in a URL by which no connection can be made; "" where that is nothing."""
        return ""

    @abstractmethod
    async def refuse_pooler(self, url: str) -> None:
        """Raise InvalidSetting where sessions are not our own."""

    # What statements are made of

    @abstractmethod
    def among(self, column: Column, values: Iterable[Any]) -> Condition:
        """Return the condition that a column has one of these values."""

    @abstractmethod
    def among_given(self, column: Column, name: str) -> Condition:
        """Return the condition that a column has one of the values of a parameter, a list."""

    @abstractmethod
    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT that can say what is done where its row is there."""

    @abstractmethod
    def update_each(self, table: sa.Table, where: Condition, key: str, columns: Iterable[str]) -> sa.Update:
        """Return an UPDATE that gives each of several rows, found by a key, values of its own: see ``given_each``."""

    @abstractmethod
    def given_each(self, same: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> Any:
        """Return the parameters for an ``update_each`` of some rows; ``same`` are those of its condition."""

    @abstractmethod
    def merged(self, looks: Sequence[sa.Select[Any]], most: Any) -> sa.CompoundSelect[Any]:
        """Return the rows of queries of one order; asked for in it, they are merged as they are read.

        A query may be asked for no more than ``most``.
        """

    @abstractmethod
    def listed(self, column: Column) -> sa.TableValuedAlias:
        """Return what a list in JSON lists as rows of a ``value``."""

    @abstractmethod
    def is_no_list(self, column: Column) -> Condition:
        """Return the condition that JSON is no list, or no JSON."""

    def length_of(self, column: Column) -> sa.ColumnElement[int]:
        """Return how long a list in JSON is, 0 where it is none: asked for that, a database refuses all rows."""
        return sa.case((self.is_no_list(column), 0), else_=sa.func.json_array_length(column))

    @abstractmethod
    def is_no_uuid(self, column: Column) -> Condition:
        """Return the condition that what is kept as a UUID is none, by which nobody finds its row."""

    @abstractmethod
    def is_no_time(self, column: Column) -> Condition:
        """Return the condition that what is kept as an instant is none."""

    @abstractmethod
    def readable(self, column: Column, latest: datetime) -> Column:
        """Return an instant, but ``latest`` in the place of what is later than all that Python can read."""

    @abstractmethod
    def holds(self, column: Column, part: bytes) -> Condition:
        """Return the condition that bytes have these among them."""

    @abstractmethod
    def seconds(self) -> sa.ColumnElement[float]:
        """Return the database's time, in seconds since 1970."""

    @abstractmethod
    def whole(self, number: sa.ColumnElement[float]) -> sa.ColumnElement[int]:
        """Return a number of 0 or more without what it has behind its point."""

    @abstractmethod
    def has_table(self, name: str) -> sa.Executable:
        """Return a query that finds a row where there is a table of this name."""

    @abstractmethod
    def state_of(self, columns: Sequence[Column]) -> sa.ColumnElement[str]:
        """Return a text that tells what is in some columns of a row from everything else they may hold."""

    # What is done in a transaction

    @abstractmethod
    async def clock(self, tx: Transaction) -> datetime:
        """Return the database's time, by which leases run: servers that share it may differ about the hour."""

    @abstractmethod
    async def reserve(self, tx: Transaction, space: int, owner: int, names: Sequence[str]) -> set[str]:
        """Keep names of an owner for this transaction; return those that nobody else keeps. Nobody waits long.

        ``space`` is a number for what the names are of.
        """

    @abstractmethod
    def waiting(self, tx: Transaction, seconds: float) -> AbstractAsyncContextManager[None]:
        """Wait so long for rows that other transactions hold. Raises RowHeld."""

    @abstractmethod
    async def expect_many_rows(self, tx: Transaction) -> None:
        """Make a session ready to add many rows."""

    @abstractmethod
    async def see_it_writes(self, tx: Transaction, path: Path | None, has_tables: bool) -> None:
        """See that a write would be kept, without changing a row. Raises StorageUnavailable.

        ``has_tables`` tells whether casedial's tables are there.
        """

    @abstractmethod
    async def version(self, tx: Transaction) -> tuple[str, str]:
        """Return the database's version in words, and what to do about it; "" where all is well."""

    async def is_near(self, tx: Transaction, seconds: float) -> bool:
        """Tell whether this is a standby that has what its primary wrote up to so many seconds ago."""
        return False

    async def writers(self, tx: Transaction) -> int:
        """Return a number that is above those of all transactions which may have written what is not seen yet.

        It is asked for after what was seen, in the same transaction. Where there is one writer, nothing is missed.
        """
        return 0

    async def have_ended(self, tx: Transaction, writers: int) -> bool:
        """Tell whether this transaction sees all that those ``writers`` wrote."""
        return True

    @abstractmethod
    async def last_in_line(self, tx: Transaction) -> int:
        """Return the last key of that line whose row is there, or was: what is seen is not lost by a failover."""

    async def given_in_line(self, tx: Transaction) -> int:
        """Return the last key that was given to anybody, whatever became of its row: it never goes back."""
        return await self.last_in_line(tx)

    async def is_snapshot_held(self, tx: Transaction, reached: str | None) -> tuple[bool, str | None]:
        """Tell whether somebody keeps rows from being cleaned up, from before a transaction was ``reached``.

        Return which one is reached now, too.
        """
        return False, None

    async def old_snapshots(self, tx: Transaction, older_than: timedelta, transactions: int) -> list[Snapshot]:
        """Return what has held a transaction open for longer, where that keeps the rows of others.

        Where our role may not see since when, that counts which more than so many ``transactions`` have passed.
        """
        return []

    # What is done with a store

    @abstractmethod
    def alone(self, store: Store) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction to migrate in, and keep every other migration out."""

    @abstractmethod
    async def copy(self, store: Store, target: Path) -> None:
        """Write a consistent copy to an empty file. Raises InvalidSetting and StorageUnavailable."""

    @abstractmethod
    async def wipe(self, store: Store, tables: Iterable[sa.Table]) -> bool:
        """See to it that nothing of rows that were deleted is left; return whether that was possible.

        A reader or writer that holds on may be in the way.
        """
