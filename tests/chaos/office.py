"""A firm to dial for, with its campaigns, cases and keys. It is made in this process: commands would take 20 s."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from casedial.database import schema
from casedial.database.engine import Store, Transaction
from casedial.domain.cases import Phone
from casedial.domain.importing import CaseRow
from casedial.domain.keys import Scope
from casedial.domain.statuses import StatusType
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import FirmChange, add_firm, open_firm, set_firm
from casedial.service.imports import ImportOptions, import_rows
from casedial.service.keys import LimitChange, add_key
from casedial.service.statuses import add_statuses

FIRM = "Lex & Partners"
STORM, RACE, REPEATS, LATE, PARKED = "Storm", "Race", "Repeats", "Late", "Parked"
# For each campaign: the first CaseID, how many cases, and the seconds a claim lasts.
CLAIM_TIMEOUT = 5
CAMPAIGNS: dict[str, tuple[int, int, int]] = {
    STORM: (1, 400, CLAIM_TIMEOUT),
    PARKED: (1001, 400, CLAIM_TIMEOUT),
    REPEATS: (2001, 100, 20),
    LATE: (3001, 240, 1),
    RACE: (10_001, 5000, 600),
}
READER = "Our System"
VENDORS = ("Acme Dialer", "Bell Calls", "Cresta Voice")


def cases_of(campaign: str) -> list[int]:
    first, count, _ = CAMPAIGNS[campaign]
    return list(range(first, first + count))


def phone_of(case_id: int) -> str:
    """Return a case's number; two neighbours share one."""
    return f"402{5550000 + case_id // 2:07}"


def phones_of(campaign: str) -> list[str]:
    return sorted({phone_of(case_id) for case_id in cases_of(campaign)})


async def make(database_url: str, keys: int) -> list[dict[str, Any]]:
    """Make the firm in an empty database; return its keys, of each vendor in turn, and behind them one for the feed."""
    store = Store(database_url)
    store.make_file()
    await schema.migrate(store)
    try:
        return await store.transact(lambda tx: _make(tx, keys))
    finally:
        await store.close()


async def _make(tx: Transaction, keys: int) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    firm = await add_firm(tx, FIRM, "America/Chicago", now)
    await add_statuses(tx, firm, [(StatusType.CAMPAIGN, name) for name in CAMPAIGNS])
    await set_firm(tx, await open_firm(tx, FIRM, lock=True), FirmChange(claim_timeout=CLAIM_TIMEOUT))
    for campaign, (_, _, seconds) in CAMPAIGNS.items():
        if seconds != CLAIM_TIMEOUT:
            await set_campaign(tx, await open_firm(tx, FIRM, lock=True), campaign, CampaignChange(seconds))
        rows = [_row(case_id, campaign) for case_id in cases_of(campaign)]
        for start in range(0, len(rows), 500):
            await import_rows(tx, FIRM, rows[start : start + 500], ImportOptions(), now)
    reader = await add_key(tx, firm, READER, now, None, LimitChange(scopes=(Scope.FEED,)))
    vendors = [VENDORS[number % len(VENDORS)] for number in range(keys)]
    added = [(vendor, await add_key(tx, firm, vendor, now)) for vendor in vendors]
    return [{"id": key.id, "key": key.key, "vendor": vendor} for vendor, key in [*added, (READER, reader)]]


def _row(case_id: int, campaign: str) -> CaseRow:
    return CaseRow(
        case_id=case_id,
        statuses={StatusType.DIALER: "To Dial", StatusType.CAMPAIGN: campaign, StatusType.ATTEMPTS: "0"},
        brings_dial_at=True,
        dial_at=datetime(2069 if campaign == PARKED else 2000, 1, 1, tzinfo=UTC),
        phones=(Phone("Cell", phone_of(case_id), primary=True),),
    )
