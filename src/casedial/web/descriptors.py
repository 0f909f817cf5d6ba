"""The descriptors of a worker: as many as may be, and never all of them for clients."""

from __future__ import annotations

import asyncio
import os
import resource
from contextlib import suppress

from casedial.settings import Settings
from casedial.web.observe import note_full

_CONNECTIONS = 1024  # at a time, of all workers; further ones wait until one of those ends
_FEWEST = 16  # connections of a worker
_OWN = 64  # descriptors that a worker needs beside those of clients and of the database
_LOOK_SECONDS, _SILENT_SECONDS = 1.0, 10.0  # how often it is looked at, and told at most


def raise_limit() -> None:
    """Let this process have as many open files as the system allows it."""
    with suppress(ValueError, OSError):  # of a system that does not let it
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connections(settings: Settings) -> int:
    """Return how many clients a worker takes at a time, so that descriptors are left for all else."""
    wanted = max(_FEWEST, _CONNECTIONS // settings.workers)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(_FEWEST, limit - _OWN - settings.pool_size))


async def keep_looking(most: int) -> None:
    """Tell, now and then, when ``most`` clients are connected: the others wait."""
    with suppress(OSError):  # where a system does not show them
        before = _open_files()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if _open_files() - before >= most:
                note_full(most)
                await asyncio.sleep(_SILENT_SECONDS)


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # names only
