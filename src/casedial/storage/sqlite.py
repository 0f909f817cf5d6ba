"""SQLite: which one, its connections, and how its file is kept safe."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, MutableSet, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import aiosqlite
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from casedial.domain.errors import InvalidSetting, StorageUnavailable
from casedial.storage.sessions import Pool, Prepared, Processor, Result, Session, Statements
from casedial.storage.tables import Instant

try:  # carries a newer SQLite than most systems, see wal_is_safe
    import pysqlite3.dbapi2 as dbapi
except ImportError:  # no wheel for this platform
    import sqlite3 as dbapi

Error, OperationalError = dbapi.Error, dbapi.OperationalError
READ = "BEGIN"
WRITE = "BEGIN IMMEDIATE"  # takes the lock at once: a read that turns into a write fails when another got in between
REWRITE = "PRAGMA user_version = 0"  # what it was, but written
BUSY_SECONDS = 10.0  # how long SQLite waits for another process's write
CLOSE_SECONDS = 2.0
_ROOM = 4 * 1024 * 1024  # bytes, for a claim of a thousand cases
_MODE_AT, _IN_WAL_MODE = 18, b"\x02"  # in the header of a file
HOLD_SECONDS = 0.5  # for which many large writes may keep others from writing
TURN_SECONDS = 0.12  # that are left to others between two large writes: who waits looks at least every 100 ms
# Of a connection that writes much: pages of indexes stay in memory (16 MB), and fewer checkpoints copy each of them
# once. Each adds 15 % to the cases a second of an import.
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
    f"{_WHY_NO_WAL}. casedial does without WAL: nothing is lost, but readers and writers wait for each other. "
    "To have WAL, install the package pysqlite3, or take a Python that brings SQLite 3.51.3 or newer."
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


def make_engine(path: Path, threads: MutableSet[Thread], **options: Any) -> AsyncEngine:
    """Make an engine for a file that need not be there yet; each connection adds its thread to ``threads``.

    Transactions are begun and ended by its sessions. Raises InvalidSetting where the file's folder is missing.
    """
    if not path.parent.is_dir():
        raise InvalidSetting(f"There is no folder {path.parent} to keep the database in.")

    async def connect() -> aiosqlite.Connection:
        connection = aiosqlite.Connection(lambda: _connect(path), 64)
        connection._thread.daemon = True  # as SQLAlchemy does: a forgotten connection never holds up an exit
        threads.add(connection._thread)
        return await connection

    return create_async_engine(
        "sqlite+aiosqlite://",
        module=_adapted(),
        async_creator=connect,
        poolclass=sa.NullPool,  # ``Pool`` keeps them
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


def make_pool(engine: AsyncEngine, size: int, path: Path) -> Pool:
    """Make the sessions of a store, all of the file that the first of them opened."""
    dialect = engine.dialect
    statements = Statements(engine, partial(encoder, dialect=dialect), partial(_decoder, dialect=dialect))
    first: list[Number] = []

    async def make() -> SqliteSession:
        number = _number_of(path)
        if first and number not in first:
            raise _replaced(str(path))
        connection = await engine.connect()
        driver = (await connection.get_raw_connection()).driver_connection
        session = SqliteSession(connection, driver, statements, Files(path, number))
        if not first:
            first.append(number)
        return session

    return Pool(make, size, str(path))


Number = tuple[int, int] | None  # of a file: its device and inode; None where there is none


def _number_of(path: str | Path) -> Number:
    try:
        found = os.stat(path)  # noqa: PTH116  # twice as fast, and every transaction asks
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _replaced(name: str) -> StorageUnavailable:
    return StorageUnavailable(
        "The database file was removed or replaced under the server, and nothing can be kept: its administrator has to "
        "put it back, or to restart the server.",
        f"{name}: not the file that the server has open",
    )


def _refuse_foreign_log(path: Path) -> None:
    """Raise StorageUnavailable where the log beside a file is another's: SQLite would write it over what is there.

    Such as that of the file before, beside a copy that ``casedial backup`` made: a copy is not in WAL mode.
    """
    log = Path(f"{os.path.realpath(path)}-wal")
    try:
        if not log.stat().st_size:
            return
        with path.open("rb") as file:
            mode = file.read(_MODE_AT + 1)[_MODE_AT:]
    except OSError:  # there is none, or SQLite says what is wrong
        return
    if mode != _IN_WAL_MODE:
        advice = "Put both aside, the log and its -shm, and start again."
        raise StorageUnavailable(f"{log} is the log of another file than {path}, and would destroy it. {advice}")


def see_room(path: Path) -> None:
    """Raise StorageUnavailable where the disk is full: a small write may still fit where a large one does not."""
    disk = os.statvfs(path.parent)
    if disk.f_bavail * disk.f_frsize < _ROOM:
        raise StorageUnavailable("The disk of the database file is full.", f"{path}: less than {_ROOM} bytes are free")


class Files:
    """The files that a session has open: their names may come to stand for others, or for none.

    The log and its index stay the same for as long as anybody has the database open.
    """

    def __init__(self, path: Path, number: Number) -> None:
        """Look for what is beside a database; ``number`` is its own, from before it was opened."""
        real = os.path.realpath(path)
        beside = ((name, _number_of(name)) for name in (f"{real}-wal", f"{real}-shm"))
        self._open = [(str(path), number), *((name, found) for name, found in beside if found)]

    def check(self) -> None:
        """Raise StorageUnavailable where one was removed or replaced."""
        for name, number in self._open:
            if _number_of(name) != number:
                raise _replaced(name)


def _read_any(stored: bytes) -> str:
    return stored.decode(errors="replace")


class SqliteSession(Session):
    """A connection of SQLite, which works in a thread of its own."""

    _is_over = False

    def __init__(self, connection: AsyncConnection, driver: Any, statements: Statements, files: Files) -> None:
        super().__init__(connection, driver, statements)
        self._files = files

    def check(self) -> None:
        """Raise StorageUnavailable where the file was removed or replaced."""
        self._files.check()

    async def _send(self, prepared: Prepared, text: str, several: Sequence[Sequence[Any]]) -> Result:
        try:
            return await self._told(prepared, text, several)
        except OperationalError as error:
            # Text that another program wrote in another encoding. What a query found is read once more, with a sign in
            # the place of what is no text; one that also changes something must not run twice.
            if not str(error).startswith("Could not decode") or not text.lstrip().upper().startswith("SELECT"):
                raise
        self.driver.text_factory = _read_any
        try:
            return await self._told(prepared, text, several)
        finally:
            self.driver.text_factory = str

    async def _told(self, prepared: Prepared, text: str, several: Sequence[Sequence[Any]]) -> Result:
        if len(several) > 1 and (prepared.counts or prepared.is_text):
            await self.driver.executemany(text, several)
            return prepared.rows(())
        if prepared.counts or prepared.is_text:
            cursor = await self.driver.execute(text, several[0])
            names = [column[0] for column in cursor.description or ()]
            return prepared.rows(await cursor.fetchall(), names) if names else prepared.changed(cursor.rowcount)
        return prepared.rows([row for one in several for row in await self.driver.execute_fetchall(text, one)])

    async def run(self, command: str, arguments: Sequence[Any] = ()) -> str:
        """Run a command; SQLite says nothing to it."""
        with self.failing_alike():
            await self.driver.execute_fetchall(command, arguments)
        return ""

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


async def wait_for(threads: Iterable[Thread]) -> None:
    """Wait for the threads of closed connections, a while at most: each tells the running loop that it has ended."""
    deadline = time.monotonic() + CLOSE_SECONDS
    for thread in list(threads):
        await asyncio.to_thread(thread.join, max(0.0, deadline - time.monotonic()))


def _connect(path: Path) -> sqlite3.Connection:
    _refuse_foreign_log(path)
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
            raise _as(error, f"{error} ({path} and its folder have to be writable for who runs casedial)") from error
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
            f"{_WHY_NO_WAL}; {path} is in WAL mode, and cannot be brought out of it while another program has it open. "
            "Stop that program, or take a newer SQLite.",
        ) from error


async def settle(path: Path) -> bool:
    """Sync the folder of a file from which a COMMIT has just removed the journal; tell whether that went well.

    SQLite leaves it out. After a power cut the journal could be there again, and undo what was answered.
    """
    if WAL:
        return True
    for _ in range(2):
        try:
            await asyncio.to_thread(_sync, path.parent)
        except OSError:
            continue
        return True
    return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
