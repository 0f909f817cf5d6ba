"""What a server tells on standard output and error, and never waits for.

Whoever reads it may have stalled or be gone, the disk under it may be full. So lines wait in memory for a thread that
writes them; those for which there is no room, and those that cannot be written, are dropped and counted.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

_MOST_LINES = 4096  # that wait; 16 MiB at most
_LONGEST = 4096  # bytes of a line: as much as a pipe takes whole, which other workers write to, too
_GATHER_SECONDS = 0.02  # lines that come meanwhile are written together
LAST_SECONDS = 1.0  # for what waits when a process ends


class Outlet(io.TextIOBase):
    """A stream that takes text, a line or several at a time, and writes it to a descriptor when that is possible."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.dropped = 0
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # the parent writes what waits here

    def _begin(self) -> None:
        self._queue: SimpleQueue[bytes | threading.Event] = SimpleQueue()  # may be put to by what interrupts a put
        self._writer: threading.Thread | None = None
        self._untold = 0
        self._torn = False

    def write(self, text: str) -> int:
        """Take a text to be written."""
        if self._queue.qsize() < _MOST_LINES:
            line = text.encode("utf-8", "backslashreplace")
            self._queue.put(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + b"\n")
            self._start()
        else:
            self._lose(1)
        return len(text)

    def writable(self) -> bool:
        """Tell that it takes text."""
        return True

    def finish(self) -> None:
        """Wait a moment until all is written that was taken until now."""
        if self._writer:
            done = threading.Event()
            self._queue.put(done)
            done.wait(LAST_SECONDS)

    def _start(self) -> None:
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_on, name="outlet", daemon=True)
            self._writer.start()

    def _write_on(self) -> None:
        while True:
            taken = [self._queue.get()]
            if isinstance(taken[0], bytes):
                time.sleep(_GATHER_SECONDS)
            with suppress(Empty):
                while len(taken) < _MOST_LINES:
                    taken.append(self._queue.get_nowait())
            told = self._untold
            if told and self._put_out(_loss(told)):
                self._untold -= told
            for lines in _parted([line for line in taken if isinstance(line, bytes)]):
                if not self._put_out(b"".join(lines)):
                    self._lose(len(lines))
            for done in taken:
                if isinstance(done, threading.Event):
                    done.set()

    def _put_out(self, text: bytes) -> bool:
        """Write a text, which may take for ever; return whether it was written."""
        text = b"\n" + text if self._torn else text  # a disk that was full has taken a part of the last
        before = len(text)
        try:
            while text:
                try:
                    text = text[os.write(self._descriptor, text) :]
                except BlockingIOError:  # somebody made it so, who shares the descriptor
                    time.sleep(_GATHER_SECONDS)
        except OSError:
            self._torn = self._torn or len(text) < before
            return False
        self._torn = False
        return True

    def _lose(self, lines: int) -> None:
        self.dropped += lines
        self._untold += lines


def _parted(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Yield lines in parts that a pipe takes whole."""
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and size + len(line) > _LONGEST:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line)
    if part:
        yield part


def _loss(lines: int) -> bytes:
    told = {"lines": lines, "event": "log lines were dropped", "level": "warning"}
    return json.dumps({**told, "timestamp": datetime.now(UTC).isoformat()}).encode() + b"\n"


OUT, ERR = Outlet(1), Outlet(2)


def open_closed() -> None:
    """Have each standard stream lead somewhere: where one was closed, the next file or socket would take its place."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def finish() -> None:
    """Wait a moment for the last lines of this process."""
    OUT.finish()
    ERR.finish()
