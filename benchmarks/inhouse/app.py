"""GetCasesToDial as a team would write it: one transaction, the ORM's unit of work, a response model."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.inhouse.models import IN_THE_DIALER, TO_DIAL, Case, Change, Claim, Firm, Key, Status

DIALER_TYPE, CAMPAIGN_TYPE = 1, 3

_URL = os.environ["INHOUSE_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
engine = create_async_engine(_URL, pool_size=int(os.environ.get("INHOUSE_POOL", "4")), max_overflow=0)
new_session = async_sessionmaker(engine, expire_on_commit=False)
firms: dict[int, Firm] = {}
statuses: dict[int, Status] = {}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Read once what hardly ever changes."""
    async with new_session() as session:
        firms.update({firm.id: firm for firm in await session.scalars(select(Firm))})
        statuses.update({status.id: status for status in await session.scalars(select(Status))})
    yield
    await engine.dispose()


app = FastAPI(lifespan=_lifespan)


class PhoneOut(BaseModel):
    """One phone of a case."""

    PhoneName: str
    Phone: str
    Primary: bool
    Text: bool


class CaseOut(BaseModel):
    """A case as a dialer gets it."""

    CaseID: int
    Phones: list[PhoneOut]
    CaseStatus: str
    DialerStatus: str
    Campaign: str
    Attempts: str
    DialDateTime: str | None
    ZipCode: str


async def get_session() -> AsyncIterator[AsyncSession]:
    """Open a session for one request."""
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_key(session: Session, x_apikey: Annotated[str, Header(alias="X-ApiKey")]) -> Key:
    """Return the key that the request carries, or answer 401."""
    digest = sha256(x_apikey.encode()).digest()
    key = await session.scalar(select(Key).where(Key.digest == digest, Key.revoked_at.is_(None)))
    if key is None:
        raise HTTPException(401, "Unknown key")
    return key


def _find(firm: Firm, kind: int, name: str) -> Status | None:
    wanted = name.strip().casefold()
    mine = (status for status in statuses.values() if status.firm_id == firm.id and status.type == kind)
    return next((status for status in mine if status.name.casefold() == wanted), None)


def _name(status_id: int | None) -> str:
    return statuses[status_id].name if status_id else ""


def _show(case: Case, zone: ZoneInfo) -> CaseOut:
    local = case.dial_at.astimezone(zone).replace(tzinfo=None) if case.dial_at else None
    voice = [phone for phone in case.phones if "fax" not in phone[0].lower()]
    return CaseOut(
        CaseID=case.case_id,
        Phones=[
            PhoneOut(PhoneName=name, Phone=number, Primary=primary, Text=text)
            for name, number, primary, text in sorted(voice, key=lambda phone: not phone[2])
        ],
        CaseStatus=case.case_status,
        DialerStatus=_name(case.dialer_status_id),
        Campaign=_name(case.campaign_id),
        Attempts=_name(case.attempts_id),
        DialDateTime=local.isoformat(timespec="seconds") if local else None,
        ZipCode=case.zip_code,
    )


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process is there."""
    return {"status": "alive"}


@app.get("/PredictiveDialer/GetCasesToDial")
async def get_cases_to_dial(
    session: Session,
    key: Annotated[Key, Depends(get_key)],
    response: Response,
    campaign: Annotated[str | None, Query(alias="Campaign")] = None,
    case_group: Annotated[str | None, Query(alias="CaseGroup")] = None,
    records: Annotated[int, Query(alias="Records", ge=1, le=1000)] = 100,
    auto_change: Annotated[bool, Query(alias="Auto-change")] = False,
) -> list[CaseOut]:
    """Return due cases, oldest first; with ``Auto-change`` they are claimed."""
    firm, now = firms[key.firm_id], datetime.now(UTC)
    query = select(Case).where(Case.firm_id == firm.id, Case.dialer_role == TO_DIAL, Case.dial_at <= now)
    if campaign:
        wanted = _find(firm, CAMPAIGN_TYPE, campaign)
        if wanted is None:
            return []
        query = query.where(Case.campaign_id == wanted.id)
    if case_group:
        query = query.where(Case.case_group_folded == case_group.casefold())
    query = query.order_by(Case.priority, Case.dial_at, Case.case_id).limit(records)
    if auto_change:
        query = query.with_for_update(skip_locked=True)
    cases = list(await session.scalars(query))
    shown = [_show(case, ZoneInfo(firm.time_zone)) for case in cases]
    if auto_change and cases:
        claim = _claim(session, firm, key, cases, now)
        await session.commit()
        response.headers["X-Claim-Id"] = str(claim.id)
        response.headers["X-Claim-Expires"] = claim.expires_at.isoformat() if claim.expires_at else ""
    return shown


def _claim(session: AsyncSession, firm: Firm, key: Key, cases: list[Case], now: datetime) -> Claim:
    """Move the cases In the Dialer, with their history, and record the claim."""
    status = next(s for s in statuses.values() if s.firm_id == firm.id and s.role == IN_THE_DIALER)
    until = now + timedelta(seconds=firm.claim_timeout)
    claim = Claim(
        id=uuid4(),
        firm_id=firm.id,
        vendor=key.vendor,
        key_id=key.id,
        case_ids=[case.case_id for case in cases],
        created_at=now,
        expires_at=until,
        check_at=until,
    )
    session.add(claim)
    for case in cases:
        case.redial_at = case.dial_at
        case.dialer_status_id, case.dialer_role = status.id, IN_THE_DIALER
        case.dial_at = case.changed_at = now
        case.claim_id, case.held_until = claim.id, until
        session.add(
            Change(
                firm_id=firm.id,
                case_id=case.case_id,
                type=DIALER_TYPE,
                status_id=status.id,
                dial_at=now,
                changed_at=now,
                changed_by=key.vendor,
                claim_id=claim.id,
            )
        )
    return claim
