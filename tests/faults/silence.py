"""A proxy that falls silent, as a firewall that has forgotten its connections: nothing passes, nothing is closed.

``python -m tests.faults.silence UPSTREAM`` passes on what comes to a port of loopback, whose number it prints, to
another, until SIGTERM. SIGUSR1 has it forget the connections there are, and say so; new ones are as they should be.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from types import TracebackType

CHUNK = 65536


class Silence:
    """The proxy in a process of its own, until the block ends."""

    def __init__(self, upstream: int) -> None:
        self._command = [sys.executable, "-m", "tests.faults.silence", str(upstream)]

    def __enter__(self) -> Silence:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self.port = int(self._told())
        return self

    def _told(self) -> str:
        """Wait for the next thing that it says."""
        assert self._process.stdout
        return self._process.stdout.readline()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def forget(self) -> None:
        """Pass on nothing more that belongs to the connections there are."""
        self._process.send_signal(signal.SIGUSR1)
        assert self._told() == "forgotten\n"


class _Proxy:
    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._age = 0
        self._kept: list[object] = []  # or what is held open for nobody would be collected, and closed

    def forget(self) -> None:
        self._age += 1
        print("forgotten", flush=True)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        age = self._age
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        passing = [self._pass(reader, back, age), self._pass(there, writer, age)]
        self._kept.append(task := asyncio.gather(*passing, return_exceptions=True))
        await task

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, age: int) -> None:
        while data := await reader.read(CHUNK):
            if age == self._age:
                writer.write(data)
                await writer.drain()
        if age == self._age:
            writer.close()
        else:
            await asyncio.Event().wait()  # that it was closed is not passed on either


async def run(upstream: int) -> None:
    proxy = _Proxy(upstream)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, proxy.forget)
    async with await asyncio.start_server(proxy.accept, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
