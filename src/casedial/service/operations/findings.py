"""What doctor finds, and how bad it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from casedial.database.engine import Transaction


class Level(IntEnum):
    """How bad a finding is; the worst is the exit code, as monitors want it."""

    OK = 0
    WARNING = 1
    FAILURE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what was found, and what to do."""

    check: str
    level: Level
    found: str
    advice: str = ""


Look: TypeAlias = Callable[[Transaction], Awaitable[Sequence[Finding]]]
