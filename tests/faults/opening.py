"""A store that is opened while the disk fails, again and again, in a process with shim.c under it.

``python -m tests.faults.opening URL CONTROL`` prints how many calls of each kind failed.
"""

from __future__ import annotations

import asyncio
import errno
import json
import sys
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from casedial.database.engine import Store, Transaction
from casedial.domain.errors import StorageUnavailable
from tests.faults.disk import Control, Fault, Mode

FAULTS = (Fault(errno.EIO, Mode.ONCE), Fault(errno.ENOSPC, Mode.FROM_NOW_ON))


async def count(tx: Transaction) -> int:
    await tx.execute(sa.text("UPDATE firms SET default_records = default_records + 1"))
    return int((await tx.execute(sa.text("SELECT default_records FROM firms"))).scalar_one())


async def main(url: str, control: str) -> None:
    disk = Control(Path(control))
    failed: Counter[str] = Counter()
    before = 100
    for fault in FAULTS:
        for call in range(1, 1000):
            store = Store(url, pool_size=1)
            disk.arm(call, fault)
            in_doubt = False
            try:
                first = [await store.transact(count)]
            except StorageUnavailable as error:
                first = []
                in_doubt = "may or may not be saved" in error.detail
            disk.disarm()
            kind = disk.failed
            second = await store.transact(count)  # nothing has to be started again
            await store.close()
            assert not in_doubt or fault.mode is Mode.FROM_NOW_ON
            counted = second - before
            assert counted == 1 + len(first) or (in_doubt and counted == 2), (call, fault, counted, first)
            before = second
            if kind is None:
                break
            failed[kind.name] += 1
    print(json.dumps(failed))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
