"""Wait for what another process does, however busy the machine is; and tell what is the machine's doing."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

PATIENCE = 60.0  # seconds: what has not come by then does not come, and no machine stalls for so long
_PAUSE = 0.02


async def until(so: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until something is so, whether it is awaited or not; return what it says then."""
    deadline = time.monotonic() + seconds
    while True:
        found = so()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        await asyncio.sleep(_PAUSE)


def wait_until(so: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Do what ``until`` does where nothing else has to go on in this thread."""
    deadline = time.monotonic() + seconds
    while not (found := so()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(_PAUSE)
    return found


def cpu_seconds(process: int) -> float:
    """Return how long a process has kept a processor busy, which is nobody else's doing."""
    return time.clock_gettime((~process << 3) | 2)  # its clock, as clock_getcpuclockid(3) tells


class Pulse:
    """Does again and again, until the block ends, what waits for nobody: how long it takes is the machine's doing.

    So a bound on what others are kept waiting for is told beside it: ``assert longest < 3 + pulse.allowance``.
    """

    _TIMES = 10  # as long may others take, who do more at a time

    def __init__(self, beat: Callable[[], Awaitable[object]]) -> None:
        self._beat = beat
        self._longest = 0.0

    @property
    def allowance(self) -> float:
        """Return how many seconds the machine itself may have kept somebody waiting."""
        return self._TIMES * self._longest

    async def __aenter__(self) -> Pulse:
        self._task = asyncio.create_task(self._go_on())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _go_on(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await asyncio.sleep(_PAUSE)
                await self._beat()
            finally:  # one that the end of the block cut off, too
                self._longest = max(self._longest, time.monotonic() - began)
