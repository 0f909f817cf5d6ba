"""Log lines and metrics. Neither ever holds a phone number, a note, a name or a key: only ids, codes and counts."""

from __future__ import annotations

import json
import logging
import random
import time
import traceback
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from casedial.console.doors import FormTooOld
from casedial.domain.damage import Damage
from casedial.domain.errors import CasedialError, StorageUnavailable
from casedial.domain.webhooks import Webhook
from casedial.service.operations.census import DialList, Listed
from casedial.service.replies import SUCCESS
from casedial.service.webhooks import GONE
from casedial.web import outlet
from casedial.web.counts import AllWorkers
from casedial.web.tally import TALLY
from casedial.wire.documents import Ignored

_STARTED = time.time()
_FRAMES = 25  # of a fault: more make a line longer than is written whole

_RETURNED = Counter("casedial_cases_returned", "Cases returned to To Dial because their claim ran out unanswered.")
_ADOPTED = Counter("casedial_cases_adopted", "Cases found In the Dialer without a claim, and given one.")
_UPKEEP_FAULTS = Counter("casedial_upkeep_faults", "Failures of the server's own background work.", ["chore"])
_DAMAGES = Counter("casedial_passed_over", "Times a damaged row was passed over.", ["what"])
_DAMAGES_KNOWN = 10_000  # that are not logged again
_damages_told: set[Damage] = set()

_DELIVERIES = Counter("casedial_webhook_deliveries", "Tries to deliver a webhook.", ["firm", "webhook", "outcome"])

_REFUSED = Counter("casedial_reports_refused", "Refused reports, counted by item.", ["key", "code"])


class _Dropped(Collector):
    """Lines that were never written, for who should have read them did not, or is gone."""

    def collect(self) -> Iterator[Metric]:
        dropped = outlet.OUT.dropped + outlet.ERR.dropped
        yield CounterMetricFamily("casedial_log_lines_dropped", "Log lines that could not be written.", value=dropped)


REGISTRY.register(_Dropped())

OTHER = "other"  # the method of a request that is for no method of the API

log = structlog.get_logger()
_written = {name.lower(): number for name, number in logging.getLevelNamesMapping().items()}
_least = logging.INFO


def new_id() -> str:
    """Return an id that no other request has, a random UUID; nobody has to be unable to guess it."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))  # without a system call


@dataclass(slots=True)
class RequestRecord:
    """What is known of a request when it has been answered; handlers fill it in."""

    request_id: str
    headers: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict)  # as they were sent
    method: str = OTHER
    verbs: tuple[str, ...] = ("GET",)  # those the path takes
    status: int = 0  # of the reply; 0: there was none
    outcome: str = SUCCESS
    firm: int | None = None
    key: int | None = None
    cases: int = 0
    claimed: int = 0
    claimed_in: frozenset[int | None] = frozenset()
    ignored: Sequence[Ignored] = ()  # parameters that nothing asked for
    cause: str | None = None  # why the database cannot answer
    found: Any = None  # the routes of its path, below /v1


def configure_logging(level: str) -> None:
    """Write one JSON object a line to standard output."""
    global _least  # of this process, as structlog's own settings are
    _least = _written[level.lower()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_least),
        logger_factory=structlog.WriteLoggerFactory(outlet.OUT),  # type: ignore[arg-type]  # which takes text
        cache_logger_on_first_use=False,
    )


def note_request(record: RequestRecord, verb: str, seconds: float) -> None:
    """Write a request's log line and count it."""
    TALLY.note(record.method, record.outcome, seconds, record.claimed)
    if record.claimed_in:
        TALLY.note_claim(_list_labels(record.firm, campaign_id) for campaign_id in record.claimed_in)
    level = "warning" if record.cause else "info"
    if _written[level] < _least:
        return
    line = {
        "request_id": record.request_id,
        "verb": verb,
        "method": record.method,
        "status": record.status,
        "outcome": record.outcome,
        "ms": round(seconds * 1000, 2),
        "firm": record.firm,
        "key": record.key,
        "cases": record.cases,
        **({"cause": record.cause} if record.cause else {}),
        "event": "request",
        "level": level,
        "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat() + "Z",
    }
    # What structlog makes of it, in a quarter of the time: there is a line for each request.
    outlet.OUT.write(json.dumps(line) + "\n")


