"""What an operator decides about the rules: bans of states, overrides of rows, where ZIP codes are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.audit import NO_FIRM, plain
from casedial.domain.errors import InvalidSetting
from casedial.domain.overrides import RowOverride
from casedial.domain.places import STATES, Place, Placed
from casedial.domain.rules import FEDERAL, Ban
from casedial.domain.users import UserRole
from casedial.places import code_of
from casedial.rules import load
from casedial.service.audit import note
from casedial.service.operations.holding_back import release_held_back
from casedial.storage import firms, users
from casedial.storage import rules as stored
from casedial.storage.rules import InForce

ALL_STATES = "all"

Decision = Callable[[Transaction], Awaitable[int]]


async def in_force(store: Store, actor: Actor, now: datetime) -> InForce:
    """Return what counts now."""
    async with store.read() as tx:
        return await stored.in_force(tx, now)


async def may_decide(store: Store, actor: Actor) -> bool:
    """Tell whether a user may decide about the rules, which are those of all firms."""
    async with store.read() as tx:
        return await users.role_everywhere(tx, actor.id or 0) is UserRole.ADMINISTRATOR


def state_of(text: str, everywhere: str = ALL_STATES) -> str:
    """Return a state by its two letters, or FEDERAL for the word that means all. Raises InvalidSetting."""
    named = text.strip()
    if not named:
        raise InvalidSetting(f"Name a state by its two letters, or {everywhere}.")
    if named.lower() == everywhere:
        return FEDERAL
    if named.upper() not in STATES:
        raise InvalidSetting(f"There is no state {text!r}: give two letters, such as LA, or {everywhere}.")
    return named.upper()


def read_ban(state: str, until: date | datetime, reason: str, source: str, now: datetime) -> Ban:
    """Return a ban of a state until an instant, or to the end of a day there. Raises InvalidSetting."""
    named = state_of(state)
    try:
        instant = until if isinstance(until, datetime) else load().end_of(until, named)
    except OverflowError:
        raise InvalidSetting("This day is later than calendars go; give one before.") from None
    if instant <= now:
        raise InvalidSetting("This time has passed; a ban needs an end in the future.")
    if not reason.strip():
        raise InvalidSetting("Give a reason for the ban; it is recorded and shown.")
    return Ban(named, instant, reason.strip(), source.strip())


async def ban(
    store: Store, actor: Actor, state: str, until: date | datetime, reason: str, source: str, now: datetime
) -> tuple[int, Ban]:
    """Let nobody call a state until then; return the ban and its id. Raises what ``read_ban`` does."""
    wanted = read_ban(state, until, reason, source, now)

    async def work(tx: Transaction) -> int:
        ban_id = await stored.add_ban(tx, wanted, now)
        await note(tx, actor, NO_FIRM, "rules.ban", f"ban {ban_id}", None, plain(wanted))
        return ban_id

    return await store.transact(work), wanted


async def lift(store: Store, actor: Actor, ban_id: int, now: datetime) -> None:
    """End a ban early. Raises InvalidSetting when there is none."""
    if not await _end(store, actor, "rules.lift", f"ban {ban_id}", lambda tx: stored.lift_ban(tx, ban_id, now)):
        raise InvalidSetting(f"No ban {ban_id} is in force; casedial rules list shows the current ones.")


async def override(store: Store, actor: Actor, change: RowOverride, source: str, now: datetime) -> RowOverride:
    """Let an override of a row count, on every server at once; return it with its id."""
    change = replace(change, source=source.strip())
    put = partial(stored.override, change=change, now=now)
    return replace(change, id=await _put(store, actor, "rules.override", change, put))


def read_place(zip_code: str, states: Collection[str], zones: Collection[str], reason: str) -> Placed:
    """Return where an operator says a ZIP code is. Raises InvalidSetting."""
    code = code_of(zip_code)
    if code is None:
        raise InvalidSetting(f"{zip_code[:32]!r} is not a ZIP code: give five digits.")
    if not reason.strip():
        raise InvalidSetting("Give a reason: it is recorded and shown.")
    named = frozenset(state_of(state) for state in states)
    if not named or FEDERAL in named or not zones:
        raise InvalidSetting("Name the states whose rules apply there, each by its two letters, and the time zones.")
    return Placed(f"{code:05}", Place(named, frozenset(_zone(zone) for zone in zones), placed=reason.strip()))


async def place(store: Store, actor: Actor, placed: Placed, source: str, now: datetime) -> Placed:
    """Say where a ZIP code is, in place of the table, on every server at once; return it with its id."""
    placed = replace(placed, source=source.strip())
    return replace(placed, id=await _put(store, actor, "rules.place", placed, lambda tx: stored.place(tx, placed, now)))


async def restore(store: Store, actor: Actor, override_id: int, now: datetime) -> None:
    """End an override of a row, or what was said of a ZIP code. Raises InvalidSetting when there is none."""
    ends = partial(stored.lift_override, override_id=override_id, now=now)
    if not await _end(store, actor, "rules.restore", f"override {override_id}", ends):
        raise InvalidSetting(f"No override {override_id} is in force; casedial rules list shows the current ones.")


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name.strip()).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSetting(f"{name!r} is not a time zone: give a name such as Europe/Berlin.") from None


async def _put(store: Store, actor: Actor, action: str, wanted: object, put: Decision) -> int:
    """Let something count, and write it down; return its id."""

    async def work(tx: Transaction) -> int:
        override_id = await put(tx)
        await note(tx, actor, NO_FIRM, action, f"override {override_id}", None, plain(wanted))
        return override_id

    return await _decide(store, work)


async def _end(store: Store, actor: Actor, action: str, subject: str, end: Decision) -> int:
    """End something, and write it down; return 0 where there is none."""

    async def work(tx: Transaction) -> int:
        ended = await end(tx)
        if ended:
            await note(tx, actor, NO_FIRM, action, subject)
        return ended

    return await _decide(store, work)


async def _decide(store: Store, decide: Decision) -> int:
    """Do what may let cases through that are held back, and look at these again."""

    async def work(tx: Transaction) -> int:
        done = await decide(tx)
        await firms.change_all(tx)  # whoever holds back by what was decided before notices
        return done

    done = await store.transact(work)
    await release_held_back(store)  # also when an earlier one was cut off here
    return done
