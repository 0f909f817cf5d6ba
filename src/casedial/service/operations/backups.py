"""Backups: a consistent copy, while servers run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from casedial.database import backup, schema
from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.audit import NO_FIRM
from casedial.domain.errors import StorageUnavailable
from casedial.service.audit import note


async def write(store: Store, actor: Actor, file: Path) -> int:
    """Write a copy to a file that does not exist; return its size in bytes. Raises InvalidSetting.

    A database that nothing can be written to, or that is not migrated yet, has its copy, too, without an entry in the
    audit: then a copy matters most.
    """

    async def work(tx: Transaction) -> None:
        if (await schema.state(tx)).at_head:
            await note(tx, actor, NO_FIRM, "backup", "database", None, {"bytes": size})

    size = await backup.write(store, file)
    with suppress(StorageUnavailable):
        await store.transact(work)
    return size
