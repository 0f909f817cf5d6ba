"""Two servers behind a proxy are replaced, one after the other, while dialers work: no request fails."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from casedial.database.engine import Store
from tests.database import released
from tests.e2e.test_migrations import Command, add_many
from tests.e2e.upgrading import Dialers, Proxy, source_of
from tests.postgres import PostgresServer
from tests.servers import Server, plain

_numbers = itertools.count()

# The last commit of each version whose schema was a released one's.
LAST_OF = {"0001": "228da8f"}


@pytest.fixture
async def old_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """A PostgreSQL database as the last released version left it, with many due cases."""
    name = f"upgrade_{next(_numbers)}"
    postgres.copy("template0", name)
    url = postgres.url(name)
    store = Store(url)
    await released.make(store, released.RELEASED[-1])
    await store.close()
    db = await asyncpg.connect(url)
    await add_many(db)
    await db.close()
    yield url
    postgres.drop(name)


def replaced(old: Server, proxy: Proxy, url: str, stack: ExitStack) -> Server:
    """Take a server out of the proxy, stop it, start a new one, and put that in."""
    proxy.take_out(old.port)
    said = old.stop()
    assert old.process.returncode == 0, said
    assert "refused to gracefully stop" not in said  # of which its worker would have been killed
    new = stack.enter_context(Server(url, CASEDIAL_LOG_LEVEL="warning"))
    ready = plain.get(f"{new.url}/readyz").json()
    assert ready["status"] == "ready"
    assert "detail" not in ready  # which would say that a newer casedial migrated the database
    proxy.put_in(new.port)
    return new


async def test_no_request_fails(old_url: str, tmp_path: Path) -> None:
    """Migrate under load, then for each server: out of the proxy, stopped, started anew, and back in."""
    source = source_of(LAST_OF[released.RELEASED[-1]], tmp_path)
    old = ((sys.executable, "-m", "casedial", "serve"), {"PYTHONPATH": str(source), "CASEDIAL_LOG_LEVEL": "warning"})
    with ExitStack() as stack:
        servers = [stack.enter_context(Server(old_url, command=old[0], **old[1])) for _ in range(2)]
        with Proxy(*(server.port for server in servers)) as proxy, Dialers(proxy.port, released.key_of(1)) as dialers:
            await asyncio.to_thread(dialers.more, 100)
            status, said = await (await Command("migrate", url=old_url).start()).end()
            assert status == 0, said
            await asyncio.to_thread(dialers.more, 100)
            for place in range(2):
                servers[place] = await asyncio.to_thread(replaced, servers[place], proxy, old_url, stack)
                await asyncio.to_thread(dialers.more, 100)
    print(f"\n{dialers.done.total()} requests, slowest {dialers.slowest:.2f} s, of each server {dict(proxy.served)}")
    assert not dialers.failed, (len(dialers.failed), dialers.failed[:5])
    assert dialers.done["UpdateCaseStatus"] > 50
    assert min(proxy.served[server.port] for server in servers) > 20
