"""PostgreSQL: its connections and sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import asyncpg
import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from casedial.storage.sessions import Pool, Prepared, Processor, Result, Session, Statements
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


def make_engine(url: str, patience: float | None, **options: Any) -> AsyncEngine:
    """Make an engine; ``patience`` is that of a server, in seconds.

    Transactions are begun and ended by its sessions.
    """
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


def encoder(type_: Any, dialect: sa.Dialect) -> Processor:
    """Return what makes of a value of a type what the driver takes; None where nothing does."""
    if isinstance(type_, Instant):
        return None  # of any zone
    if isinstance(type_, sa.ARRAY) and encoder(type_.item_type, dialect) is None:
        return None  # SQLAlchemy's goes through it all the same
    return type_.dialect_impl(dialect).bind_processor(dialect)


def make_pool(engine: AsyncEngine, size: int) -> Pool:
    """Make the sessions of a store."""
    # The driver's values are Python's.
    statements = Statements(engine, partial(encoder, dialect=engine.dialect), lambda type_: None)

    async def make() -> PostgresqlSession:
        connection = await engine.connect()
        return PostgresqlSession(connection, (await connection.get_raw_connection()).driver_connection, statements)

    return Pool(make, size)


class PostgresqlSession(Session):
    """A session of PostgreSQL."""

    async def _send(self, prepared: Prepared, text: str, several: Sequence[Sequence[Any]]) -> Result:
        if prepared.counts and len(several) == 1:
            said = await self.driver.execute(text, *several[0])
            return prepared.changed(int(said.rpartition(" ")[2]))
        if prepared.counts:
            await self.driver.executemany(text, several)
            return prepared.rows(())
        if len(several) == 1:
            found = await self.driver.fetch(text, *several[0])
        else:
            found = await self.driver.fetchmany(text, several)
        return prepared.rows(found, list(found[0].keys()) if found and prepared.is_text else None)

    async def run(self, command: str) -> str:
        """Run a command, or several; return what PostgreSQL says to the last."""
        with self.failing_alike():
            said: str = await self.driver.execute(command)
        return said

    async def _roll_back(self) -> None:
        await self.run("ROLLBACK")

    def end(self) -> None:
        """Cut the connection."""
        self.driver.terminate()

    @property
    def is_over(self) -> bool:
        """Tell whether the connection is closed, by the server, perhaps."""
        return bool(self.driver.is_closed())

    @contextmanager
    def failing_alike(self) -> Iterator[None]:
        """Raise what asyncpg raises as SQLAlchemy's own execution does."""
        try:
            yield
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            if isinstance(error, asyncpg.InternalClientError):  # PostgreSQL has ended the session between two calls
                self.end()
            kind = sa.exc.InterfaceError if isinstance(error, asyncpg.InterfaceError) else sa.exc.DBAPIError
            lost = self.is_over
            raise kind("", None, error, hide_parameters=True, connection_invalidated=lost) from error
