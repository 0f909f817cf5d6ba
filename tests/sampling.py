"""What is tried by chance, where to try all of it would take minutes: another part each day.

All processes of a run draw the same. ``CASEDIAL_TESTS=long`` (``make test-long``) tries everything, and
``CASEDIAL_TESTS=2026-11-29`` what was tried that day.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")

DAY = os.environ.get("CASEDIAL_TESTS") or f"{datetime.now(UTC):%Y-%m-%d}"
LONG = DAY == "long"
os.environ["CASEDIAL_TESTS"] = DAY  # of the workers and commands, too, which may begin after midnight


def dice(what: str) -> random.Random:
    """Return the dice of this day for one test."""
    return random.Random(f"{DAY} {what}")


def some(what: str, items: Sequence[T], count: int) -> list[T]:
    """Draw as many items, in their order; for the long tests, all."""
    if LONG or count >= len(items):
        return list(items)
    return [items[index] for index in sorted(dice(what).sample(range(len(items)), count))]
