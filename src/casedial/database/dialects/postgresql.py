"""PostgreSQL: a server, with many writers."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from casedial.database import hosts, postgresql
from casedial.database.columns import Instant
from casedial.database.dialects import Column, Condition, Dialect, Opened, RowHeld, Snapshot, unnested
from casedial.database.feed_tables import IN_LINE
from casedial.domain.errors import InvalidSetting, StorageUnavailable

if TYPE_CHECKING:
    from casedial.database.engine import Store, Transaction
    from casedial.database.pool import Pool

_CLOCK = sa.select(sa.func.clock_timestamp())

_RESERVED_SINGLY = 256
_RESERVE = sa.text("""
WITH owner AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(:space, :the_owner))
SELECT name, pg_try_advisory_xact_lock(hashtextextended(:the_owner || ':' || name, :space)) AS ours
FROM owner, unnest(:names) AS name
""").bindparams(
    sa.bindparam("space", type_=sa.Integer),
    sa.bindparam("the_owner", type_=sa.Integer),
    sa.bindparam("names", type_=sa.ARRAY(sa.Text)),
)

_WAIT = sa.text("SELECT set_config('lock_timeout', :milliseconds, true)")
_WAIT_AS_EVER = sa.text("SET LOCAL lock_timeout TO DEFAULT")
_LOCK_NOT_AVAILABLE = "55P03"

_LOCK = sa.text("SELECT version_num FROM alembic_version FOR UPDATE SKIP LOCKED")
MIGRATION_LOCK = 0x6361736564  # "cased", of advisory locks
_POLL_SECONDS = 0.2

# Of others' sessions a plain role sees no more than who it is, and its xid and xmin: those that only tell when the
# transaction began are for roles with pg_read_all_stats.
_SNAPSHOTS = sa.text("""
SELECT 'process ' || pid || ' of ' || coalesce(nullif(application_name, ''), usename, backend_type, 'PostgreSQL')
       || coalesce(' (' || coalesce(state, backend_type) || ')', '') AS what,
       clock_timestamp() - xact_start AS age, greatest(age(backend_xmin), age(backend_xid)) AS transactions
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND CASE WHEN xact_start IS NULL THEN greatest(age(backend_xmin), age(backend_xid)) > :transactions
            ELSE xact_start < clock_timestamp() - make_interval(secs => :seconds) END
UNION ALL
SELECT 'prepared transaction ' || gid, clock_timestamp() - prepared, age(transaction) FROM pg_prepared_xacts
 WHERE database = current_database() AND prepared < clock_timestamp() - make_interval(secs => :seconds)
 ORDER BY age DESC
""")

# What holds back the cleaning up of this database, whoever may see what: sessions, standbys, prepared transactions. It
# asks for nothing that takes a privilege: a backup is often made by a role that ours knows nothing of.
_HELD = sa.text("""
SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS xid) AS text) AS reached,
       coalesce(max(age(held)) > age(CAST(CAST(:reached AS text) AS xid)), false) AS is_held
  FROM (SELECT unnest(ARRAY[backend_xmin, backend_xid]) AS held FROM pg_stat_activity
         WHERE (datname = current_database() OR datname IS NULL) AND pid <> pg_backend_pid()
        UNION ALL SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()
        UNION ALL SELECT xmin FROM pg_replication_slots) AS holders
""")

_WAITS = sa.text(
    "SELECT current_setting('synchronous_commit') AS waits, current_setting('synchronous_standby_names') AS standbys"
)

# Where nothing is written, the last transaction that a standby has is old, and it has all: unless it hears nothing.
_NEAR = sa.text("""
SELECT pg_is_in_recovery() AND coalesce(
         EXISTS (SELECT FROM pg_stat_wal_receiver) AND pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn()
         OR pg_last_xact_replay_timestamp() > clock_timestamp() - make_interval(secs => :seconds), false)
