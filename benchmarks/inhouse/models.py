"""The tables that a claim needs, as mapped classes: those of casedial, so that both do the same work."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, SmallInteger
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TO_DIAL, IN_THE_DIALER = 1, 2


class Base(DeclarativeBase):
    """What all of them have in common."""

    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True), list[Any]: JSON}  # noqa: RUF012


class Firm(Base):
    """A firm, and after how many seconds its claims run out."""

    __tablename__ = "firms"

    id: Mapped[int] = mapped_column(primary_key=True)
    time_zone: Mapped[str]
    claim_timeout: Mapped[int]


class Key(Base):
    """A vendor's key."""

    __tablename__ = "keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    firm_id: Mapped[int] = mapped_column(ForeignKey("firms.id"))
    vendor: Mapped[str]
    digest: Mapped[bytes]
    revoked_at: Mapped[datetime | None]


class Status(Base):
    """A status of a firm; those with a role are the dialer's."""

    __tablename__ = "statuses"

    id: Mapped[int] = mapped_column(primary_key=True)
    firm_id: Mapped[int]
    type: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    role: Mapped[int | None] = mapped_column(SmallInteger)


class Case(Base):
    """A case with its phones."""

    __tablename__ = "cases"

    firm_id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(primary_key=True)
    case_status: Mapped[str]
    case_group_folded: Mapped[str]
    zip_code: Mapped[str]
    phones: Mapped[list[Any]]
    dialer_status_id: Mapped[int | None]
    dialer_role: Mapped[int | None] = mapped_column(SmallInteger)
    dial_at: Mapped[datetime | None]
    campaign_id: Mapped[int | None]
    attempts_id: Mapped[int | None]
    changed_at: Mapped[datetime | None]
    claim_id: Mapped[UUID | None]
    held_until: Mapped[datetime | None]
    priority: Mapped[int]
    redial_at: Mapped[datetime | None]


class Change(Base):
    """A change of a status, kept for ever."""

    __tablename__ = "status_history"

    id: Mapped[int] = mapped_column(primary_key=True)
    firm_id: Mapped[int]
    case_id: Mapped[int]
    type: Mapped[int] = mapped_column(SmallInteger)
    status_id: Mapped[int | None]
    dial_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    changed_by: Mapped[str]
    claim_id: Mapped[UUID | None]


class Claim(Base):
    """A claim: who got which cases, and until when."""

    __tablename__ = "claims"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    firm_id: Mapped[int]
    vendor: Mapped[str]
    key_id: Mapped[int | None]
    case_ids: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    check_at: Mapped[datetime | None]
