"""Commands that get a signal when they come to a certain place of their way, however busy the machine is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.cli.test_commands import Casedial
from tests.waiting import PATIENCE

# Sends itself a signal where it calls a function for the nth time.
_AT_A_CALL = """
import os, signal, sys
from importlib import import_module
from casedial.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where whoever began the tests has it ignored
number, module, name, left = int(sys.argv[1]), import_module(sys.argv[2]), sys.argv[3], int(sys.argv[4])
del sys.argv[1:5]
whole = getattr(module, name)

async def counted(*given, **more):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), number)
    return await whole(*given, **more)

setattr(module, name, counted)
main()
"""


def signalled(casedial: Casedial, number: signal.Signals, at: str, call: int, *arguments: object) -> tuple[int, str]:
    """Run a command until it calls a function, named with its module, for the nth time, and a signal comes.

    Return its exit status, and what it says on standard error.
    """
    module, _, name = at.rpartition(".")
    command = [sys.executable, "-c", _AT_A_CALL, int(number), module, name, call, *arguments]
    done = subprocess.run(
        list(map(str, command)),
        env=os.environ | casedial.environment,
        capture_output=True,
        text=True,
        timeout=5 * PATIENCE,
        check=False,
    )
    return done.returncode, done.stderr
