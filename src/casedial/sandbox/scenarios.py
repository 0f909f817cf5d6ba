"""The scenarios of the sandbox: a firm's cases, made for what a dialer has to cope with, and the keys.

The keys are made once and stay the same at each reset. docs/reference/sandbox.md says what each case is for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from casedial.clock import MovableClock
from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.calling import Listing
from casedial.domain.campaigns import Retry
from casedial.domain.cases import Phone
from casedial.domain.dialing import DialQuery
from casedial.domain.firms import Caller, Firm
from casedial.domain.importing import CaseRow
from casedial.domain.keys import Scope
from casedial.domain.rules import Purpose
from casedial.domain.statuses import StatusType
from casedial.service import dialing, do_not_call
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import FirmChange, add_firm, open_firm, set_firm
from casedial.service.imports import ImportOptions, import_rows
from casedial.service.keys import NO_CHANGE, LimitChange, add_key, mint, revoke_key
from casedial.service.operations import sample
from casedial.service.statuses import add_statuses, retire_status

FIRM, OTHER_FIRM, ZONE = "Sandbox Law Firm", "Other Law Firm", "America/Chicago"
VENDOR, OTHER_VENDOR = "Your Dialer", "Another Dialer"
INTAKE, NOTIFICATION, QUESTIONNAIRE, TEST = (
    "Intake follow-up",
    "Notification campaign",
    "Questionnaire campaign",
    "Test campaign",
)
# The names of the keys, and what each may do; whose time is over or who was revoked is seen to when they are stored.
KEYS: Mapping[str, LimitChange] = {
    "dialer": NO_CHANGE,
    "other_vendor": NO_CHANGE,
    "read_only": LimitChange(scopes=[Scope.READ]),
    "one_campaign": LimitChange(campaigns=[TEST]),
    "slow": LimitChange(rate_limit=2),
    "other_network": LimitChange(addresses=["192.0.2.0/24"]),
    "expired": NO_CHANGE,
    "revoked": NO_CHANGE,
    "other_firm": NO_CHANGE,
}
# Night in all of the states, before a Tuesday.
NIGHT = datetime(2027, 3, 2, 7, 0, tzinfo=UTC)
_MANY = 1000
_HELD = "Held by another dialer"
_RETIRED = "Wrong Number"
_AREAS = {"New York": ("10001", "212"), "Chicago": ("60602", "312"), "Denver": ("80202", "303"), "LA": ("90012", "213")}


@dataclass(frozen=True, slots=True)
class Scenario:
    """What it is about, and what puts its cases in; ``at`` is when it begins, stopped there; None: now."""

    about: str
    fill: Callable[[Transaction, datetime], Awaitable[None]]
    at: datetime | None = None


def mint_keys() -> dict[str, str]:
    """Make all keys."""
    return {name: mint() for name in KEYS}


async def fill(store: Store, clock: MovableClock, name: str, keys: Mapping[str, str]) -> None:
    """Put a scenario into an empty database."""
    scenario = SCENARIOS[name]
    if scenario.at:
        clock.freeze()
        clock.set(scenario.at)

    async def work(tx: Transaction) -> None:
        now = tx.now()
        firm = await add_firm(tx, FIRM, ZONE, now)
        campaigns = [(StatusType.CAMPAIGN, name) for name in (INTAKE, NOTIFICATION, QUESTIONNAIRE, TEST)]
        await add_statuses(tx, firm, [*campaigns, (StatusType.DIALER, "Ask the lawyer")])
        await _add_keys(tx, keys, now)
        await scenario.fill(tx, now)

    await store.transact(work)


async def _add_keys(tx: Transaction, keys: Mapping[str, str], now: datetime) -> None:
    """Store all keys; the other firm has one case, with a CaseID of the first's."""
    firm = await open_firm(tx, FIRM)
    for name, change in KEYS.items():
        vendor = OTHER_VENDOR if name == "other_vendor" else VENDOR
        if name == "other_firm":
            there = await add_firm(tx, OTHER_FIRM, ZONE, now)
            await import_rows(tx, OTHER_FIRM, [_case(1, now, days=1, campaign=None)], ImportOptions(), now)
            await add_key(tx, there, vendor, now, keys[name], change)
        elif name == "expired":
            yesterday = now - timedelta(days=1)
            over = LimitChange(expires_at=yesterday + timedelta(hours=1))
            await add_key(tx, firm, vendor, yesterday, keys[name], over)
        else:
            new = await add_key(tx, firm, vendor, now, keys[name], change)
            if name == "revoked":
                await revoke_key(tx, new.id, now)


def _case(
    case_id: int,
    now: datetime,
    *phones: Phone,
    days: float = 0.0,
    campaign: str | None = INTAKE,
    status: str = "To Dial",
    attempts: str | None = "0",
    zip_code: str = "68046",
    **facts: object,
) -> CaseRow:
    """Return a case that has been due for so many days; negative: that will be."""
    closed = bool(facts.pop("closed", False))
    named = {StatusType.DIALER: status, StatusType.CAMPAIGN: campaign, StatusType.ATTEMPTS: attempts}
    return CaseRow(
        case_id=case_id,
        facts={"case_status": "INT 01 - New Lead", "zip_code": zip_code, "plaintiff": f"Person {case_id}", **facts},
        closed=(closed, (now - timedelta(days=30)).date() if closed else None),
        statuses=named,
        brings_dial_at=True,
        dial_at=(now - timedelta(days=days)).replace(microsecond=0),
        phones=phones or (_cell(f"402555{case_id:04}"),),
    )


