"""SQLite: which one, its connections, and how its file is kept safe."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, MutableSet, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Thread, get_ident
from typing import Any, TypeVar
from urllib.parse import quote

import aiosqlite
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi

from casedial.database import connections
from casedial.database.columns import Instant
from casedial.database.connections import Connection
from casedial.database.pool import Pool
from casedial.database.sessions import Prepared, Processor, Result, Session, Statements
from casedial.database.sqlite_files import Files, Number, number_of, refuse_foreign_log, replaced, settle
from casedial.domain.errors import InvalidSetting

try:  # carries a newer SQLite than most systems, see wal_is_safe
    import pysqlite3.dbapi2 as dbapi
except ImportError:  # no wheel for this platform
    import sqlite3 as dbapi

T = TypeVar("T")

Error, OperationalError = dbapi.Error, dbapi.OperationalError
UNCONNECTED = ()  # what is raised where a file cannot be opened says so itself
READ = "BEGIN"
WRITE = "BEGIN IMMEDIATE"  # takes the lock at once: a read that turns into a write fails when another got in between
REWRITE = "PRAGMA user_version = 0"  # what it was, but written
BUSY_SECONDS = 10.0  # how long SQLite waits for another process's write
CLOSE_SECONDS = 2.0
# Of a connection that writes much: pages of indexes stay in memory (16 MB), and fewer checkpoints copy each of them
# once. Each adds 15 % to the cases a second of an import.
_PARAMETERS = 30_000  # of one INSERT, of 32,766 that SQLite takes: others get to work meanwhile, and a tenth is saved
FOR_MANY_ROWS = ("cache_size=-16000", "wal_autocheckpoint=10000")


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Tell whether this SQLite is free of the WAL-reset bug, which can corrupt a database.

    It was in 3.7.0 to 3.51.2 and is mended in 3.51.3, 3.50.7 and 3.44.6 [sqlite.org, release notes].
    """
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


WAL = wal_is_safe(dbapi.sqlite_version_info)
_WHY_NO_WAL = (
    f"SQLite {dbapi.sqlite_version} has the WAL-reset bug of 3.7.0 to 3.51.2, which can corrupt a database in WAL mode"
)
CAUTION = (
    f"{_WHY_NO_WAL}. casedial does not use WAL: nothing is lost, but readers and writers wait for each other. "
    "To use WAL, install the package pysqlite3, or use a Python with SQLite 3.51.3 or newer."
)


def file_of(url: str) -> Path:
    """Return the file that a ``sqlite:///path`` URL names. Raises InvalidSetting where it names none."""
    path = sa.make_url(url).database
    if not path or path == ":memory:":
        raise InvalidSetting("A SQLite database is a file: sqlite:///relative/path or sqlite:////absolute/path.")
    return Path(path)


def _adapted() -> AsyncAdapt_aiosqlite_dbapi:
    adapted = AsyncAdapt_aiosqlite_dbapi(aiosqlite, dbapi)
    for name in (
        "DatabaseError",
        "Error",
        "IntegrityError",
        "NotSupportedError",
        "OperationalError",
        "ProgrammingError",
        "sqlite_version",
        "sqlite_version_info",
    ):
        setattr(adapted, name, getattr(dbapi, name))  # not those of the standard module that aiosqlite names
    return adapted


def make_engine(path: Path, threads: MutableSet[Thread], **options: Any) -> sa.Engine:
    """Make an engine for a file that need not be there yet; each connection adds its thread to ``threads``.

    Transactions are begun and ended by its sessions. Raises InvalidSetting where the file's folder is missing.
    """
    if not path.parent.is_dir():
        raise InvalidSetting(
            f"The folder for the database does not exist: {path.parent}. Make it, or name another file."
        )

    async def connect() -> aiosqlite.Connection:
        connection = aiosqlite.Connection(lambda: _connect(path), 64)
        connection._thread.daemon = True  # as SQLAlchemy does: a forgotten connection never holds up an exit
        threads.add(connection._thread)
        return await connection

    return connections.make_engine(
        "sqlite+aiosqlite://",
        connect,
        module=_adapted(),
        json_deserializer=msgspec.json.decode,
        **options,
    )


