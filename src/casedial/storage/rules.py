"""What operators decided about the rules: bans, overrides, and where ZIP codes are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import sqlalchemy as sa
from sqlalchemy import Text

from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import bans, overrides
from casedial.domain.damage import Damage
from casedial.domain.hours import Window
from casedial.domain.overrides import RowOverride
from casedial.domain.places import STATES, Place, Placed
from casedial.domain.rules import FEDERAL, Attempts, Ban, Purpose


@dataclass(frozen=True, slots=True)
class InForce:
    """What operators decided and counts now: bans by id, overrides of rows, and where they say ZIP codes are.

    ``unreadable`` are rows that make no sense. Such a ban stops what it can be read to stop: without a time that can be
    read it goes on, without a state it is of all. Such an override does not count: the row that casedial ships does.
    """

    bans: Mapping[int, Ban]
    overrides: tuple[RowOverride, ...]
    placed: tuple[Placed, ...]
    unreadable: tuple[Damage, ...] = ()

    @property
    def places(self) -> dict[int, Place]:
        """Return where ZIP codes are, by their numbers."""
        return {int(placed.zip_code): placed.place for placed in self.placed}


BAN, OVERRIDE = "ban", "override"
_ZIP = "ZIP "
_FIVE_DIGITS = re.compile("[0-9]{5}")
_NO_END = datetime(2079, 6, 6, tzinfo=UTC)  # no time that casedial takes is later
_UNREADABLE = "its row cannot be read: run casedial doctor"


def _lasts(dialect: Dialect, now: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a ban is in force; so it is, too, where its end is no time."""
    later = sa.or_(bans.c.until > now, dialect.is_no_time(bans.c.until))
    return sa.and_(later, bans.c.lifted_at.is_(None))


