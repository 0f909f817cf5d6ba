"""The live picture of a firm. Each server makes one of its own for all who look on, and keeps it for a moment.

What is counted anew each second goes by indexes. What takes longer (why cases are held back, which needs their rules)
is looked into beside it, and nobody waits for that: a later look shows it. It is kept for longer, and the longer it
took the longer: however many look on, claims have nearly all of the server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from functools import partial
from weakref import WeakKeyDictionary

from casedial import rules
from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.firms import Firm
from casedial.domain.names import fold
from casedial.domain.statuses import Flag, Status, StatusType
from casedial.domain.today import (
    MOST_ALERTS,
    NEXT_HOURS,
    Alert,
    AlertKind,
    Band,
    Board,
    Hour,
    LastClaim,
    Reports,
    Why,
)
from casedial.service import figures
from casedial.service import today as steps
from casedial.service.operations import doctor
from casedial.service.operations.opening import read_firm
from casedial.storage import today

_KEPT = 1.0  # seconds that a picture is kept at least
_LOOKED_INTO = 8.0  # seconds that what takes longer is kept at least: why is told within ten
_GLANCED = 600.0  # seconds that what concerns the server is
_REST = 50  # times as long as it took is left to others
_PATIENCE = 0.1  # seconds for which a look waits for what takes longer
_MOST_BEHIND = 2000  # reports that are not counted yet and that one look counts itself
_MOST_DESKS = 100


@dataclass(slots=True)
class _Kept:
    """Until when something is kept that took a while to make."""

    until: float = 0.0

    def is_due(self) -> bool:
        """Tell whether it is to be made anew."""
        return time.monotonic() >= self.until

    def made(self, began: float, at_least: float) -> None:
        """Keep it from now on."""
        ended = time.monotonic()
        self.until = ended + max(at_least, _REST * (ended - began))


@dataclass(frozen=True, slots=True)
class _Insight:
    """What takes longer: why cases are held back, what needs a person's eye, when cases become callable.

    It is of a firm as it was in this version: of another one it is not shown.
    """

    version: int
    whys: Mapping[int | None, Why]
    alerts: Sequence[Alert]
    hours: Sequence[Hour]


@dataclass(slots=True)
class _Desk:
    """What a server keeps of a firm between two looks."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    board: Board | None = None
    fresh: _Kept = field(default_factory=_Kept)
    looked: _Kept = field(default_factory=_Kept)
    glanced: _Kept = field(default_factory=_Kept)
    looking: asyncio.Task[None] | None = None
    insight: _Insight | None = None
    warnings: list[str] = field(default_factory=list)
    claims: dict[int | None, LastClaim] = field(default_factory=dict)
    claims_until: datetime | None = None

    def is_old(self, version: int | None) -> bool:
        """Tell whether the picture is to be made anew; ``version`` is that of the firm, if somebody knows it."""
        known = self.board
        if known is None or self.fresh.is_due() or (known.is_looking and self.looking is None):
            return True
        return version is not None and known.firm.version < version


_DESKS: WeakKeyDictionary[Store, dict[str, _Desk]] = WeakKeyDictionary()


async def look(store: Store, actor: Actor, firm_name: str, version: int | None = None) -> Board:
    """Return the live picture of a firm, at most some seconds old. Raises FirmNotFound.

    ``version`` is that of the firm as the caller knows it: what was made of an older one is not shown any more.
    """
    desks = _DESKS.setdefault(store, {})
    desk = desks.setdefault(fold(firm_name), _Desk())
    while len(desks) > _MOST_DESKS:
        del desks[next(iter(desks))]
    async with desk.lock:
        if desk.is_old(version):
            await _look_into(store, firm_name, desk, version)
            began = time.monotonic()
            desk.board = await _make(store, actor, firm_name, desk)
            desk.fresh.made(began, _KEPT)
        assert desk.board  # noqa: S101
        return desk.board


async def stop(store: Store) -> None:
    """Look into nothing more: nobody will see it."""
    looking = [desk.looking for desk in _DESKS.pop(store, {}).values() if desk.looking]
    for task in looking:
        task.cancel()
    await asyncio.gather(*looking, return_exceptions=True)


async def _make(store: Store, actor: Actor, firm_name: str, desk: _Desk) -> Board:
    if desk.glanced.is_due():
        began = time.monotonic()
        desk.warnings = await doctor.glance(store, actor)
        desk.glanced.made(began, _GLANCED)
    return await read_firm(store, firm_name, partial(_look_at, desk))


