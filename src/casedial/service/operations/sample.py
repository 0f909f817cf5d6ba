"""The sample firm of the demo: real ZIP codes, people and numbers (555-01xx) that do not exist."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.cases import Phone
from casedial.domain.importing import CaseRow
from casedial.domain.rules import Purpose
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.audit import note
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import add_firm, open_firm
from casedial.service.imports import ImportOptions, import_rows
from casedial.service.keys import add_key
from casedial.service.operations.sample_past import DAYS, attempts_of, beginnings, store_past
from casedial.service.statuses import add_statuses
from casedial.service.users import add_user, hashed, new_password, set_password

FIRM = "Demo Law Firm"
VENDOR, OTHER_VENDOR = "Demo Dialer", "Second Dialer"
USER = "demo"
CAMPAIGNS = ("Intake follow-up", "Notification campaign", "Questionnaire campaign")
_PURPOSES = {"Notification campaign": Purpose.CLIENT, "Questionnaire campaign": Purpose.SOLICITATION}
_GROUPS = ("Auto Accident", "Medical Malpractice", "Premises Liability", "Mass Tort", "Workers' Compensation")
_CASE_STATUSES = (
    "INT 01 - New Lead",
    "INT 02 - Retainer Sent",
    "PRE 01 - Treating",
    "PRE 04 - Demand Sent",
    "LIT 03 - Lawsuit Served",
    "LIT 04 - Answer Received",
)
# fmt: off
_FIRST = ("Ana", "Ben", "Carla", "Dev", "Ella", "Finn", "Grace", "Hugo", "Ines", "Jack", "Kim", "Leo", "Maria", "Noah")
_LAST = ("Adams", "Brooks", "Castillo", "Diaz", "Evans", "Foster", "Garcia", "Hughes", "Jones", "Kelly", "Ortiz")
# fmt: on

# ZIP code and area code of places in every US time zone.
_PLACES = """
10001 212, 11235 718, 02108 617, 06103 860, 19103 215, 15222 412, 21201 410, 20001 202, 23219 804, 27601 919,
28202 704, 29401 843, 30303 404, 32202 904, 33130 305, 33602 813, 37203 615, 38103 901, 35203 205, 39201 601,
40202 502, 43215 614, 44113 216, 46204 317, 48226 313, 53202 414, 55401 612, 60602 312, 62701 217, 63101 314,
64106 816, 66603 785, 68046 402, 68102 402, 70112 504, 72201 501, 73102 405, 74103 918, 75201 214, 77002 713,
78205 210, 78701 512, 79901 915, 80202 303, 82001 307, 83702 208, 84101 801, 85004 602, 85701 520, 87102 505,
89101 702, 90012 213, 92101 619, 94102 415, 95814 916, 97204 503, 98101 206, 99201 509, 99501 907, 96813 808
"""
PLACES = [(zip_code, area) for zip_code, area in (place.split() for place in _PLACES.replace("\n", " ").split(","))]


@dataclass(frozen=True, slots=True)
class Sample:
    """What the demo prints of the firm it made: its key, a due case, a phone that several cases share, a sign-in."""

    key: str
    case_id: int
    phone: str
    user: str
    password: str


def rows(count: int, now: datetime) -> Iterator[CaseRow]:
    """Yield cases, the same at every run but for their times, which stand around ``now``."""
    chance = random.Random(2020)  # noqa: S311  # a sample, not a secret
    people: list[tuple[str, str, tuple[Phone, ...]]] = []
    for case_id in range(1, count + 1):
        if people and chance.random() < 0.1:  # somebody with a second case: the phones are shared
            name, zip_code, phones = chance.choice(people[-200:])
        else:
            zip_code, area = chance.choice(PLACES)
            name = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
            phones = _phones(chance, area)
            people.append((name, zip_code, phones))
        yield _row(chance, case_id, name, zip_code, phones, now)


def _phones(chance: random.Random, area: str) -> tuple[Phone, ...]:
    kinds = chance.choice((("Cell",), ("Cell", "Home"), ("Cell", "Home", "Work"), ("Home", "Cell", "Fax")))
    return tuple(
        Phone(kind, f"{area}55501{chance.randrange(100):02}", primary=index == 0, text=kind == "Cell")
        for index, kind in enumerate(kinds)
    )


def _row(
    chance: random.Random, case_id: int, name: str, zip_code: str, phones: tuple[Phone, ...], now: datetime
) -> CaseRow:
    closed = chance.random() < 0.1
    dialer = chance.choices(("To Dial", "In the Dialer", "Do not Dial"), (70, 5, 25))[0]
    attempts = chance.choices(range(8), (40, 20, 14, 10, 6, 4, 3, 3))[0]
    tried = ("Busy", "No Answer", "Answering Machine", "Successful")
    disposition = chance.choice(tried) if attempts else "Never Dialed"
    if case_id == 1:  # the case that the printed lines name: always due
        closed, dialer, dial_at = False, "To Dial", now - timedelta(days=8)
    elif dialer == "To Dial":
        dial_at = now + timedelta(minutes=chance.randrange(-7 * 1440, 3 * 1440))
    else:
        dial_at = now - timedelta(minutes=chance.randrange(30 * 1440))
    return CaseRow(
        case_id=case_id,
        facts={
            "case_status": "CLO 01 - Closed" if closed else chance.choice(_CASE_STATUSES),
            "case_group": chance.choice(_GROUPS),
            "zip_code": zip_code,
            "plaintiff": name,
        },
        closed=(closed, (now - timedelta(days=chance.randrange(1, 400))).date() if closed else None),
        statuses={
            StatusType.DIALER: dialer,
            StatusType.CAMPAIGN: chance.choices(CAMPAIGNS, (60, 25, 15))[0],
            StatusType.ATTEMPTS: str(attempts),
            StatusType.DISPOSITION: disposition,
        },
        brings_dial_at=True,
        dial_at=dial_at.replace(microsecond=0),
        phones=phones,
    )


async def make(store: Store, actor: Actor, count: int) -> Sample:
    """Make the firm with its cases, their past, keys and a user. Raises FirmExists where the database has it."""
    now = store.now()
    made = list(rows(count, now))
    password = new_password()
    stored = hashed(password)

    async def work(tx: Transaction) -> str:
        firm = await add_firm(tx, FIRM, "America/New_York", now)
        await note(tx, actor, firm.id, "firm.add", f"firm {firm.name}")
        await add_statuses(tx, firm, [(StatusType.CAMPAIGN, name) for name in CAMPAIGNS])
        attempts = attempts_of(made, now, firm)
        begun, before = now - timedelta(days=DAYS + 1), beginnings(made, attempts)
        for start in range(0, count, 500):
            await import_rows(tx, FIRM, before[start : start + 500], ImportOptions(), begun)
        for name, purpose in _PURPOSES.items():
            await set_campaign(tx, await open_firm(tx, FIRM, lock=True), name, CampaignChange(purpose=purpose))
            await note(tx, actor, firm.id, "campaign.set", f"campaign {name}", None, {"purpose": purpose.value})
        keys = [await add_key(tx, firm, vendor, begun) for vendor in (VENDOR, OTHER_VENDOR)]
        for key in keys:
            await note(tx, actor, firm.id, "key.add", f"key {key.id} of {key.vendor}")
        vendors = [Actor(ActorKind.KEY, key.vendor, key.id) for key in keys]
        await store_past(tx, await open_firm(tx, FIRM), attempts, vendors)
        await set_password(tx, await add_user(tx, USER, firm.id, UserRole.ADMINISTRATOR, now), stored)
        await note(tx, actor, firm.id, "user.add", "user", None, {"name": USER})
        return keys[0].key

    key = await store.transact(work)
    first = made[0].phones or ()
    return Sample(key, case_id=1, phone=first[0].number, user=USER, password=password)
