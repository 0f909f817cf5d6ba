"""A store inside an open transaction: what fails in it is taken back, what is around it goes on."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from casedial.database.engine import Store, Transaction
from casedial.database.tables import firms
from casedial.database.within import Within
from tests.conftest import Office


async def named(store: Store) -> str:
    async with store.read() as tx:
        return str((await tx.execute(sa.select(firms.c.name))).scalar_one())


async def rename(tx: Transaction, name: str) -> None:
    await tx.execute(firms.update().values(name=name))


async def test_it_is_a_part_of_the_transaction(office: Office, store: Store) -> None:
    async def whole(tx: Transaction) -> str:
        within = Within(store, tx)
        await within.transact(lambda inner: rename(inner, "Within"))
        return await named(within)

    assert await store.transact(whole) == "Within"
    assert await named(store) == "Within"


async def test_what_fails_in_it_is_taken_back_alone(office: Office, store: Store) -> None:
    async def fail(tx: Transaction) -> None:
        await rename(tx, "Failed")
        raise ValueError

    async def whole(tx: Transaction) -> None:
        within = Within(store, tx)
        await within.transact(lambda inner: rename(inner, "Before"))
        with pytest.raises(ValueError):  # noqa: PT011
            await within.transact(fail)
        assert await named(within) == "Before"

    await store.transact(whole)
    assert await named(store) == "Before"


async def test_a_statement_that_fails_spoils_nothing_around_it(office: Office, store: Store) -> None:
    async def fail(tx: Transaction) -> None:
        await tx.execute(sa.text("SELECT nothing FROM nowhere"))

    async def whole(tx: Transaction) -> None:
        with pytest.raises(sa.exc.DBAPIError):
            await Within(store, tx).transact(fail)
        await rename(tx, "After")

    await store.transact(whole)
    assert await named(store) == "After"


async def test_nothing_is_left_where_the_whole_fails(office: Office, store: Store) -> None:
    async def whole(tx: Transaction) -> None:
        await Within(store, tx).transact(lambda inner: rename(inner, "Within"))
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        await store.transact(whole)
    assert await named(store) == office.name
