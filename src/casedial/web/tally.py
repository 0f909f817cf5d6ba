"""What the requests of this process come to: counted in numbers of our own, of which metrics are made when asked for.

prometheus_client's counters take a lock for each number, and 10 µs for each request: a tenth of what a server needs to
hand out a case.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
_BOUNDS = [*map(floatToGoString, BUCKETS), "+Inf"]


class Tally(Collector):
    """Requests by method and outcome, how long they took, and what was claimed."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()
        self._claimed: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], float] = {}
        self._times: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def note(self, method: str, outcome: str, seconds: float, claimed: int) -> None:
        """Count a request that was answered."""
        self._requests[method, outcome] += 1
        times = self._times.setdefault(method, [0] * len(_BOUNDS))
        times[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[method] += seconds  # type: ignore[assignment]  # whose values are said to be whole
        if claimed:
            self._claimed[method, outcome] += claimed

    def note_claim(self, lists: Iterable[tuple[str, str]]) -> None:
        """Note that cases of some firms and campaigns were claimed just now."""
        self._last.update(dict.fromkeys(lists, time.time()))

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        requests = CounterMetricFamily("casedial_requests", "Requests answered.", labels=["method", "outcome"])
        handed_out = "Cases handed to a dialer by Auto-change."
        claimed = CounterMetricFamily("casedial_cases_claimed", handed_out, labels=["method", "outcome"])
        for family, counts in ((requests, self._requests), (claimed, self._claimed)):
            for labels, count in list(counts.items()):
                family.add_metric(labels, count)
            yield family
        seconds = HistogramMetricFamily("casedial_request_seconds", "Time to answer a request.", labels=["method"])
        for method, times in list(self._times.items()):
            buckets = list(zip(_BOUNDS, map(float, accumulate(times)), strict=True))
            seconds.add_metric([method], buckets, self._seconds[method])
        yield seconds
        last = GaugeMetricFamily("casedial_last_claim", "When cases were last claimed.", labels=["firm", "campaign"])
        for of, at in list(self._last.items()):
            last.add_metric(of, at)
        yield last


TALLY = Tally()
REGISTRY.register(TALLY)
