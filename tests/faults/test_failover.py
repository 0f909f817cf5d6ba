"""Another PostgreSQL takes the place of the one that casedial works on: a standby that is promoted."""

from __future__ import annotations

import asyncio
import time

from tests.faults.pair import Pair
from tests.faults.service import BOUND, Service
from tests.faults.traffic import is_allowed
from tests.servers import Server
from tests.waiting import PATIENCE, wait_until


async def test_a_standby_is_promoted(pair: Pair) -> None:
    """Who names both writes to the one that takes writes; who has sessions of the standby goes on with them."""
    with Server(pair.url("primary", "standby")) as one, Server(pair.url("standby")) as other:
        names_both, names_it = Service(pair.standby, pair.key, one), Service(pair.standby, pair.key, other)
        assert {names_both.note().status_code for _ in range(6)} == {200}
        wait_until(names_both.is_ready)
        refused = names_it.note()
        assert refused.status_code == 503
        assert is_allowed(refused)
        assert names_it.read().status_code == 200
        assert not names_it.is_ready()
        pair.primary.freeze()  # a machine that is lost says nothing more
        try:
            pair.standby.execute("SELECT pg_promote()")
            names_it.resume()
            wait_until(names_it.is_ready)
            started = time.monotonic()
            replies = [await asyncio.to_thread(names_both.note)]
            while replies[-1].status_code != 200:
                assert time.monotonic() - started < PATIENCE
                replies.append(await asyncio.to_thread(names_both.note))
            assert all(is_allowed(reply) for reply in replies)
            assert max(reply.elapsed.total_seconds() for reply in replies) < BOUND
            print(f"\ntook over after {time.monotonic() - started:.1f} s")
        finally:
            pair.primary.thaw()


async def test_the_first_host_that_takes_writes_is_taken(pair: Pair) -> None:
    with Server(pair.url("standby", "primary")) as running:
        service = Service(pair.primary, pair.key, running)
        assert {service.note().status_code for _ in range(6)} == {200}
        wait_until(service.is_ready)