def note_refused(key_id: int, by_code: Mapping[str, int]) -> None:
    """Count reports that were refused."""
    for code, reports in by_code.items():
        _REFUSED.labels(str(key_id), code).inc(reports)


def note_returned(cases: int) -> None:
    """Count and log cases of one firm that went back to To Dial because their claim ran out."""
    if cases:
        _RETURNED.inc(cases)
        log.warning("claims ran out", cases=cases)


def note_delivery(webhook: Webhook, outcome: str) -> None:
    """Count what came of a try to deliver a webhook; log it where the endpoint is given up."""
    _DELIVERIES.labels(str(webhook.firm_id), str(webhook.id), outcome).inc()
    if outcome == GONE:
        log.warning("a webhook's endpoint is gone", firm=webhook.firm_id, webhook=webhook.id)


def note_adopted(cases: int) -> None:
    """Count and log cases that were In the Dialer without a claim."""
    _ADOPTED.inc(cases)
    log.warning("cases In the Dialer had no claim", cases=cases)


def note_fault(record: RequestRecord, error: BaseException) -> None:
    """Log a fault of ours: where it happened, never what it said, for a message may quote what a client sent."""
    log.error("fault", request_id=record.request_id, method=record.method, **_where(error))


def note_refusal(record: RequestRecord, error: Exception) -> None:
    """Note why a page was not shown; log it where it is a fault of ours."""
    record.outcome = error.code if isinstance(error, CasedialError) else type(error).__name__
    if isinstance(error, StorageUnavailable):
        record.cause = error.cause
    elif not isinstance(error, CasedialError | FormTooOld):
        note_fault(record, error)


def note_upkeep_fault(chore: str, error: BaseException, again: bool = False) -> None:
    """Count a fault of what a server does without being asked, and log it where it is not the one before again."""
    _UPKEEP_FAULTS.labels(chore).inc()
    if not again:
        log.error("fault", method="upkeep", chore=chore, **_where(error))


def note_damage(damage: Damage) -> None:
    """Count a row that was passed over because it makes no sense, and log it once, by its ids."""
    _DAMAGES.labels(damage.what).inc()
    if damage in _damages_told:
        return
    if len(_damages_told) >= _DAMAGES_KNOWN:
        _damages_told.clear()
    _damages_told.add(damage)
    log.error("passed over", what=damage.what, firm=damage.firm_id, id=damage.id, why=damage.why)


def note_no_start(error: BaseException) -> None:
    """Log why a worker cannot start."""
    why = {"detail": error.detail} if isinstance(error, CasedialError) else {}
    log.error("a worker cannot start", **why, **_where(error))


def note_full(connections: int) -> None:
    """Log that as many clients are connected as there may be, or nearly."""
    log.warning(
        "connections are used up", connections=connections, advice="further clients wait until others disconnect"
    )


def _where(error: BaseException) -> dict[str, object]:
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    return {"error": type(error).__name__, "frames": frames[-_FRAMES:]}


def _list_labels(firm_id: int | None, campaign_id: int | None) -> tuple[str, str]:
    return str(firm_id), str(campaign_id or "")  # "" is that of cases that are in no campaign


