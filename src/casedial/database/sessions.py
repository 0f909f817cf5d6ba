"""Statements handed straight to a database's driver, the sessions in which they run, and who has which.

SQLAlchemy writes the statements, makes the connections, and runs migrations. What a server asks all day does not pass
through its execution: see decision 25.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData

from casedial.database.connections import Connection
from casedial.database.slices import SLICE, slices

T = TypeVar("T")

_KNOWN = 1000  # statements whose text is kept: more than there are, unless somebody makes them up


class Result(IteratorResult[Any]):
    """What a statement returned, or how many rows it changed."""

    rowcount: int = -1

    def as_sent(self) -> list[Any]:
        """Return the rows as the driver has them: on PostgreSQL their values are what they are to be."""
        return list(self.iterator)

    async def apart(self, read: Callable[[Any], T], slice_: int = SLICE) -> tuple[list[T], list[Any]]:
        """Read each row; return what was read, and the first column of each row that cannot be.

        Such a row was written by hand, or came with half a backup: nobody else's is to suffer from it. After each
        slice others get to work.
        """
        rows = self.as_sent()
        found: list[T] = []
        try:
            async for some in slices(rows, slice_):
                found += map(read, Result(self._metadata, iter(some)))
            return found, []
        except Exception:  # of one of them, at least
            found = []
            bad: list[Any] = []
            for row in rows:
                try:
                    found.append(read(Result(self._metadata, iter((row,))).one()))
                except Exception:
                    bad.append(row[0])
            return found, bad


Processor = Any  # makes one value of another; None where nothing is to be done


class Prepared:
    """A statement as a driver takes it, and its rows as SQLAlchemy gives them.

    ``encoder`` returns, for a type, what makes of its values what the driver takes, ``decoder`` the other way round.
    """

    def __init__(self, compiled: Any, encoder: Callable[[Any], Processor], decoder: Callable[[Any], Processor]) -> None:
        self._compiled = compiled
        self._expands = bool(compiled.post_compile_params)
        encoders = ((name, encoder(bound.type)) for bound, name in compiled.bind_names.items())
        self._encoders = {name: encode for name, encode in encoders if encode}
        self._arguments = [(name, self._encoders.get(name)) for name in compiled.positiontup or ()]
        statement = compiled.statement
        self.is_text = isinstance(statement, sa.TextClause)  # which does not say what it returns
        columns = [] if self.is_text else statement.exported_columns.items()
        self.counts = isinstance(statement, sa.UpdateBase) and not columns
        self.changes_and_tells = isinstance(statement, sa.UpdateBase) and not self.counts
        self._decoders = [decoder(column.type) for _, column in columns]
        self._columns = self._described([name for name, _ in columns] or ["nothing"])

    def _described(self, names: Sequence[str]) -> SimpleResultMetaData:
        return SimpleResultMetaData(names, _processors=self._decoders if any(self._decoders) else None)

    def own(self, names: Iterable[str], bound: Any) -> dict[str, Any]:
        """Return the values that a statement brings itself, which it has ``bound``; None for those of these names."""
        values: dict[str, Any] = self._compiled.construct_params(dict.fromkeys(names), extracted_parameters=bound)
        return values

    def sent(self, given: Mapping[str, Any] | None, own: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """Return the text and the arguments; ``own`` are the values that the statement brings itself."""
        values = {**own, **given} if given else own
        if not self._expands:
            return self._compiled.string, [
                encode(values[name]) if encode else values[name] for name, encode in self._arguments
            ]
        wide = self._compiled.construct_expanded_state(values)  # IN takes a parameter for each value
        encoders = {**self._encoders, **wide.processors}
        arguments = [(wide.parameters[name], encoders.get(name)) for name in wide.positiontup]
        return wide.statement, [encode(value) if encode else value for value, encode in arguments]

    def sent_many(self, rows: Sequence[Mapping[str, Any]], own: Mapping[str, Any]) -> tuple[str, list[Sequence[Any]]]:
        """Return the text and the arguments for each of several rows, of which all have the same names."""
        if self._expands:
            raise ValueError("A statement with a list of values is for one set of parameters.")
        columns = []
        for name, encode in self._arguments:
            column = [row[name] for row in rows] if name in rows[0] else [own[name]] * len(rows)
            columns.append([encode(value) for value in column] if encode else column)
        return self._compiled.string, list(zip(*columns, strict=True))

    def rows(self, found: Iterable[Any], names: Sequence[str] | None = None) -> Result:
        """Return the driver's rows; ``names`` are those of their columns where the statement does not say."""
        return Result(self._described(names) if names else self._columns, iter(found))

    def changed(self, count: int) -> Result:
        """Return how many rows were changed."""
        rows = self.rows(())
        rows.rowcount = count
        return rows


_Known = tuple[tuple[str, ...], Prepared, dict[str, Any]]  # the names of what it is given, and what it brings itself


