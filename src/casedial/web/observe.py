"""Log lines and metrics. Neither ever holds a phone number, a note, a name or a key: only ids, codes and counts."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from dataclasses import dataclass, field

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_REQUESTS = Counter("casedial_requests", "Requests answered.", ["method", "outcome"])
_SECONDS = Histogram(
    "casedial_request_seconds",
    "Time to answer a request.",
    ["method"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_CLAIMED = Counter("casedial_cases_claimed", "Cases handed to a dialer by Auto-change.", ["method", "outcome"])

# The outcome of a request is the code of its error, or one of these.
SUCCESS = "Success"
PARTIAL = "PartialSuccess"  # some items of a write failed
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
    cases: int | None = None
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


def note_fault(record: RequestRecord, error: BaseException) -> None:
    """Log a fault of ours: where it happened, never what it said, for a message may quote what a client sent."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error("fault", request_id=record.request_id, method=record.method, error=type(error).__name__, frames=frames)


def metrics() -> tuple[bytes, str]:
    """Return the metrics of all workers, and their content type."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry = REGISTRY
    return generate_latest(registry), CONTENT_TYPE_LATEST