class _Workers(Collector):
    """What all workers count; when cases were last claimed becomes how long that is ago.

    Of a list that has cases due and was not claimed from, that is since the server started.
    """

    def __init__(self, source: Collector, lists: Iterable[DialList]) -> None:
        self._source = source
        self._lists = lists

    def collect(self) -> Iterator[Metric]:
        last = {_list_labels(found.firm_id, found.campaign_id): _STARTED for found in self._lists}
        for metric in self._source.collect():
            if metric.name == "casedial_last_claim":
                last |= {(s.labels["firm"], s.labels["campaign"]): s.value for s in metric.samples}
            else:
                yield metric
        gauge = GaugeMetricFamily(
            "casedial_seconds_since_last_claim",
            "Seconds since a case of the campaign was last claimed at this server, or since it started.",
            labels=["firm", "campaign"],
        )
        for labels, at in last.items():
            gauge.add_metric(labels, max(0.0, time.time() - at))
        yield gauge


class _Lists(Collector):
    """The dial lists, as the database has them."""

    def __init__(self, lists: Iterable[DialList], now: datetime) -> None:
        self._lists = lists
        self._now = now

    def collect(self) -> Iterator[Metric]:
        due, callable_now, oldest = (
            GaugeMetricFamily(f"casedial_{name}", words, labels=["firm", "campaign"])
            for name, words in (
                ("cases_due", "Cases To Dial whose time has come."),
                (
                    "cases_callable",
                    "Due cases that no calling rule is known to hold back and that have a number to call.",
                ),
                ("oldest_due_seconds", "How long the oldest due case that is not held back has been due."),
            )
        )
        for found in self._lists:
            labels = _list_labels(found.firm_id, found.campaign_id)
            due.add_metric(labels, found.due)
            callable_now.add_metric(labels, found.callable)
            if found.oldest:
                oldest.add_metric(labels, max(0.0, (self._now - found.oldest).total_seconds()))
        yield from (due, callable_now, oldest)


class _Answered(Collector):
    """Cases that somebody was dialed for and nobody decided about, as the database has them."""

    def __init__(self, by_firm: Mapping[int, int]) -> None:
        self._by_firm = by_firm

    def collect(self) -> Iterator[Metric]:
        gauge = GaugeMetricFamily(
            "casedial_cases_answered",
            "Cases In the Dialer that got a disposition but no status; they do not go back by themselves.",
            labels=["firm"],
        )
        for firm_id, count in self._by_firm.items():
            gauge.add_metric([str(firm_id)], count)
        yield gauge


class _Webhooks(Collector):
    """What endpoints do not have yet, as the database has it."""

    def __init__(self, listed: Iterable[Listed], now: datetime) -> None:
        self._listed = listed
        self._now = now

    def collect(self) -> Iterator[Metric]:
        oldest, waiting, dead = (
            GaugeMetricFamily(f"casedial_webhook_{name}", words, labels=["firm", "webhook"])
            for name, words in (
                ("oldest_undelivered_seconds", "How long ago the oldest message that waits happened; 0: none waits."),
                ("waiting", "Messages that wait to be delivered."),
                ("dead", "Messages that were laid aside, and can be replayed."),
            )
        )
        for found in self._listed:
            labels, standing = [str(found.webhook.firm_id), str(found.webhook.id)], found.standing
            age = (self._now - standing.oldest).total_seconds() if standing.oldest else 0.0
            oldest.add_metric(labels, max(0.0, age))
            waiting.add_metric(labels, standing.waiting)
            dead.add_metric(labels, standing.dead)
        yield from (oldest, waiting, dead)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the database counted: answered cases by firm, webhooks, and the dial lists at ``at``."""

    answered: Mapping[int, int]
    webhooks: Sequence[Listed]
    now: datetime
    lists: Sequence[DialList]
    at: datetime


def metrics(counts: Counts | None) -> tuple[bytes, str]:
    """Return the metrics of all workers and what the database counted (None: it is away), and their content type."""
    registry = CollectorRegistry()
    registry.register(_Workers(AllWorkers(), counts.lists if counts else ()))
    if counts is not None:
        registry.register(_Answered(counts.answered))
        registry.register(_Webhooks(counts.webhooks, counts.now))
        registry.register(_Lists(counts.lists, counts.at))
    return generate_latest(registry), CONTENT_TYPE_LATEST
