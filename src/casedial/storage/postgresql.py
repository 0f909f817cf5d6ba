"""PostgreSQL: its connections, and statements handed straight to its driver.

SQLAlchemy writes the statements, keeps the connections, and runs migrations. What a server asks all day does not pass
through its execution: that takes 80 µs of Python for a statement and 100 µs for a transaction, three times as much as
the driver, and most of what a claim of one case costs. With it left out, claims of one case by 64 clients are twice as
many, and those of 25 cases half as many again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from casedial.storage.tables import Instant

CONNECT_SECONDS = 10
WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"

# For a server's sessions; a value that somebody has set stands. The timeouts end on PostgreSQL's side, too, what is
# given up here, so that it keeps no locks. A server's statements are few, each has its index, and PostgreSQL would plan
# most of them anew for every call: with plans that are kept, claims of 25 are 1.4 times as fast, of 1 case 2.4 times.
KEPT_PLANS = "force_generic_plan"
_SESSION = """SELECT set_config(name, CASE name WHEN 'plan_cache_mode' THEN $1 ELSE $2 END, false)
FROM pg_settings WHERE name = 'plan_cache_mode' AND setting = 'auto'
OR name IN ('statement_timeout', 'idle_in_transaction_session_timeout') AND setting = '0'"""
_KNOWN = 1000  # statements whose text is kept: more than there are, unless somebody makes them up

Parameters = Mapping[str, Any]


def make_engine(url: str, patience: float | None, **options: Any) -> AsyncEngine:
    """Make an engine whose transactions ``Session`` begins and ends; ``patience`` is that of a server, in seconds."""
    # asyncpg reads libpq's URLs itself: sslmode, sockets, several hosts
    dsn = "postgresql://" + url.partition("://")[2]

    async def connect() -> Any:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
        if patience is not None:
            try:
                await connection.execute(_SESSION, KEPT_PLANS, f"{patience * 1000:.0f}ms", timeout=CONNECT_SECONDS)
            except BaseException:
                connection.terminate()
                raise
        return connection

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        poolclass=sa.NullPool,  # ``Pool`` keeps them
        isolation_level="AUTOCOMMIT",
        json_deserializer=lambda value: value,  # the driver has read it
        **options,
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def read_json(connection: Any, record: object) -> None:
        codec = {"schema": "pg_catalog", "encoder": str.encode, "decoder": msgspec.json.decode, "format": "binary"}
        connection.run_async(lambda driver: driver.set_type_codec("json", **codec))

    return engine


def unnested(name: str, columns: Mapping[str, Any], number: str | None = None) -> Any:
    """Return a table made of parameters, an array for each column, and its rows numbered where ``number`` is given."""
    arrays = [sa.bindparam(f"{name}_{column}", type_=ARRAY(kind)) for column, kind in columns.items()]
    made = [sa.column(column, kind) for column, kind in columns.items()]
    return sa.func.unnest(*arrays).table_valued(*made, with_ordinality=number, name=name).render_derived()


class Rows(IteratorResult[Any]):
    """What a statement returned, or how many rows it changed."""

    rowcount: int = -1


class Ready:
    """A statement as the driver takes it."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._expands = bool(compiled.post_compile_params)
        dialect = compiled.dialect
        processors = ((name, _processor(bound.type, dialect)) for bound, name in compiled.bind_names.items())
        self._processors = {name: process for name, process in processors if process}
        self._arguments = [(name, self._processors.get(name)) for name in compiled.positiontup or ()]
        self._columns: SimpleResultMetaData | None = None  # known with the first row
        statement = compiled.statement
        self.counts = isinstance(statement, sa.UpdateBase) and not len(statement.exported_columns)

    def sent(self, given: Parameters | None, own: Any) -> tuple[str, list[Any]]:
        """Return the text and the arguments; ``own`` are the values that the statement brings itself."""
        values = self._compiled.construct_params(given, extracted_parameters=own)
        if not self._expands:
            return self._compiled.string, [
                process(values[name]) if process else values[name] for name, process in self._arguments
            ]
        wide = self._compiled.construct_expanded_state(values)  # IN takes a parameter for each value
        processors = {**self._processors, **wide.processors}
        arguments = [(wide.parameters[name], processors.get(name)) for name in wide.positiontup]
        return wide.statement, [process(value) if process else value for value, process in arguments]

    def rows(self, found: Sequence[Any]) -> Rows:
        """Return the driver's rows as SQLAlchemy does."""
        if not found:
            return Rows(_NO_ROWS, iter(()))
        if self._columns is None:
            self._columns = SimpleResultMetaData(list(found[0].keys()))
        return Rows(self._columns, iter(found))

    def changed(self, count: int) -> Rows:
        """Return how many rows were changed."""
        rows = self.rows(())
        rows.rowcount = count
        return rows


def _processor(type_: Any, dialect: sa.Dialect) -> Any:
    """Return what makes of a value what the driver takes; None where it takes it as it is."""
    if isinstance(type_, Instant):
        return None  # of any zone
    if isinstance(type_, sa.ARRAY) and _processor(type_.item_type, dialect) is None:
        return None  # SQLAlchemy's goes through it all the same
    return type_.dialect_impl(dialect).bind_processor(dialect)