async def _look_at(desk: _Desk, tx: Transaction, firm: Firm) -> Board:
    now = tx.now()
    began, ends = _day(firm, now)
    campaigns = _campaigns(firm)
    waiting = {one: await today.waiting(tx, firm, one, now, ends) for one in campaigns}
    counted, is_counting = await figures.reports(tx, firm.id, began, ends, _MOST_BEHIND)
    reports = _by_campaign(firm, counted)
    newest, desk.claims_until = await today.last_claims(tx, firm, desk.claims_until)
    desk.claims |= newest
    insight = desk.insight
    is_looking = insight is None or insight.version != firm.version
    if insight is None or is_looking:
        desk.looked, insight = _Kept(), _Insight(firm.version, {}, (), ())
    bands = [
        Band(campaign, waiting[one], insight.whys.get(one, Why()), reports.get(one, Reports()), desk.claims.get(one))
        for one, campaign in campaigns.items()
        if waiting[one].total or one in reports or (campaign and not campaign.retired)
    ]
    bands.sort(key=lambda band: (-band.reports.calls, -band.waiting.total))
    names = {status.id: status.name for status in firm.statuses.of(StatusType.DISPOSITION)}
    alerts = _alerts(firm, bands, insight.alerts, desk.warnings, now)
    return Board(firm, now, bands, alerts, insight.hours, is_counting, is_looking, names)


def _campaigns(firm: Firm) -> dict[int | None, Status | None]:
    """Return a firm's campaigns by their ids; None stands for the cases that are in none."""
    return {**{campaign.id: campaign for campaign in firm.statuses.of(StatusType.CAMPAIGN)}, None: None}


def _day(firm: Firm, now: datetime) -> tuple[datetime, datetime]:
    """Return when the day began by the firm's clock, and when it ends."""
    today_ = now.astimezone(firm.zone).date()
    return tuple(  # type: ignore[return-value]
        datetime.combine(day, clock_time(), firm.zone).astimezone(UTC) for day in (today_, today_ + timedelta(days=1))
    )


async def _look_into(store: Store, firm_name: str, desk: _Desk, version: int | None) -> None:
    """Begin to look into what takes longer, where that is due; wait for it for a moment. Raises FirmNotFound."""
    of_another = version is not None and desk.insight is not None and desk.insight.version < version
    if desk.looking is None and (desk.looked.is_due() or of_another):
        desk.looking = asyncio.create_task(_see(store, firm_name, desk))
        desk.looking.add_done_callback(partial(_seen, desk))
    if desk.looking:
        done, _ = await asyncio.wait({desk.looking}, timeout=_PATIENCE)
        for ended in done:
            ended.result()


async def _see(store: Store, firm_name: str, desk: _Desk) -> None:
    began = time.monotonic()
    desk.insight = await read_firm(store, firm_name, _insight)
    desk.looked.made(began, _LOOKED_INTO)


def _seen(desk: _Desk, task: asyncio.Task[None]) -> None:
    """Let the next look begin anew; why this one failed is told to those who waited for it."""
    desk.looking = None
    if not task.cancelled():
        task.exception()


async def _insight(tx: Transaction, firm: Firm) -> _Insight:
    now, ids = tx.now(), [*_campaigns(firm)]
    whys = {one: await steps.why(tx, firm, one, now) for one in ids}
    alerts = await steps.alerts(tx, firm, now, _day(firm, now)[0], rules.load().version)
    hour = now.replace(minute=0, second=0, microsecond=0)
    begins = [now, *(hour + timedelta(hours=n) for n in range(1, NEXT_HOURS))]
    counted = await today.hours(tx, firm, ids, begins)
    hours = [Hour(hour + timedelta(hours=n), one) for n, one in enumerate(counted)]
    return _Insight(firm.version, whys, alerts, hours)


def _alerts(
    firm: Firm, bands: Sequence[Band], others: Sequence[Alert], warnings: Sequence[str], now: datetime
) -> list[Alert]:
    """Return the most urgent alerts, those of campaigns that nobody claims from first."""
    found = [*others]
    for band in bands:
        last = band.last_claim
        is_quiet = last is None or now - last.at > steps.IDLE_FOR
        decided = firm.campaign(band.campaign.id if band.campaign else None)
        if is_quiet and band.why.idle and band.callable.number and not decided.paused:
            name, id_ = (band.campaign.name, band.campaign.id) if band.campaign else ("", None)
            found.append(Alert(AlertKind.IDLE, band.callable.number, last.at if last else None, name, id_))
    if warnings:
        found.append(Alert(AlertKind.SERVER, len(warnings), subject=", ".join(warnings)))
    order = list(AlertKind)
    return sorted(found, key=lambda one: order.index(one.kind))[:MOST_ALERTS]


def _by_campaign(firm: Firm, counted: Mapping[tuple[int, int], int]) -> dict[int | None, Reports]:
    """Return what was reported of each campaign; ``counted`` is by campaign and disposition."""
    found: dict[int | None, Reports] = {}
    for (campaign_id, status_id), number in counted.items():
        flags = firm.statuses.known(status_id, StatusType.DISPOSITION).flags
        has = found.setdefault(campaign_id or None, Reports())
        has.calls += number * (Flag.ATTEMPT in flags)
        has.reached += number * (Flag.CONVERSATION in flags)
        has.dispositions[status_id] = number
    return found
