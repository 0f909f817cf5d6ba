"""Log lines and metrics. Neither ever holds a phone number, a note, a name or a key: only ids, codes and counts."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_REQUESTS = Counter("casedial_requests", "Requests answered.", ["method", "outcome"])
_SECONDS = Histogram(
    "casedial_request_seconds",
    "Time to answer a request.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_CLAIMED = Counter("casedial_cases_claimed", "Cases handed to a dialer by Auto-change.", ["method", "outcome"])

_RETURNED = Counter("casedial_cases_returned", "Cases returned to To Dial because their claim ran out unanswered.")
_ADOPTED = Counter("casedial_cases_adopted", "Cases found In the Dialer without a claim, and given one.")

# The outcome of a request is the code of its error, or one of these.
SUCCESS = "Success"
PARTIAL = "PartialSuccess"  # some items of a write failed
REPLAYED = "Replayed"  # the reply that the first request with this Idempotency-Key was given
OTHER = "other"  # the method of a request that is for no method of the API

log = structlog.get_logger()


@dataclass(slots=True)
class RequestRecord:
    """What is known of a request when it has been answered; handlers fill it in."""

    request_id: str
    method: str = OTHER
    verbs: tuple[str, ...] = ("GET",)  # those the path takes
    outcome: str = SUCCESS
    firm: int | None = None
    key: int | None = None
    cases: int = 0
    claimed: int = 0
    ignored: list[str] = field(default_factory=list)  # parameters that nothing asked for


def configure_logging(level: str) -> None:
    """Write one JSON object a line to standard output."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )


def note_request(record: RequestRecord, verb: str, status: int, seconds: float) -> None:
    """Write a request's log line and count it."""
    _REQUESTS.labels(record.method, record.outcome).inc()
    _SECONDS.labels(record.method).observe(seconds)
    if record.claimed:
        _CLAIMED.labels(record.method, record.outcome).inc(record.claimed)
    log.info(
        "request",
        request_id=record.request_id,
        verb=verb,
        method=record.method,
        status=status,
        outcome=record.outcome,
        ms=round(seconds * 1000, 2),
        firm=record.firm,
        key=record.key,
        cases=record.cases,
    )


def note_returned(cases: int) -> None:
    """Count and log cases of one firm that went back to To Dial because their claim ran out."""
    if cases:
        _RETURNED.inc(cases)
        log.warning("claims ran out", cases=cases)


def note_adopted(cases: int) -> None:
    """Count and log cases that were In the Dialer without a claim."""
    _ADOPTED.inc(cases)
    log.warning("cases were in the dialer without a claim", cases=cases)


def note_fault(record: RequestRecord, error: BaseException) -> None:
    """Log a fault of ours: where it happened, never what it said, for a message may quote what a client sent."""
    log.error("fault", request_id=record.request_id, method=record.method, **_where(error))


def note_upkeep_fault(error: BaseException) -> None:
    """Log a fault of what a server does without being asked."""
    log.error("fault", method="upkeep", **_where(error))


def _where(error: BaseException) -> dict[str, object]:
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return {"error": type(error).__name__, "frames": frames}


class _Answered(Collector):
    """Cases that somebody was dialed for and nobody decided about, as the database has them."""

    def __init__(self, by_firm: Mapping[int, int]) -> None:
        self._by_firm = by_firm

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily(
            "casedial_cases_answered",
            "Cases In the Dialer that got a disposition and no status: no lease returns them.",
            labels=["firm"],
        )
        for firm_id, count in self._by_firm.items():
            gauge.add_metric([str(firm_id)], count)
        yield gauge


def metrics(answered: Mapping[int, int] | None) -> tuple[bytes, str]:
    """Return the metrics of all workers and what the database counted (None: it is away), and their content type."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    if answered is not None:
        registry.register(_Answered(answered))
    return generate_latest(registry), CONTENT_TYPE_LATEST
