"""The sandbox, from its start until it is told to stop: one process, in which the server and the door are."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from casedial.domain.errors import InvalidSetting
from casedial.sandbox.app import Sandbox
from casedial.sandbox.control import Control
from casedial.sandbox.door import Door
from casedial.sandbox.world import Worlds
from casedial.settings import Settings
from casedial.web import outlet
from casedial.web.observe import configure_logging
from casedial.web.server import HTTP1

_TRIES = 5  # to find a port that nobody takes between the look and the use


async def run(
    settings: Settings, scenario: str, started: Callable[[dict[str, Any]], None], with_parent: bool = False
) -> None:
    """Run until SIGTERM or SIGINT; ``started`` is told where it is, and its keys. Raises InvalidSetting."""
    configure_logging(settings.log_level)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    orphaned = loop.create_task(_stop_as_orphan(stop)) if with_parent else None
    with tempfile.TemporaryDirectory(prefix="casedial-sandbox-") as folder:
        control, door = Control(Worlds(Path(folder), settings), scenario), Door()
        await control.begin()
        try:
            async with _serving(Sandbox(control, door, settings.base)) as inner:
                await _open(door, settings, inner)
                root = f"http://{settings.host}:{door.port}"
                control.address = {"url": root, "base": root + settings.base, "sandbox": f"{root}/sandbox"}
                started(control.about())
                await stop.wait()
                await door.close()
        finally:
            await control.close()
            if orphaned:
                orphaned.cancel()
            outlet.finish()


async def _open(door: Door, settings: Settings, inner: int) -> None:
    try:
        await door.open(settings.host, settings.port, inner)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise InvalidSetting(f"Cannot listen on {where}: {error.strerror}. Give another --port, or 0.") from None


@asynccontextmanager
async def _serving(app: Sandbox) -> AsyncIterator[int]:
    """Serve on a port of this machine's own, behind the door, which is returned."""
    for attempt in range(_TRIES):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        server = Server(
            app,
            address="127.0.0.1",
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            http1_settings=HTTP1,
            websockets=False,
            log_level=LogLevels.error,
        )
        task = asyncio.create_task(server.serve())
        if await _listens(port, task):
            break
        with suppress(Exception):
            await task
        if attempt == _TRIES - 1:
            raise InvalidSetting("The sandbox found no free port on 127.0.0.1.")
    try:
        yield port
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await task


async def _listens(port: int, task: asyncio.Task[None]) -> bool:
    """Tell whether a server came up."""
    while not task.done():
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(0.002)
    return False


async def _stop_as_orphan(stop: asyncio.Event) -> None:
    """Stop when the process that started this one has ended, however it did."""
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110
        await asyncio.sleep(0.2)  # nothing tells when a parent ends
    stop.set()
