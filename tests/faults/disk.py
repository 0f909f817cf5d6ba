"""A disk that fails when it is told to: shim.c, built and preloaded into a server, and its control."""

from __future__ import annotations

import ctypes
import errno
import mmap
import subprocess
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SHIM = Path(__file__).with_name("shim.c")


class Kind(IntEnum):
    """What SQLite does to its files. OPEN is for writing, MAP is of the log's index, shared by processes."""

    WRITE = 0
    SYNC = 1
    TRUNCATE = 2
    UNLINK = 3
    OPEN = 4
    MAP = 5


class Mode(IntEnum):
    ONCE = 0
    TORN = 1  # half of a write gets through, the other half fails
    FROM_NOW_ON = 2  # until the fault is taken back


class Fault(NamedTuple):
    error: int
    mode: Mode

    def __str__(self) -> str:
        return f"{errno.errorcode[self.error]} {self.mode.name}"


class _Control(ctypes.Structure):
    """The struct control of shim.c."""

    _fields_ = (
        ("countdown", ctypes.c_int),
        ("error", ctypes.c_int),
        ("mode", ctypes.c_int),
        ("fired", ctypes.c_int),
        ("first", ctypes.c_int),
        ("last", ctypes.c_int),
        ("calls", ctypes.c_int * len(Kind)),
    )


class Control:
    """Tells the disk when to fail, and tells what it was asked to do."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._control = _Control.from_buffer(mmap.mmap(opened.fileno(), mmap.PAGESIZE))

    def arm(self, call: int, fault: Fault) -> None:
        """Let the ``call``-th call from now on fail; 0 for none, to count only."""
        self.disarm()
        self._control.calls[:] = [0] * len(Kind)
        self._control.fired = 0
        self._control.error, self._control.mode = fault.error, fault.mode
        self._control.countdown = call

    def disarm(self) -> None:
        self._control.mode = Mode.ONCE
        self._control.countdown = 0

    @property
    def last(self) -> Kind:
        """What was done last to the files."""
        return Kind(self._control.last)

    @property
    def failed(self) -> Kind | None:
        """What the first call was that failed, or None."""
        return Kind(self._control.first) if self._control.fired else None

    def calls(self) -> dict[Kind, int]:
        """How many calls of each kind there were since ``arm``."""
        return {kind: self._control.calls[kind] for kind in Kind}


class Disk(Control):
    """What other processes' SQLite does to one database goes through here, for as long as the test lives."""

    def __init__(self, database: Path, room: Path) -> None:
        self.database = database.resolve()
        library, control = room / "shim.so", room / "control"
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, SHIM], check=True)
        control.write_bytes(bytes(mmap.PAGESIZE))
        super().__init__(control)
        self.environment = {
            "LD_PRELOAD": str(library),
            "CASEDIAL_FAULT_FILES": str(self.database),
            "CASEDIAL_FAULT_CONTROL": str(control),
        }