_NO_ROWS = SimpleResultMetaData(("nothing",))  # of which the first column may be asked for


class Statements:
    """The statements of one engine, each written once; what differs in values only is the same."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._dialect = engine.dialect
        self._ready: dict[object, Ready] = {}

    def ready(self, statement: Any, names: Iterable[str]) -> tuple[Ready, Any]:
        """Return a statement for parameters of these names, and the values that it brings itself."""
        key = statement._generate_cache_key()  # which SQLAlchemy's own execution goes by
        names = tuple(names)
        if key is None:
            return Ready(statement.compile(dialect=self._dialect, column_keys=names)), None
        ready = self._ready.get((key.key, names))
        if ready is None:
            if len(self._ready) >= _KNOWN:
                self._ready.clear()
            compiled = statement.compile(dialect=self._dialect, column_keys=names, cache_key=key)
            ready = self._ready[key.key, names] = Ready(compiled)
        return ready, key.bindparams


class Session:
    """One connection as the driver has it. Whatever fails raises sqlalchemy.exc.DBAPIError."""

    def __init__(self, connection: AsyncConnection, driver: Any, statements: Statements) -> None:
        self.connection = connection
        self.driver = driver
        self._statements = statements

    async def execute(self, statement: sa.Executable, rows: Any = None) -> Rows:
        """Run a statement, once or for a list of parameter sets, of which all have the same names."""
        several = rows if isinstance(rows, list) else [rows]
        ready, own = self._statements.ready(statement, several[0] or ())
        sent = [ready.sent(row, own) for row in several]
        with self.failing_alike():
            return await self._send(ready, sent[0][0], [arguments for _, arguments in sent])

    async def _send(self, ready: Ready, text: str, several: list[list[Any]]) -> Rows:
        if ready.counts and len(several) == 1:
            said = await self.driver.execute(text, *several[0])
            return ready.changed(int(said.rpartition(" ")[2]))
        if ready.counts:
            await self.driver.executemany(text, several)
            return ready.rows(())
        if len(several) == 1:
            return ready.rows(await self.driver.fetch(text, *several[0]))
        return ready.rows(await self.driver.fetchmany(text, several))

    async def begin(self, how: str) -> None:
        """Begin a transaction, by ``READ`` or ``WRITE``."""
        with self.failing_alike():
            await self.driver.execute(how)

    async def commit(self) -> None:
        """Commit. PostgreSQL takes back a transaction in which anything failed, and calls that no error."""
        with self.failing_alike():
            said = await self.driver.execute("COMMIT")
        if said != "COMMIT":
            raise RuntimeError("A transaction was committed in which a statement had failed.")

    async def leave(self) -> None:
        """Take back a transaction that was not committed; end the connection where that fails, too."""
        try:
            if self.connection.in_transaction():  # SQLAlchemy's own, of which the driver knows nothing
                await self.connection.rollback()
            if self.driver.is_in_transaction():
                await self.driver.execute("ROLLBACK")
        except BaseException as error:
            self.driver.terminate()
            if not isinstance(error, Exception):
                raise

    @contextmanager
    def failing_alike(self) -> Iterator[None]:
        """Raise what the driver raises as SQLAlchemy's own execution does."""
        try:
            yield
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            if isinstance(error, asyncpg.InternalClientError):  # PostgreSQL has ended the session between two calls
                self.driver.terminate()
            kind = sa.exc.InterfaceError if isinstance(error, asyncpg.InterfaceError) else sa.exc.DBAPIError
            lost = self.driver.is_closed()
            raise kind("", None, error, hide_parameters=True, connection_invalidated=lost) from error


class Pool:
    """The sessions of a store, at most ``size`` at work; one that was used last is used next.

    SQLAlchemy's own takes 40 µs to lend a connection, a tenth of the server's time.
    """

    def __init__(self, engine: AsyncEngine, size: int) -> None:
        self._engine = engine
        self._statements = Statements(engine)
        self._room = asyncio.Semaphore(size)
        self._idle: list[Session] = []
        self._closed = False

    async def take(self, patience: float) -> Session:
        """Return a session that nobody else has. Raises TimeoutError, and what the making of a connection raises."""
        if self._room.locked():
            async with asyncio.timeout(patience):
                await self._room.acquire()
        else:
            await self._room.acquire()
        try:
            while self._idle:
                session = self._idle.pop()
                if not session.driver.is_closed():  # by a server that was started anew, perhaps
                    return session
                await session.connection.close()
            return await self._make()
        except BaseException:
            self._room.release()
            raise

    async def _make(self) -> Session:
        connection = await self._engine.connect()
        lent = await connection.get_raw_connection()
        return Session(connection, lent.driver_connection, self._statements)

    async def give_back(self, session: Session) -> None:
        """Take back a session, and what was not committed in it."""
        try:
            await session.leave()
        finally:
            self._idle.append(session)
            self._room.release()
        if self._closed:
            await self.close()

    async def close(self) -> None:
        """Close the sessions that nobody has, and each of the others when it is given back."""
        self._closed = True
        while self._idle:
            await self._idle.pop().connection.close()