def encoder(type_: Any, dialect: sa.Dialect) -> Processor:
    """Return what makes of a value of a type what the driver takes; None where nothing does."""
    return _write_instant if isinstance(type_, Instant) else type_.dialect_impl(dialect).bind_processor(dialect)


def _decoder(type_: Any, dialect: sa.Dialect) -> Processor:
    if isinstance(type_, Instant):
        return _read_instant
    return type_.dialect_impl(dialect).result_processor(dialect, None)


def _write_instant(value: datetime | None) -> str | None:
    """Write an instant as SQLAlchemy does, in a quarter of the time: a claim has eight."""
    return value.astimezone(UTC).isoformat(" ", "microseconds")[:26] if value else None


def _read_instant(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if value else None


def make_pool(engine: sa.Engine, size: int, path: Path) -> Pool:
    """Make the sessions of a store, all of the file that the first of them opened."""
    dialect = engine.dialect
    statements = Statements(engine, partial(encoder, dialect=dialect), partial(_decoder, dialect=dialect))
    first: list[Number] = []

    async def make() -> SqliteSession:
        number = number_of(path)
        if first and number not in first:
            raise replaced(str(path))
        connection = await Connection.of(engine)
        session = SqliteSession(connection, await connection.driver(), statements, Files(path, number))
        if not first:
            first.append(number)
        return session

    return Pool(make, size, str(path), UNCONNECTED)


_read_any = partial(str, encoding="utf-8", errors="replace")


class SqliteSession(Session):
    """A connection of SQLite, which works in a thread of its own."""

    _is_over = False

    def __init__(self, connection: Connection, driver: Any, statements: Statements, files: Files) -> None:
        super().__init__(connection, driver, statements)
        self._files = files

    def check(self) -> None:
        """Raise StorageUnavailable where the file was removed or replaced."""
        self._files.check()

    async def _send(self, prepared: Prepared, text: str, several: Sequence[Sequence[Any]]) -> Result:
        # Text that another program wrote in another encoding. What a query found is read once more, with a sign in the
        # place of what is no text; one that also changes something must not run twice.
        if not prepared.changes_and_tells:
            try:
                return await self._told(prepared, text, several)
            except OperationalError as error:
                if not str(error).startswith("Could not decode") or not text.lstrip().upper().startswith("SELECT"):
                    raise
        self.driver.text_factory = _read_any
        try:
            return await self._told(prepared, text, several)
        finally:
            self.driver.text_factory = str

    async def _told(self, prepared: Prepared, text: str, several: Sequence[Sequence[Any]]) -> Result:
        return await self._there(partial(_tell, self.driver._conn, prepared, text, several))

    async def _there(self, work: Callable[[], T]) -> T:
        """Have something done in the connection's own thread, which may be where this runs: see ``whole``."""
        if get_ident() == self.driver._thread.ident:
            return work()
        done: T = await self.driver._execute(work)
        return done

    async def whole(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do a piece of work in the connection's own thread, from its first statement to its last.

        To go there and back for each statement took half of the time of small claims. Such work waits for nothing but
        its statements. Raises RuntimeError where it does.
        """
        return await self._there(lambda: _to_its_end(work()))

    async def insert(self, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert many rows with each statement: while SQLite is at one, other threads of Python have time to work."""
        head = f"INSERT INTO {table} ({', '.join(names)}) VALUES "  # noqa: S608  # names of our own
        one = f"({', '.join('?' * len(names))})"
        at_once = _PARAMETERS // len(names)
        for start in range(0, len(rows), at_once):
            part = rows[start : start + at_once]
            await self.run(head + ", ".join([one] * len(part)), tuple(chain.from_iterable(part)))

    async def run(self, command: str, arguments: Sequence[Any] = ()) -> str:
        """Run a command; SQLite says nothing to it."""
        with self.failing_alike():
            await self._there(lambda: self.driver._conn.execute(command, arguments).fetchall())
        return ""

    async def unsettled(self) -> str | None:
        """Tell where the folder of the file is not on the disk, too."""
        return None if WAL or await settle(self._files.path) else "The folder cannot be written to disk"

    async def is_undone(self, error: sa.exc.DBAPIError) -> bool:
        """Write over a write whose COMMIT failed; tell whether that was possible.

        When the last step failed, the sync, the whole of it is in SQLite's log, a COMMIT included: nobody sees it, but
        after a crash SQLite would find it and take it for committed. Any other write goes over it.
        """
        if not WAL:
            return await super().is_undone(error)
        try:
            await self.begin(WRITE)
            await self.run(REWRITE)
            await self.commit()
        except sa.exc.DBAPIError:
            return False
        finally:
            await self.leave()
        return True

    async def _roll_back(self) -> None:
        await self.driver.rollback()  # which is no error where SQLite has taken everything back

    def end(self) -> None:
        """Use the connection no longer."""
        self._is_over = True

    @property
    def is_over(self) -> bool:
        """Tell whether the connection is not to be used again."""
        return self._is_over

    @contextmanager
    def failing_alike(self) -> Iterator[None]:
        """Raise what the driver raises as SQLAlchemy's own execution does."""
        try:
            yield
        except dbapi.Error as error:
            kind = getattr(sa.exc, type(error).__name__, sa.exc.DBAPIError)
            raise kind("", None, error, hide_parameters=True) from error


def _tell(connection: Any, prepared: Prepared, text: str, several: Sequence[Sequence[Any]]) -> Result:
    """Run a statement for each of the lists of arguments."""
    if len(several) > 1 and (prepared.counts or prepared.is_text):
        connection.executemany(text, several)
        return prepared.rows(())
    if prepared.counts or prepared.is_text:
        cursor = connection.execute(text, several[0])
        names = [column[0] for column in cursor.description or ()]
        return prepared.rows(cursor.fetchall(), names) if names else prepared.changed(cursor.rowcount)
    return prepared.rows([row for one in several for row in connection.execute(text, one).fetchall()])


def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Run what never has to wait, where there is no event loop. Raises RuntimeError where it waits."""
    try:
        while True:
            if work.send(None) is not None:  # None: it lets others work, who do so anyway
                raise RuntimeError("Work with SQLite waits for something else than its statements.")
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        work.close()


async def wait_for(threads: Iterable[Thread]) -> None:
    """Wait for the threads of closed connections, a while at most: each tells the running loop that it has ended."""
    deadline = time.monotonic() + CLOSE_SECONDS
    for thread in list(threads):
        await asyncio.to_thread(thread.join, max(0.0, deadline - time.monotonic()))


def _connect(path: Path) -> sqlite3.Connection:
    refuse_foreign_log(path)
    connection: sqlite3.Connection = dbapi.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _choose_journal(connection, path)
        # Overwrites what is deleted: a stolen file is not to tell what its firm has purged.
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except OperationalError as error:
        connection.close()
        if getattr(error, "sqlite_errorname", "") in ("SQLITE_CANTOPEN", "SQLITE_READONLY"):
            raise _as(
                error, f"{error} ({path} and its folder must be writable for the user who runs casedial)"
            ) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _as(error: Any, text: str) -> Any:
    """Return an error of the same code that says more."""
    made: Any = OperationalError(text)
    made.sqlite_errorname = error.sqlite_errorname
    return made


def _choose_journal(connection: sqlite3.Connection, path: Path) -> None:
    if WAL:
        for pragma in ("journal_mode=WAL", "wal_checkpoint(NOOP)"):  # which fails on a log opened read-only
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return
    try:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()
    except OperationalError as error:
        if connection.execute("PRAGMA journal_mode").fetchall() != [("wal",)]:
            raise
        raise _as(
            error,
            f"{_WHY_NO_WAL}; {path} is in WAL mode, and that cannot be changed while another program has it open. "
            "Stop that program, or use a newer SQLite.",
        ) from error
