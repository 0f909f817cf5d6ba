"""The live picture of a firm. Each server makes one of its own for all who look on, and keeps it for a moment.

What is counted anew each second goes by indexes. What takes longer (why cases are held back, which needs their rules)
is kept for longer, and the longer it took the longer: however many look on, claims have nearly all of the server.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from weakref import WeakKeyDictionary

from casedial import rules
from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.firms import Firm
from casedial.domain.names import fold
from casedial.domain.statuses import Flag, StatusType
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
from casedial.service import today as steps
from casedial.service.operations import doctor
from casedial.service.operations.opening import read_firm
from casedial.storage import reported, today
from casedial.storage.reported import Reported

_KEPT = 1.0  # seconds that a picture is kept at least
_LOOKED_INTO = 8.0  # seconds that what takes longer is kept at least: why is told within ten
_GLANCED = 600.0  # seconds that what concerns the server is
_REST = 50  # times as long as it took is left to others
_SETTLED = timedelta(seconds=15)  # after which no transaction adds a report of that time
_PAGES = 4  # of reports, that one look goes through
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


Tally = dict[int | None, Reports]


@dataclass(slots=True)
class _Desk:
    """What a server keeps of a firm between two looks."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    board: Board | None = None
    fresh: _Kept = field(default_factory=_Kept)
    looked: _Kept = field(default_factory=_Kept)
    glanced: _Kept = field(default_factory=_Kept)
    whys: dict[int | None, Why] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    hours: list[Hour] = field(default_factory=list)
    claims: dict[int | None, LastClaim] = field(default_factory=dict)
    claims_until: datetime | None = None
    day: date | None = None
    tally: Tally = field(default_factory=dict)
    after: Reported | None = None


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
        known = desk.board
        if known is None or desk.fresh.is_due() or (version is not None and known.firm.version < version):
            began = time.monotonic()
            desk.board = await _make(store, actor, firm_name, desk)
            desk.fresh.made(began, _KEPT)
        assert desk.board  # noqa: S101
        return desk.board


async def _make(store: Store, actor: Actor, firm_name: str, desk: _Desk) -> Board:
    if desk.glanced.is_due():
        began = time.monotonic()
        desk.warnings = await doctor.glance(store, actor)
        desk.glanced.made(began, _GLANCED)

    async def work(tx: Transaction, firm: Firm) -> Board:
        if desk.board and desk.board.firm.version != firm.version:
            desk.looked = _Kept()
        return await _look_at(tx, firm, desk, tx.now())

    return await read_firm(store, firm_name, work)


async def _look_at(tx: Transaction, firm: Firm, desk: _Desk, now: datetime) -> Board:
    began, ends = _day(firm, now)
    campaigns = [*firm.statuses.of(StatusType.CAMPAIGN), None]
    ids = [campaign.id if campaign else None for campaign in campaigns]
    waiting = {one: await today.waiting(tx, firm, one, now, ends) for one in ids}
    is_counting, reports = await _reports(tx, firm, desk, began, now)
    newest, desk.claims_until = await today.last_claims(tx, firm, desk.claims_until)
    desk.claims |= newest
    if desk.looked.is_due():
        started = time.monotonic()
        await _look_into(tx, firm, desk, [one for one in ids if waiting[one].total], now, began)
        desk.looked.made(started, _LOOKED_INTO)
    bands = [
        Band(campaign, waiting[one], desk.whys.get(one, Why()), reports.get(one, Reports()), desk.claims.get(one))
        for campaign, one in zip(campaigns, ids, strict=True)
        if waiting[one].total or one in reports or (campaign and not campaign.retired)
    ]
    bands.sort(key=lambda band: (-band.reports.calls, -band.waiting.total))
    names = {status.id: status.name for status in firm.statuses.of(StatusType.DISPOSITION)}
    return Board(firm, now, bands, _alerts(firm, desk, bands, now), desk.hours, is_counting, names)


