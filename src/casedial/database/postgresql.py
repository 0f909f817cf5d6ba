"""PostgreSQL: its connections and sessions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import asyncpg
import msgspec
import sqlalchemy as sa

from casedial.database import connections
from casedial.database.columns import Instant
from casedial.database.connections import Connection
from casedial.database.hosts import BETWEEN, CONNECT_SECONDS, IDLE, TIMES, Hosts, hosts_of
from casedial.database.pool import Pool
from casedial.database.sessions import Prepared, Processor, Result, Session, Statements
from casedial.domain.errors import InvalidSetting

HANG_SECONDS = 3.0  # without an answer, after which it is looked at whether PostgreSQL is at work for it
# What is raised where no connection can be made, whatever PostgreSQL says then.
UNCONNECTED = (
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    asyncpg.TargetServerAttributeNotMatched,
)
WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"
READ = "BEGIN ISOLATION LEVEL REPEATABLE READ"

# Of every session's connection, at PostgreSQL's side, as it is kept here.
_UNHEARD_THERE_MS = 30_000
_KEPT = {
    "tcp_keepalives_idle": str(IDLE),
    "tcp_keepalives_interval": str(BETWEEN),
    "tcp_keepalives_count": str(TIMES),
    "tcp_user_timeout": str(_UNHEARD_THERE_MS),
}
# For a server's sessions; a value that somebody has set stands. The timeouts end on PostgreSQL's side, too, what is
# given up here, so that it keeps no locks. A server's statements are few, each has its index, and PostgreSQL would plan
# most of them anew for every call: with plans that are kept, claims of 25 are 1.4 times as fast, of 1 case 2.4 times.
KEPT_PLANS = "force_generic_plan"
_TIMEOUTS = ("statement_timeout", "idle_in_transaction_session_timeout")
_SESSION = """SELECT set_config(name, value, false)
FROM unnest($1::text[], $2::text[]) AS wanted (name, value) JOIN pg_settings USING (name)
WHERE source = 'default' OR setting IN ('0', 'auto')"""
_READ_ONLY = "SELECT current_setting('transaction_read_only')"  # which is on at a standby, too
_PROCESS = "SELECT pg_backend_pid()"
_AT_WORK = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'"
# What is in PostgreSQL's warning, in any language, that a commit waits no longer for a standby, because somebody ended
# the wait. The commit succeeds all the same, and is lost with this server where a standby takes its place.
_ENDS_WAIT = "SyncRepWaitForLSN"
_ASKED = 5  # times, whose session a connection is

_POOLER = (
    "A pooler between casedial and PostgreSQL gives each session to another client after every transaction. casedial "
    "keeps prepared statements, settings and locks in its sessions: set pool_mode = session in PgBouncer for this "
    "database, or give the address of PostgreSQL itself in the URL."
)


def make_engine(hosts: Hosts, patience: float | None, **options: Any) -> sa.Engine:
    """Make an engine; ``patience`` is that of a server, in seconds.

    Transactions are begun and ended by its sessions.
    """
    wanted = dict(_KEPT)
    if patience is not None:
        wanted |= dict.fromkeys(_TIMEOUTS, f"{patience * 1000:.0f}ms") | {"plan_cache_mode": KEPT_PLANS}

    async def connect() -> Any:
        # Whatever its length: a statement that the driver forgets is planned anew each time.
        connection = await hosts.connect(max_cacheable_statement_size=0)
        try:
            await connection.execute(_SESSION, list(wanted), list(wanted.values()), timeout=CONNECT_SECONDS)
        except BaseException:
            connection.terminate()
            raise
        return connection

    engine = connections.make_engine(
        "postgresql+asyncpg://",
        connect,
        isolation_level="AUTOCOMMIT",
        json_deserializer=lambda value: value,  # the driver has read it
        **options,
    )

    @sa.event.listens_for(engine, "connect")
    def read_json(connection: Any, record: object) -> None:
        codec = {"schema": "pg_catalog", "encoder": str.encode, "decoder": msgspec.json.decode, "format": "binary"}
        connection.run_async(lambda driver: driver.set_type_codec("json", **codec))

    return engine


def encoder(type_: Any, dialect: sa.Dialect) -> Processor:
    """Return what makes of a value of a type what the driver takes; None where nothing does."""
    if isinstance(type_, Instant):
        return None  # of any zone
    if isinstance(type_, sa.ARRAY) and encoder(type_.item_type, dialect) is None:
        return None  # SQLAlchemy's goes through it all the same
    return type_.dialect_impl(dialect).bind_processor(dialect)


def make_pool(engine: sa.Engine, size: int, hosts: Hosts, is_standby: bool = False) -> Pool:
    """Make the sessions of a store."""
    # The driver's values are Python's.
    statements = Statements(engine, partial(encoder, dialect=engine.dialect), lambda type_: None)

    async def make() -> PostgresqlSession:
        connection = await Connection.of(engine)
        driver = await connection.driver()
        session = PostgresqlSession(connection, driver, statements)
        driver.add_log_listener(session.listen)
        session.is_of_standby = is_standby
        try:
            session.hosts, session.process = hosts, await driver.fetchval(_PROCESS, timeout=CONNECT_SECONDS)
        except BaseException:
            await connection.invalidate()
            await connection.close()
            raise
        return session

    return Pool(make, size, hosts_of(hosts.url), UNCONNECTED)


async def refuse_pooler(url: str) -> None:
    """Raise InvalidSetting where sessions are shared: two connections have one, or one has several."""
    hosts = Hosts(url)
    first = await hosts.connect(statement_cache_size=0)
    second = None
    try:
        if await _process_of(first) == first.get_server_pid():  # nobody is in between
            return
        second = await hosts.connect(statement_cache_size=0)
        asked = {(await _process_of(first), await _process_of(second)) for _ in range(_ASKED)}
    finally:
        first.terminate()
        if second:
            second.terminate()
    if len(asked) > 1 or any(one == other for one, other in asked):
        raise InvalidSetting(_POOLER)


async def _process_of(connection: Any) -> Any:
    async with connection.transaction():  # or a pooler could give question and answer to two sessions
        return await connection.fetchval(_PROCESS, timeout=CONNECT_SECONDS)


class _Watch:
    """Gives a session up when its time is over, and before that when its connection is lost without a word."""

    def __init__(self, session: PostgresqlSession, pool: Pool, patience: float) -> None:
        self._session, self._pool = session, pool
        self._loop = asyncio.get_running_loop()
        self._over_at = self._loop.time() + patience
        self._plan()

    def _plan(self) -> None:
        self.timer = self._loop.call_at(min(self._over_at, self._loop.time() + HANG_SECONDS), self._look)

    def _look(self) -> None:
        if self._loop.time() >= self._over_at:
            self._session.give_up()
            return
        self._plan()
        if self._session.hangs:
            self._pool.doubt()
            self._pool.start(self._session.examine())


@contextmanager
def watched(session: PostgresqlSession, pool: Pool, patience: float) -> Iterator[None]:
    """Cut a session off where nobody should wait for it any longer, be it lost or slow: whatever waits then fails."""
    watch = _Watch(session, pool, patience)
    try:
        yield
    finally:
        watch.timer.cancel()


class PostgresqlSession(Session):
    """A session of PostgreSQL."""

    hosts: Hosts
    is_of_standby = False
    process = 0  # of PostgreSQL, by its number
    _is_alone = False  # whether a commit no longer waited for a standby
    _asked_at: float | None = None  # when what it is to answer was asked

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

    async def insert(self, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add many rows by COPY."""
        with self.failing_alike():
            await self.driver.copy_records_to_table(table, records=rows, columns=names)

    async def run(self, command: str) -> str:
        """Run a command, or several; return what PostgreSQL says to the last."""
        with self.failing_alike():
            said: str = await self.driver.execute(command)
        return said

    async def _roll_back(self) -> None:
        await self.run("ROLLBACK")

    def listen(self, _: Any, message: Any) -> None:
        """Hear what PostgreSQL warns of, before the answer to the statement that it is about."""
        if message.server_source_function == _ENDS_WAIT:
            self._is_alone = True

    async def unsettled(self) -> str | None:
        """Tell where a standby was to have what was committed, and nobody waited until it did."""
        if not self._is_alone:
            return None
        self.end()
        return "The wait for a standby was ended before it had what was committed"

    def give_up(self) -> None:
        """Cut the connection, over which nothing is heard; others are tried before its host."""
        self.hosts.distrust(self.driver)
        self.end()

    def end(self) -> None:
        """Cut the connection."""
        self.driver.terminate()

    @property
    def is_over(self) -> bool:
        """Tell whether the connection is closed, by the server, perhaps."""
        return bool(self.driver.is_closed())

    def check(self) -> None:
        """PostgreSQL says so itself."""

    async def is_well(self) -> bool:
        """Ask whether the session is of a server that takes writes, or of a standby, where one was looked for."""
        return not self.is_over and await self.driver.fetchval(_READ_ONLY) == ("on" if self.is_of_standby else "off")

    @property
    def hangs(self) -> bool:
        """Tell whether it has been waited long for an answer."""
        return self._asked_at is not None and time.monotonic() - self._asked_at >= HANG_SECONDS

    async def examine(self) -> None:
        """Cut a session that hangs where PostgreSQL, asked elsewhere, is not at work for it, or lets nobody in."""
        asked_at, is_at_work = self._asked_at, False
        try:
            is_at_work = await self._is_served()
        except (OSError, asyncpg.TargetServerAttributeNotMatched):
            pass
        except Exception:  # PostgreSQL is there, though it does not say: it has no connection left, perhaps
            return
        if not is_at_work and asked_at == self._asked_at:
            self.give_up()

    async def _is_served(self) -> bool:
        connection = await self.hosts.connect(HANG_SECONDS, beside=self.driver)
        try:
            async with asyncio.timeout(HANG_SECONDS):
                return bool(await connection.fetchval(_AT_WORK, self.process))
        except TimeoutError:
            return True  # for all that is known
        finally:
            connection.terminate()

    @contextmanager
    def failing_alike(self) -> Iterator[None]:
        """Raise what asyncpg raises as SQLAlchemy's own execution does."""
        self._asked_at = time.monotonic()
        try:
            yield
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            if isinstance(error, asyncpg.InternalClientError):  # PostgreSQL has ended the session between two calls
                self.end()
            kind = sa.exc.InterfaceError if isinstance(error, asyncpg.InterfaceError) else sa.exc.DBAPIError
            lost = self.is_over
            raise kind("", None, error, hide_parameters=True, connection_invalidated=lost) from error
        finally:
            self._asked_at = None
