"""What the workers of a server count, added up in memory that they share: no file has a part in it.

``casedial serve`` makes the memory before it starts workers, which inherit it. Each keeps what it counts in a place of
its own, brought up to date twice a second. A worker that takes the place of one that died goes on from there.
"""

from __future__ import annotations

import asyncio
import mmap
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

import msgspec
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, REGISTRY, disable_created_metrics
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_ROOM = 8 * 1024 * 1024  # for what one worker counts: some 50,000 series; only what is used takes memory
_HALF = _ROOM // 2 - 8
_SECONDS, _SHARE = 0.5, 50  # between two looks: that, or 50 times what one takes

Labels = tuple[tuple[str, str], ...]
Counted = dict[tuple[str, str, Labels], float]  # by metric, sample and labels

disable_created_metrics()  # type: ignore[no-untyped-call]
for _of_one_process in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR):
    REGISTRY.unregister(_of_one_process)


class Shared:
    """Memory with a place for each worker, and one more: a new one may begin before the old one has ended.

    A place has two halves, and a byte that grows with each write: its parity says which half is whole. So one who dies
    while writing spoils nothing.
    """

    def __init__(self, workers: int) -> None:
        self.places = range(workers + 1)
        self._memory = mmap.mmap(-1, len(self.places) * _ROOM)

    def put(self, place: int, counted: Counted) -> None:
        """Keep what a worker has counted; more than there is room for is not kept."""
        packed = msgspec.msgpack.encode(list(counted.items()))
        if len(packed) > _HALF - 8:
            return
        at = place * _ROOM
        turn = (self._memory[at] + 1) % 256
        begin = at + 8 + turn % 2 * _HALF
        self._memory[begin : begin + 8] = len(packed).to_bytes(8, "little")
        self._memory[begin + 8 : begin + 8 + len(packed)] = packed
        self._memory[at] = turn or 2  # 0 is that of a place which nobody ever had

    def get(self, place: int) -> Counted:
        """Return what the worker of a place has counted, and those before it."""
        at = place * _ROOM
        while True:
            turn = self._memory[at]
            begin = at + 8 + turn % 2 * _HALF
            length = int.from_bytes(self._memory[begin : begin + 8], "little")
            packed = self._memory[begin + 8 : begin + 8 + length]
            if turn == self._memory[at]:
                break
        return dict(msgspec.msgpack.decode(packed, type=list[tuple[tuple[str, str, Labels], float]])) if turn else {}

    def is_taken(self, place: int) -> bool:
        """Tell whether a worker of this place has ever come up."""
        return self._memory[place * _ROOM] > 0


class Counts:
    """What this process counts, and with it what its siblings do."""

    def __init__(self) -> None:
        self.shared: Shared | None = None  # where there is one worker and nobody above it
        self.place = 0
        self._before: Counted = {}

    def begin(self) -> None:
        """Go on from what was counted in this place before."""
        if self.shared:
            self._before = self.shared.get(self.place)
            self.hand_over()

    def hand_over(self) -> None:
        """Show the siblings what was counted until now."""
        if self.shared:
            self.shared.put(self.place, self._own())

    async def keep_handing_over(self) -> None:
        """Show it twice a second, or more seldom where that takes much of the processor, which no pause of it does."""
        while True:
            started = time.thread_time()
            self.hand_over()
            await asyncio.sleep(max(_SECONDS, (time.thread_time() - started) * _SHARE))

    def _own(self) -> Counted:
        samples = ((metric.name, sample) for metric in REGISTRY.collect() for sample in metric.samples)
        own = {(name, sample.name, tuple(sample.labels.items())): sample.value for name, sample in samples}
        return _sum([self._before, own])

    def all(self) -> Counted:
        """Return what all workers have counted: sums, and of gauges the largest."""
        others = [place for place in self.shared.places if place != self.place] if self.shared else []
        return _sum([self._own(), *(self.shared.get(place) for place in others if self.shared)])


COUNTS = Counts()


def _sum(several: Iterable[Counted]) -> Counted:
    gauges = {metric.name for metric in REGISTRY.collect() if metric.type == "gauge"}
    total: Counted = {}
    for counted in several:
        for key, value in counted.items():
            was = total.get(key, 0.0)
            total[key] = max(was, value) if key[0] in gauges else was + value
    return total


class AllWorkers(Collector):
    """The metrics of this code, with what all workers have counted."""

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        metrics = {found.name: Metric(found.name, found.documentation, found.type) for found in REGISTRY.collect()}
        for (name, sample, labels), value in COUNTS.all().items():
            with suppress(KeyError):  # of another version
                metrics[name].add_sample(sample, dict(labels), value)
        yield from metrics.values()