def _cell(number: str, primary: bool = True) -> Phone:
    return Phone("Cell", number, primary, text=True)


def _home(number: str, primary: bool = False) -> Phone:
    return Phone("Home", number, primary)


def _of_the_wire(now: datetime) -> Iterator[CaseRow]:
    """Yield a case for each thing that the wire does."""
    yield _case(1, now, days=20)
    yield _case(2, now, _home("4025550102"), _cell("4025551102"), days=19)
    yield _case(3, now, _cell("4025550103"), Phone("Work Fax", "4025551103"), days=18)
    yield _case(4, now, _cell("+442079460958"), days=17, zip_code="")
    bare = {"case_status": "", "plaintiff": ""}
    yield _case(5, now, days=16, campaign=None, attempts=None, zip_code="", **bare)._replace(phones=())
    yield _case(6, now, days=15, attempts="20", case_group="Mass Tort")
    yield _case(7, now, days=14, case_group="Mass Tort")
    yield _case(8, now, days=14, case_group="Mass Tort")
    yield _case(9, now, days=-1 / 6)
    yield _case(10, now, days=5, status="Do not Dial")
    yield _case(11, now, days=13, closed=True)
    yield _case(12, now, _cell("4025550112"), days=12)
    yield _case(13, now, _home("4025550113"), _cell("4025550112", primary=False), days=11)
    yield _case(14, now, _cell("4025550112"), days=5, status="Do not Dial", closed=True)
    yield _case(15, now, _cell("4025550115"), days=5, status="Do not Dial", closed=True)
    yield _case(16, now, days=5, status="Ask the lawyer")
    yield _case(17, now, days=10, campaign=NOTIFICATION)
    yield _case(18, now, _cell("(402) 555-0118 ext. 7"), days=9, campaign=NOTIFICATION)
    yield _case(20, now, days=5, case_group=_HELD)
    for case_id in range(101, 121):
        yield _case(case_id, now, _cell(f"402556{case_id:04}"), days=2, campaign=TEST)


async def _fill_wire(tx: Transaction, now: datetime) -> None:
    await _put(tx, [*_of_the_wire(now), *_in_zones(now, 201, 12)], now)
    firm = await _decide(tx, QUESTIONNAIRE, CampaignChange(purpose=Purpose.SOLICITATION))
    await do_not_call.add(tx, firm, [Listing(now.date(), "asked us to stop", number="2125550201")])
    firm = await add_statuses(tx, await open_firm(tx, FIRM, lock=True), [(StatusType.DISPOSITION, _RETIRED)])
    firm = await retire_status(tx, firm, StatusType.DISPOSITION, _RETIRED, retired=True)
    held = DialQuery(campaign="", case_group=_HELD, records=1, auto_change=True)
    await dialing.get_cases_to_dial(tx, Caller(firm, Actor(ActorKind.KEY, OTHER_VENDOR)), held, now)


def _in_zones(now: datetime, first: int, count: int) -> Iterator[CaseRow]:
    """Yield cases of four time zones, in turn, of a campaign that can have calling rules."""
    for number in range(count):
        zip_code, area = list(_AREAS.values())[number % len(_AREAS)]
        phone = _cell(f"{area}555{(first + number) % 10000:04}")
        yield _case(first + number, now, phone, days=1, campaign=QUESTIONNAIRE, zip_code=zip_code)


async def _fill_hours(tx: Transaction, now: datetime) -> None:
    await _put(tx, list(_in_zones(now, 1, 40)), now)
    await _decide(tx, QUESTIONNAIRE, CampaignChange(purpose=Purpose.CLIENT))


async def _fill_retries(tx: Transaction, now: datetime) -> None:
    await _put(tx, [_case(case_id, now, days=1) for case_id in range(1, 11)], now)
    policy = {"No Answer": Retry(timedelta(hours=4), 2), "Busy": Retry(timedelta(minutes=15), 3)}
    await _decide(tx, INTAKE, CampaignChange(retries=policy))


async def _fill_short(tx: Transaction, now: datetime) -> None:
    await _put(tx, [_case(case_id, now, days=1) for case_id in range(1, 11)], now)
    await set_firm(tx, await open_firm(tx, FIRM, lock=True), FirmChange(claim_timeout=60))


async def _fill_many(tx: Transaction, now: datetime) -> None:
    rows = sample.rows(_MANY, now)
    while some := list(islice(rows, 500)):
        await _put(tx, some, now)


async def _nothing(tx: Transaction, now: datetime) -> None:
    """Leave the list empty."""


async def _put(tx: Transaction, rows: list[CaseRow], now: datetime) -> None:
    report = await import_rows(tx, FIRM, rows, ImportOptions(), now)
    assert not report.bad, report.bad  # noqa: S101


async def _decide(tx: Transaction, campaign: str, change: CampaignChange) -> Firm:
    firm, _ = await set_campaign(tx, await open_firm(tx, FIRM, lock=True), campaign, change)
    return firm


SCENARIOS: Mapping[str, Scenario] = {
    "wire": Scenario("a case for each thing that the API does", _fill_wire),
    "empty": Scenario("a firm without cases", _nothing),
    "short claims": Scenario("ten due cases; a claim is over after a minute", _fill_short),
    "hours": Scenario("a campaign with calling hours, at night", _fill_hours, NIGHT),
    "retries": Scenario("ten due cases, and a policy for No Answer and Busy", _fill_retries),
    "many": Scenario(f"{_MANY:,} cases, as casedial demo has them", _fill_many),
}