""")

# Who writes has a number, which it got with its first lock, before any row of its own.
_WRITERS = sa.text("SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)")
_GIVEN_IN_LINE = sa.text("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM status_history_id_seq")
_TOLD = ("status_history", *IN_LINE)
_LAST_IN_LINE = sa.text(f"SELECT greatest(0, {', '.join(f'(SELECT max(id) FROM {table})' for table in _TOLD)})")  # noqa: S608
_FIRST_WRITER = sa.text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")


class Postgresql(Dialect):
    """PostgreSQL."""

    name = "postgresql"
    has_one_writer = False
    has_copy = True
    read, write = postgresql.READ, postgresql.WRITE
    unconnected = postgresql.UNCONNECTED

    def open(self, url: str, pool_size: int, patience: float | None, is_standby: bool, **options: Any) -> Opened:
        """Make the sessions of a server that need not be there yet."""
        hosts.check(url, is_standby)
        named = hosts.Hosts(url, is_standby)
        engine = postgresql.make_engine(named, patience, **options)
        pool = postgresql.make_pool(engine, pool_size, named, is_standby)
        return Opened(engine, pool, hosts.hosts_of(url), None, _nothing)

    def encoder(self, type_: Any, dialect: sa.Dialect) -> Any:
        """Return what makes of a value of a type what the driver takes; None where nothing does."""
        return postgresql.encoder(type_, dialect)

    def watched(self, session: Any, pool: Pool, patience: float) -> AbstractContextManager[None]:
        """Give a session up where it is lost or takes too long: whatever waits for it then fails."""
        return postgresql.watched(session, pool, patience)

    def advice(self, url: str) -> str:
        """Return what to look at in a URL by which PostgreSQL cannot be reached."""
        return hosts.advice(url)

    async def refuse_pooler(self, url: str) -> None:
        """Raise InvalidSetting where a pooler gives sessions to others."""
        await postgresql.refuse_pooler(url)

    def among(self, column: Column, values: Iterable[Any]) -> Condition:
        """Return the condition that a column has one of these values: one parameter, and so one statement."""
        return column == sa.any_(sa.literal(list(values), sa.ARRAY(column.type)))

    def among_given(self, column: Column, name: str) -> Condition:
        """Return the condition that a column has one of the values of a parameter: one each takes six times as long."""
        return column == sa.any_(sa.bindparam(name, type_=sa.ARRAY(column.type)))

    def insert(self, table: sa.Table) -> Any:
        """Return PostgreSQL's INSERT."""
        return insert(table)

    def update_each(self, table: sa.Table, where: Condition, key: str, columns: Iterable[str]) -> sa.Update:
        """Return one UPDATE for all rows."""
        names = list(columns)
        each = unnested("each", {name: table.c[name].type for name in (key, *names)})
        this = table.c[key] == each.c[key]
        return table.update().where(where, this).values({name: each.c[name] for name in names})

    def given_each(self, same: Mapping[str, object], rows: Sequence[Mapping[str, object]]) -> Any:
        """Return an array for each column."""
        return {**same, **{f"each_{name}": [row[name] for row in rows] for name in rows[0]}}

    def merged(self, looks: Sequence[sa.Select[Any]], most: Any) -> sa.CompoundSelect[Any]:
        """Return the rows of all; told no order and no end of each, PostgreSQL would read them all to sort them."""
        return sa.union_all(*(look.limit(most) for look in looks))

    def listed(self, column: Column) -> sa.TableValuedAlias:
        """Return what a list in JSON lists, as text."""
        return sa.func.json_array_elements_text(column).table_valued("value")

    def is_no_list(self, column: Column) -> Condition:
        """Return the condition that JSON is no list."""
        return sa.func.json_typeof(column) != "array"

    def is_no_uuid(self, column: Column) -> Condition:
        """Return what is never so: PostgreSQL keeps nothing else."""
        return sa.false()

    def is_no_time(self, column: Column) -> Condition:
        """Return what is never so: PostgreSQL keeps nothing else."""
        return sa.false()

    def readable(self, column: Column, latest: datetime) -> Column:
        """Return an instant, none later: PostgreSQL has an infinity."""
        return sa.func.least(column, sa.literal(latest, column.type))

    def holds(self, column: Column, part: bytes) -> Condition:
        """Return the condition that bytes have these among them."""
        return sa.func.position(sa.literal(part, sa.LargeBinary).op("IN")(column)) > 0

    def seconds(self) -> sa.ColumnElement[float]:
        """Return the server's time: who share it may differ about the minute."""
        return sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)

    def whole(self, number: sa.ColumnElement[float]) -> sa.ColumnElement[int]:
        """Return a number without what is behind its point: a cast would round it."""
        return sa.cast(sa.func.floor(number), sa.BigInteger)

    def has_table(self, name: str) -> sa.Executable:
        """Look for a table on the search path."""
        return sa.text("SELECT 1 WHERE to_regclass(:name) IS NOT NULL").bindparams(name=name)

    def state_of(self, columns: Sequence[Column]) -> sa.ColumnElement[str]:
        """Return them as a row, instants as seconds: as text they are in the time zone of a session."""
        plain = (sa.extract("epoch", column) if isinstance(column.type, Instant) else column for column in columns)
        return sa.cast(sa.func.row(*plain), sa.Text)

    async def clock(self, tx: Transaction) -> datetime:
        """Ask the server for its time."""
        now: datetime = (await tx.execute(_CLOCK)).scalar_one()
        return now

    async def reserve(self, tx: Transaction, space: int, owner: int, names: Sequence[str]) -> set[str]:
        """Lock names; of many the owner altogether, for locks of single names fill PostgreSQL's memory of them."""
        if not names:
            return set()
        if len(names) > _RESERVED_SINGLY:
            await tx.execute(sa.select(sa.func.pg_advisory_xact_lock(space, owner)))
            return set(names)
        rows = await tx.execute(_RESERVE, {"space": space, "the_owner": owner, "names": list(names)})
        return {row.name for row in rows if row.ours}

    @asynccontextmanager
    async def waiting(self, tx: Transaction, seconds: float) -> AsyncIterator[None]:
        """Wait so long for rows that other transactions hold. Raises RowHeld."""
        await tx.execute(_WAIT, {"milliseconds": str(max(1, int(seconds * 1000)))})
        try:
            yield
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise RowHeld from None
        await tx.execute(_WAIT_AS_EVER)

    async def expect_many_rows(self, tx: Transaction) -> None:
        """Do nothing: PostgreSQL is ready."""

    async def see_it_writes(self, tx: Transaction, path: Path | None, has_tables: bool) -> None:
        """Lock a row, for which PostgreSQL writes to its log all the same."""
        if has_tables:
            await tx.execute(_LOCK)

    async def version(self, tx: Transaction) -> tuple[str, str]:
        """Return the server's version, and what to do about an old one, or one that forgets what it committed."""
        number = str((await tx.execute(sa.text("SHOW server_version"))).scalar_one())
        if int(number.partition(".")[0]) < 14:
            return f"PostgreSQL {number}", "Use PostgreSQL 14 or newer."
        row = (await tx.execute(_WAITS)).one()
        if row.waits == "off" or (row.waits == "local" and row.standbys):
            advice = "What was acknowledged may be lost in a crash: set synchronous_commit to on for casedial's role."
            return f"PostgreSQL {number} with synchronous_commit = {row.waits}", advice
        return f"PostgreSQL {number}", ""

    async def is_near(self, tx: Transaction, seconds: float) -> bool:
        """Ask a standby how far it is: with all that it received, or with what was committed a moment ago."""
        return bool((await tx.execute(_NEAR, {"seconds": seconds})).scalar_one())

    async def writers(self, tx: Transaction) -> int:
        """Return our own number: those that write by now have a lower one."""
        return int((await tx.execute(_WRITERS)).scalar_one())

    async def have_ended(self, tx: Transaction, writers: int) -> bool:
        """Tell whether the first that still writes came after them."""
        return int((await tx.execute(_FIRST_WRITER)).scalar_one()) > writers

    async def last_in_line(self, tx: Transaction) -> int:
        """Return the last of all rows that are seen: a standby that becomes the primary has them, too."""
        return int((await tx.execute(_LAST_IN_LINE)).scalar_one())

    async def given_in_line(self, tx: Transaction) -> int:
        """Return the last value of the sequence that gives them all."""
        return int((await tx.execute(_GIVEN_IN_LINE)).scalar_one())

    async def is_snapshot_held(self, tx: Transaction, reached: str | None) -> tuple[bool, str | None]:
        """Tell whether somebody keeps rows from being cleaned up, and which transaction is reached."""
        row = (await tx.execute(_HELD, {"reached": reached})).one()
        return row.is_held, row.reached

    async def old_snapshots(self, tx: Transaction, older_than: timedelta, transactions: int) -> list[Snapshot]:
        """Return what has held a transaction open for longer."""
        rows = await tx.execute(_SNAPSHOTS, {"seconds": older_than.total_seconds(), "transactions": transactions})
        return [Snapshot(row.what, row.age, row.transactions) for row in rows]

    @asynccontextmanager
    async def alone(self, store: Store) -> AsyncIterator[Transaction]:
        """Lock migrations for a session, which begins and ends its transactions."""
        async with store.session(isolation_level="READ COMMITTED") as tx:
            # Asked for again and again: who waits inside the database holds a snapshot, for which the making of an
            # index by the one who has the lock would wait in turn.
            while not (await tx.execute(sa.select(sa.func.pg_try_advisory_lock(MIGRATION_LOCK)))).scalar():
                await tx.connection.commit()
                await asyncio.sleep(_POLL_SECONDS)
            try:
                yield tx
                await tx.connection.commit()
            finally:
                await tx.connection.rollback()
                await tx.execute(sa.select(sa.func.pg_advisory_unlock(MIGRATION_LOCK)))
                await tx.connection.commit()

    async def copy(self, store: Store, target: Path) -> None:
        """Have pg_dump write a file in its custom format."""
        program = pg_dump()
        shown, password = hosts.without_password(store.url)
        environment = {**os.environ, "PGPASSWORD": password} if password else dict(os.environ)
        process = await asyncio.create_subprocess_exec(
            program,
            "--format=custom",
            "--no-password",
            f"--file={target}",
            f"--dbname={shown}",
            env=environment,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode:
            raise StorageUnavailable(f"pg_dump failed: {said.decode(errors='replace').strip()}")

    async def wipe(self, store: Store, tables: Iterable[sa.Table]) -> bool:
        """See to it that nothing is left in the tables, nor in their statistics, which have samples of values."""
        async with store.session(isolation_level="AUTOCOMMIT") as tx:
            _, reached = await self.is_snapshot_held(tx, None)
            for table in tables:
                await tx.execute(sa.text(f"VACUUM (ANALYZE) {table.name}"))
            # What a transaction from before may still see stays.
            is_held, _ = await self.is_snapshot_held(tx, reached)
            return not is_held


async def _nothing() -> None:
    """Wait for nothing: a connection that is closed is gone."""


def pg_dump() -> str:
    """Find the newest pg_dump, on the path and where Debian keeps them: it must not be older than the server."""
    on_path = shutil.which("pg_dump")
    found = {*map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_dump")), *([on_path] if on_path else [])}
    if not found:
        raise InvalidSetting("pg_dump is not installed; it comes with PostgreSQL's client programs.")
    return max(found, key=_version)


def _version(program: str) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    number = re.search(r"\) (\d+)", said)
    return int(number[1]) if number else 0


DIALECT = Postgresql()
