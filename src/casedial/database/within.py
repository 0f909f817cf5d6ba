"""A store inside an open transaction: what an operation does by it is a part of that transaction, or none of it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import TypeVar

from casedial.database import failures
from casedial.database.engine import Store, Transaction
from casedial.database.sessions import Session

T = TypeVar("T")
Work = Callable[[Store], Awaitable[object]]


class Within(Store):
    """A store of which every transaction is the one that is open.

    So an operation, which opens its own, can be done together with something else: with the reply that is kept for a
    repeat, say. Only for operations whose transactions are few and small: they hold what they lock until all is done.
    """

    def __init__(self, store: Store, tx: Transaction) -> None:
        vars(self).update(vars(store))
        self._tx = tx
        self.waiting: list[Work] = []  # for the transaction's end

    def read(self) -> AbstractAsyncContextManager[Transaction]:
        """Read in the open transaction."""
        return nullcontext(self._tx)

    def single(self) -> AbstractAsyncContextManager[Transaction]:
        """Read in the open transaction."""
        return nullcontext(self._tx)

    def write(self) -> AbstractAsyncContextManager[Transaction]:
        """Write in the open transaction, whose end is not this block's: who needs it undone raises through."""
        return nullcontext(self._tx)

    async def transact(
        self, work: Callable[[Transaction], Awaitable[T]], cases: int | None = None, is_one_statement: bool = False
    ) -> T:
        """Run ``work`` as a part of the open transaction; where it fails, all that it did is taken back."""
        session = self._tx.session
        assert session  # noqa: S101  # which only a transaction without begin and end of its own has not
        await session.run("SAVEPOINT within")
        try:
            done = await work(self._tx)
        except Exception as error:
            if not failures.is_away(error):
                with suppress(Exception):  # what failed first is told
                    await _take_back(session)
            raise
        await session.run("RELEASE within")
        return done

    async def afterwards(self, work: Work) -> None:
        """Let it wait for the transaction's end, where whoever has opened it does it."""
        self.waiting.append(work)

    async def give_way(self) -> None:
        """Do nothing: whoever waits, waits for the whole."""

    async def close(self) -> None:
        """Do nothing: who opened the store closes it."""


async def _take_back(session: Session) -> None:
    await session.run("ROLLBACK TO within")
    await session.run("RELEASE within")
