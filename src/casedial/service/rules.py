"""What an operator decides about the rules: bans of states, overrides of rows, where ZIP codes are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casedial.domain.errors import InvalidSetting
from casedial.domain.overrides import RowOverride
from casedial.domain.places import STATES, Place, Placed
from casedial.domain.rules import FEDERAL, Ban
from casedial.places import code_of
from casedial.rules import load
from casedial.service import calling
from casedial.storage import firms
from casedial.storage import rules as stored
from casedial.storage.engine import Store, Transaction
from casedial.storage.rules import InForce

ALL_STATES = "all"


async def in_force(store: Store, now: datetime) -> InForce:
    """Return what counts now."""
    async with store.read() as tx:
        return await stored.in_force(tx, now)


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


async def ban(
    store: Store, state: str, until: date | datetime, reason: str, source: str, now: datetime
) -> tuple[int, Ban]:
    """Let nobody call a state until an instant, or to the end of a day there. Raises InvalidSetting."""
    named = state_of(state)
    instant = until if isinstance(until, datetime) else load().end_of(until, named)
    if instant <= now:
        raise InvalidSetting("This time has passed: a ban is until a time to come.")
    if not reason.strip():
        raise InvalidSetting("A ban needs a reason.")
    wanted = Ban(named, instant, reason.strip(), source.strip())
    return await store.transact(lambda tx: stored.add_ban(tx, wanted, now)), wanted


async def lift(store: Store, ban_id: int, now: datetime) -> None:
    """End a ban before its time. Raises InvalidSetting when there is none."""
    if not await _decide(store, lambda tx: stored.lift_ban(tx, ban_id, now)):
        raise InvalidSetting(f"No ban {ban_id} is in force; casedial rules list shows those that are.")


async def override(store: Store, change: RowOverride, source: str, now: datetime) -> RowOverride:
    """Let an override of a row count, on every server at once; return it with its id."""
    change = replace(change, source=source.strip())
    return replace(change, id=await _decide(store, lambda tx: stored.override(tx, change, now)))


def read_place(zip_code: str, states: Collection[str], zones: Collection[str], reason: str) -> Placed:
    """Return where an operator says a ZIP code is. Raises InvalidSetting."""
    code = code_of(zip_code)
    if code is None:
        raise InvalidSetting(f"{zip_code[:32]!r} is no ZIP code: give five digits.")
    if not reason.strip():
        raise InvalidSetting("Say why the ZIP code is there: the reason is recorded and shown.")
    named = frozenset(state_of(state) for state in states)
    if not named or FEDERAL in named or not zones:
        raise InvalidSetting("Name the states whose rules count there, each by its two letters, and its time zones.")
    return Placed(f"{code:05}", Place(named, frozenset(_zone(zone) for zone in zones), placed=reason.strip()))


async def place(store: Store, placed: Placed, source: str, now: datetime) -> Placed:
    """Say where a ZIP code is, in place of the table, on every server at once; return it with its id."""
    placed = replace(placed, source=source.strip())
    return replace(placed, id=await _decide(store, lambda tx: stored.place(tx, placed, now)))


async def restore(store: Store, override_id: int, now: datetime) -> None:
    """End an override of a row, or what was said of a ZIP code. Raises InvalidSetting when there is none."""
    if not await _decide(store, lambda tx: stored.lift_override(tx, override_id, now)):
        raise InvalidSetting(f"No override {override_id} is in force; casedial rules list shows those that are.")


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name.strip()).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSetting(f"There is no time zone {name!r}: give a name such as Europe/Berlin.") from None


async def _decide(store: Store, decide: Callable[[Transaction], Awaitable[int]]) -> int:
    """Do what may let cases through that are held back, and look at these again."""

    async def work(tx: Transaction) -> int:
        done = await decide(tx)
        await firms.change_all(tx)  # whoever holds back by what was decided before notices
        return done

    done = await store.transact(work)
    await calling.look_again(store)  # also when an earlier one was cut off here
    return done