@cache  # every claim asks it
def _select_in_force(dialect: Dialect) -> sa.CompoundSelect[Any]:
    b, o = bans.c, overrides.c

    def told(what: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        name = sa.literal_column(f"'{what} '", Text) + sa.cast(columns[0], Text)
        names = ("name", "what", "id", "subject", "at", "reason", "source", "content")
        every = (name, sa.literal_column(f"'{what}'", Text), *columns)
        return sa.select(*(column.label(called) for column, called in zip(every, names, strict=True)))

    nothing = sa.literal_column("''", Text)
    ours = told(BAN, b.id, b.state, dialect.readable(b.until, _NO_END), b.reason, b.source, nothing)
    others = told(OVERRIDE, o.id, o.subject, o.created_at, o.reason, o.source, o.content)
    both = ours.where(_lasts(dialect, sa.bindparam("now", type_=b.until.type)))
    return both.union_all(others.where(o.lifted_at.is_(None))).order_by("what", "at", "id")


async def in_force(tx: Transaction, now: datetime) -> InForce:
    """Return what counts now, in one query."""
    decided, bad = await tx.apart(_select_in_force(tx.dialect), {"now": now}, _decided_from)
    found = {id_: one for id_, one in decided if isinstance(one, Ban)}
    unreadable = tuple(Damage(what, None, id_) for what, id_ in map(str.split, bad))
    if damaged := [int(one.id) for one in unreadable if one.what == BAN]:
        found |= await _despite(tx, damaged)
    changes = tuple(one for _, one in decided if isinstance(one, RowOverride))
    return InForce(found, changes, tuple(one for _, one in decided if isinstance(one, Placed)), unreadable)


async def _despite(tx: Transaction, ids: Sequence[int]) -> dict[int, Ban]:
    """Return bans of which the row cannot be read, as far as it can."""
    query = sa.select(bans.c.id, bans.c.state, sa.cast(bans.c.until, Text).label("until"))
    rows = await tx.execute(query.where(tx.among(bans.c.id, ids)))
    return {row.id: Ban(_state_of(row.state), _end_of(row.until), _UNREADABLE) for row in rows}


def _state_of(stored: Any) -> str:
    state = str(stored).strip().upper()
    return state if state in STATES else FEDERAL


def _end_of(stored: str) -> datetime:
    try:
        end = datetime.fromisoformat(stored)
    except ValueError:
        return _NO_END
    return end if end.tzinfo else end.replace(tzinfo=UTC)


def _decided_from(row: Any) -> tuple[int, Ban | RowOverride | Placed]:
    if row.what == BAN:
        return row.id, _ban_from(row)
    return row.id, _placed_from(row) if row.subject.startswith(_ZIP) else _override_from(row)


async def add_ban(tx: Transaction, ban: Ban, now: datetime) -> int:
    """Add a ban; return its id."""
    values = {"state": ban.state, "until": ban.until, "reason": ban.reason, "source": ban.source, "created_at": now}
    return int((await tx.execute(bans.insert().values(values).returning(bans.c.id))).scalar_one())


async def lift_ban(tx: Transaction, ban_id: int, now: datetime) -> bool:
    """End a ban before its time; return whether there was one in force."""
    this = sa.and_(bans.c.id == ban_id, _lasts(tx.dialect, sa.literal(now, bans.c.until.type)))
    return bool((await tx.execute(bans.update().where(this).values(lifted_at=now))).rowcount)


async def override(tx: Transaction, change: RowOverride, now: datetime) -> int:
    """Let an override count from now on, in place of an earlier one of the same row; return its id."""
    content = {
        "state": change.state,
        "purpose": change.purpose.value,
        "hours": [[day.opens, day.closes] if day else None for day in change.windows] if change.windows else None,
        "holidays": change.bans_holidays,
        "calls": [change.attempts.count, change.attempts.hours, change.attempts.per] if change.attempts else None,
        "rest": change.rest,
    }
    subject = f"{change.state or 'federal'} {change.purpose}"
    return await _decide(tx, subject, content, change.reason, change.source, now)


async def place(tx: Transaction, placed: Placed, now: datetime) -> int:
    """Say where a ZIP code is, in place of what was said before; return the id of the override."""
    content = {"states": sorted(placed.place.states), "zones": sorted(placed.place.zones)}
    return await _decide(tx, f"{_ZIP}{placed.zip_code}", content, placed.place.placed, placed.source, now)


async def lift_override(tx: Transaction, override_id: int, now: datetime) -> bool:
    """End an override; return whether it was in force."""
    this = sa.and_(overrides.c.id == override_id, overrides.c.lifted_at.is_(None))
    return bool((await tx.execute(overrides.update().where(this).values(lifted_at=now))).rowcount)


async def _decide(
    tx: Transaction, subject: str, content: Mapping[str, object], reason: str, source: str, now: datetime
) -> int:
    before = sa.and_(overrides.c.subject == subject, overrides.c.lifted_at.is_(None))
    await tx.execute(overrides.update().where(before).values(lifted_at=now))
    values = {
        "subject": subject,
        "content": msgspec.json.encode(content).decode(),
        "reason": reason,
        "source": source,
        "created_at": now,
    }
    return int((await tx.execute(overrides.insert().values(values).returning(overrides.c.id))).scalar_one())


class _Content(msgspec.Struct):
    """What an override says of a row."""

    state: str
    purpose: Purpose
    hours: tuple[tuple[int, int] | None, ...] | None
    holidays: bool | None
    calls: tuple[int, int, str] | None
    rest: int | None


class _PlaceContent(msgspec.Struct):
    """What an override says of a ZIP code."""

    states: frozenset[str]
    zones: frozenset[str]


def _ban_from(row: Any) -> Ban:
    """Return a ban. Raises ValueError where nobody knows of which state, or until when."""
    if (row.subject not in STATES and row.subject != FEDERAL) or type(row.at) is not datetime:
        raise ValueError("A ban is of a state, and until a time.")
    return Ban(row.subject, row.at, str(row.reason), str(row.source))


def _override_from(row: Any) -> RowOverride:
    found = msgspec.json.decode(row.content, type=_Content)
    if found.state not in STATES and found.state != FEDERAL:
        raise ValueError("An override is of the row of a state.")
    return RowOverride(
        found.state,
        found.purpose,
        str(row.reason),
        row.at.date(),
        tuple(Window(*day) if day else None for day in found.hours) if found.hours else None,
        found.holidays,
        Attempts(*found.calls) if found.calls else None,
        found.rest,
        str(row.source),
        row.id,
    )


def _placed_from(row: Any) -> Placed:
    found = msgspec.json.decode(row.content, type=_PlaceContent)
    zip_code = row.subject.removeprefix(_ZIP)
    if not found.states or not found.states <= STATES or not found.zones or not _FIVE_DIGITS.fullmatch(zip_code):
        raise ValueError("A ZIP code is in states, and in time zones.")
    for zone in found.zones:
        ZoneInfo(zone)
    place = Place(found.states, found.zones, placed=str(row.reason))
    return Placed(zip_code, place, str(row.source), row.id)
