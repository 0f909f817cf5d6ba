"""A dialer that is killed at a line of its way: ``python -m clients.python.tests.dying URL KEY``.

Reads commands from standard input, and answers each on standard output. Each is done by a process of its own, forked
from here, so that nothing has to be imported again.

``lines OUTBOX JOURNAL``       work once; answer with the lines of the client and of the dialer that were executed
``die OUTBOX JOURNAL LINE``    work, and be killed before the first execution of that line; answer with the exit status
``work OUTBOX JOURNAL``        work undisturbed; answer with the exit status
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from clients.python.tests import dialer

import casedial_client

HOME = str(Path(casedial_client.__file__).parent)


class Tracer:
    """Sees each line of the client, in all threads, before it is executed."""

    def __init__(self, kill_at: str | None) -> None:
        self.seen: dict[str, None] = {}
        self._kill_at = kill_at

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        return self._line if file.startswith(HOME) or file == dialer.__file__ else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            self.seen.setdefault(where)
            if where == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._line


def perform(url: str, key: str, command: str, outbox: str, journal: str, line: str | None = None) -> None:
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    tracer = Tracer(line)
    if command != "work":
        threading.settrace(tracer)
        sys.settrace(tracer)
    dialer.work(url, key, outbox, file)
    sys.settrace(None)
    if command == "lines":
        print(" ".join(tracer.seen))


def main() -> None:
    url, key = sys.argv[1:]
    for command in sys.stdin:
        child = os.fork()
        if not child:
            perform(url, key, *command.split())
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main()