def _day(firm: Firm, now: datetime) -> tuple[datetime, datetime]:
    """Return when the day began by the firm's clock, and when it ends."""
    today_ = now.astimezone(firm.zone).date()
    return tuple(  # type: ignore[return-value]
        datetime.combine(day, clock_time(), firm.zone).astimezone(UTC) for day in (today_, today_ + timedelta(days=1))
    )


async def _look_into(
    tx: Transaction, firm: Firm, desk: _Desk, ids: list[int | None], now: datetime, began: datetime
) -> None:
    """Look at what takes longer: why cases are held back, what needs a person's eye, when cases become callable."""
    desk.whys = {one: await steps.why(tx, firm, one, now) for one in ids}
    desk.alerts = await steps.alerts(tx, firm, now, began, rules.load().version)
    hour = now.replace(minute=0, second=0, microsecond=0)
    begins = [now, *(hour + timedelta(hours=n) for n in range(1, NEXT_HOURS))]
    counted = await today.hours(tx, firm, ids, begins)
    desk.hours = [Hour(hour + timedelta(hours=n), one) for n, one in enumerate(counted)]


def _alerts(firm: Firm, desk: _Desk, bands: list[Band], now: datetime) -> list[Alert]:
    """Return the most urgent alerts, those of campaigns that nobody claims from first."""
    found = []
    for band in bands:
        last = band.last_claim
        is_quiet = last is None or now - last.at > steps.IDLE_FOR
        decided = firm.campaign(band.campaign.id if band.campaign else None)
        if is_quiet and band.why.idle and band.callable.number and not decided.paused:
            name, id_ = (band.campaign.name, band.campaign.id) if band.campaign else ("", None)
            found.append(Alert(AlertKind.IDLE, band.callable.number, last.at if last else None, name, id_))
    found += desk.alerts
    if desk.warnings:
        found.append(Alert(AlertKind.SERVER, len(desk.warnings), subject=", ".join(desk.warnings)))
    order = list(AlertKind)
    return sorted(found, key=lambda one: order.index(one.kind))[:MOST_ALERTS]


async def _reports(
    tx: Transaction, firm: Firm, desk: _Desk, began: datetime, now: datetime
) -> tuple[bool, Mapping[int | None, Reports]]:
    """Count today's reports by campaign: what is settled once, what just came anew each time.

    Tell, too, whether some are still to be gone through.
    """
    day = began.astimezone(firm.zone).date()
    if desk.day != day:
        desk.day, desk.tally, desk.after = day, {}, None
    settled = now - _SETTLED
    for _ in range(_PAGES):
        page = await reported.reported(tx, firm.id, began, settled, desk.after)
        await _add(tx, firm, page, desk.tally)
        desk.after = page[-1] if page else desk.after
        if len(page) < reported.PAGE:
            break
    else:
        return True, desk.tally
    lately: Tally = {one: replace(has, dispositions=dict(has.dispositions)) for one, has in desk.tally.items()}
    last = await reported.reported(tx, firm.id, max(began, settled), now + timedelta(days=1), None)
    await _add(tx, firm, last, lately)
    return False, lately


async def _add(tx: Transaction, firm: Firm, page: list[Reported], tally: Tally) -> None:
    """Count reports of dialers under the campaigns in which their cases were then."""
    earlier = await reported.campaigns_of(tx, firm.id, (row.case_id for row in page)) if page else {}
    for row in page:
        if row.by.kind is not ActorKind.KEY:  # an import, an operator: no dialer
            continue
        ids = [status_id for row_id, status_id in earlier.get(row.case_id, ()) if row_id < row.id]
        has = tally.setdefault(ids[-1] if ids else None, Reports())
        flags = firm.statuses.known(row.status_id, StatusType.DISPOSITION).flags
        has.calls += Flag.ATTEMPT in flags
        has.reached += Flag.CONVERSATION in flags
        has.dispositions[row.status_id] = has.dispositions.get(row.status_id, 0) + 1
