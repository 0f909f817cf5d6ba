"""Go through many things a few at a time: one thread serves everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE = 25  # in which half a millisecond goes by where they are cases


async def by_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items; after every few, others get to work."""
    for number, item in enumerate(items, 1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)