class Statements:
    """The statements of one engine, each written once; what differs in values only is the same.

    One that is kept is known by itself: a claim's has 2,500 parts, and to go by all of them each time takes 60 µs.
    """

    def __init__(self, engine: sa.Engine, encoder: Any, decoder: Any) -> None:
        self._dialect = engine.dialect
        self._processors = encoder, decoder
        self._prepared: dict[object, Prepared] = {}
        self._known: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()

    def prepare(self, statement: Any, names: Iterable[str]) -> tuple[Prepared, Mapping[str, Any]]:
        """Return a statement for parameters of these names, and the values that it brings itself."""
        names = tuple(names)
        known = self._known.get(statement)
        if known is None or known[0] != names:
            known = self._prepare(statement, names)
        return known[1:]

    def _prepare(self, statement: Any, names: tuple[str, ...]) -> _Known:
        key = statement._generate_cache_key()  # which SQLAlchemy's own execution goes by
        if key is None:
            alone = Prepared(statement.compile(dialect=self._dialect, column_keys=names), *self._processors)
            return names, alone, alone.own(names, None)
        prepared = self._prepared.get((key.key, names))
        if prepared is None:
            if len(self._prepared) >= _KNOWN:
                self._prepared.clear()
                self._known.clear()  # where those that were written keep themselves
            compiled = statement.compile(dialect=self._dialect, column_keys=names, cache_key=key)
            prepared = self._prepared[key.key, names] = Prepared(compiled, *self._processors)
        known = self._known[statement] = names, prepared, prepared.own(names, key.bindparams)
        return known


class Session(ABC):
    """One connection, and the transaction in which it is. Whatever fails raises sqlalchemy.exc.DBAPIError.

    Also in that transaction is what is run on ``connection``, SQLAlchemy's own.
    """

    def __init__(self, connection: Connection, driver: Any, statements: Statements) -> None:
        self.connection = connection
        self.driver = driver
        self._statements = statements
        self._is_open = False
        self.trusted_at = time.monotonic()  # when it was made, or tried for the last time

    async def execute(self, statement: sa.Executable, rows: Any = None) -> Result:
        """Run a statement, once or for a list of parameter sets, of which all have the same names."""
        if rows == []:
            raise ValueError("There are no rows to run a statement for.")
        first = rows[0] if isinstance(rows, list) else rows
        prepared, own = self._statements.prepare(statement, first or ())
        if isinstance(rows, list) and len(rows) > 1:
            text, several = prepared.sent_many(rows, own)
        else:
            text, arguments = prepared.sent(first, own)
            several = [arguments]
        with self.failing_alike():
            return await self._send(prepared, text, several)

    @abstractmethod
    async def _send(self, prepared: Prepared, text: str, several: Sequence[Sequence[Any]]) -> Result:
        """Have the driver run a statement for each of the lists of arguments."""

    @abstractmethod
    async def insert(self, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add many rows as the driver takes them, each with a value for every one of these columns."""

    @abstractmethod
    async def run(self, command: str) -> str:
        """Run a command that returns no rows; return what the database says to it, if anything."""

    async def whole(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do a piece of work that waits for nothing but its statements."""
        return await work()

    async def begin(self, how: str) -> None:
        """Begin a transaction, by ``READ`` or ``WRITE`` of its database."""
        self._is_open = True  # whatever becomes of it: a task may be cancelled here
        await self.run(how)

    async def commit(self) -> None:
        """Commit it. PostgreSQL takes back a transaction in which anything failed, and calls that no error."""
        if await self.run("COMMIT") == "ROLLBACK":
            raise RuntimeError("A transaction was committed in which a statement had failed.")
        self._is_open = False

    async def leave(self) -> None:
        """Take back a transaction that was not committed; end the session where that fails, too."""
        try:
            if self.connection.in_transaction():  # SQLAlchemy's own, of which the database knows nothing
                await self.connection.rollback()
            if self._is_open:
                await self._roll_back()
                self._is_open = False
        except BaseException as error:
            self.end()
            if not isinstance(error, Exception):
                raise

    @abstractmethod
    async def _roll_back(self) -> None:
        """Take back a transaction, should there be one."""

    @abstractmethod
    def end(self) -> None:
        """See to it that nobody uses the session again."""

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Tell whether the session was ended, by whomever."""

    @abstractmethod
    def check(self) -> None:
        """Raise StorageUnavailable where nothing that is written here would last."""

    async def unsettled(self) -> str | None:
        """Return why what was just committed may not stay, whatever happens to the machine; None where it does."""
        return None

    async def is_undone(self, error: sa.exc.DBAPIError) -> bool:
        """Tell whether nothing is left of a write whose COMMIT failed: where it was lost, it may have come through."""
        return not error.connection_invalidated

    async def is_well(self) -> bool:
        """Ask the database whether the session is as good as a new one."""
        return not self.is_over

    @contextmanager
    @abstractmethod
    def failing_alike(self) -> Iterator[None]:
        """Raise what the driver raises as SQLAlchemy's own execution does."""
        yield
