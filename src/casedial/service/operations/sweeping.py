"""Sweeps: hold back cases at the head of each list that may not be called, so that no claim has to go past them.

A sweep may be late and is never wrong, for every claim judges what it hands out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from casedial.database.engine import Store
from casedial.domain.calling import Rules
from casedial.domain.cases import CasesUnreadable
from casedial.domain.damage import Damage
from casedial.domain.errors import StorageUnavailable
from casedial.domain.firms import Firm
from casedial.domain.statuses import StatusesStale
from casedial.service import judging
from casedial.service.operations import holding_back
from casedial.service.operations.duty import Duty
from casedial.storage import campaigns, firms
from casedial.storage import do_not_call as lists

_SHORT_LOOK, _LONG_LOOK = 200, 2000
_LONGEST_PAUSE = timedelta(seconds=30)
_QUARTER = timedelta(minutes=15)  # at which hours begin and end

List = tuple[int, int | None]  # a firm's id, and the id of a campaign, or None for all that the firm has


@dataclass(slots=True)
class _Known:
    """What is known of a list: the firm as it was, when to look again, and how long nothing was found.

    ``is_closed`` says that most of it was, and that a long look is due.
    """

    firm_version: int
    due_at: datetime | None = None
    pause: timedelta = timedelta(0)
    is_closed: bool = False

    def found(self, count: int, size: int, now: datetime) -> None:
        """Note how many of a look's cases were held back; where none was, the next look is later each time."""
        self.is_closed = 2 * count >= size
        self.pause = timedelta(0) if count else min(_LONGEST_PAUSE, max(timedelta(seconds=1), 2 * self.pause))
        self.due_at = min(now + self.pause, _next_quarter(now))

    def put_off(self, now: datetime) -> None:
        """Leave a list alone for a while that cannot be looked at."""
        self.pause = _LONGEST_PAUSE
        self.due_at = now + self.pause


def _next_quarter(now: datetime) -> datetime:
    return now + _QUARTER - timedelta(minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond)


@dataclass(slots=True)
class Sweeper:
    """Sweeps the lists of a database for as long as it is this server's duty: one server sweeps, not each.

    A look is short where the head may be called, and each sweep takes a long look at one of the lists that are closed
    for the most part, in turn, until as much may be called as may not. Where nothing was to be held back the next look
    comes later and later, at the latest when hours may begin or end; a change of the firm or a ban brings it at once.
    """

    duty: Duty = field(default_factory=lambda: Duty("sweep"))
    known: dict[List, _Known] = field(default_factory=dict)
    firms: dict[int, Firm] = field(default_factory=dict)
    bans: object = None
    damages: list[Damage] = field(default_factory=list)  # met since somebody asked

    async def sweep(self, store: Store, now: datetime) -> int:
        """Look at the lists whose time has come; return how many cases were held back."""
        async with store.read() as tx:
            there: list[List] = [*await campaigns.judged(tx), *((id, None) for id in await lists.firms_with_list(tx))]
            versions = await firms.versions(tx, {firm_id for firm_id, _ in there})
            rules = await judging.rules_now(tx, now) if there else None
            on_duty = await self.duty.holder(tx) if there else None
        if rules is None or not await self.duty.is_mine(store, on_duty):
            self.known.clear()
            return 0
        there = [one for one in there if one[0] in versions]
        self.damages += rules.unreadable
        if rules.bans != self.bans:
            self.known.clear()
            self.bans = rules.bans
        self._forget(there, versions)
        due = [one for one in there if self._is_due(one, versions, now)]
        await self._read_firms(store, {firm_id for firm_id, _ in due}, versions, now)
        longest = next((one for one in self.known if one in due and self.known[one].is_closed), None)
        return sum([await self._look(store, one, one == longest, now, rules) for one in due if one[0] in self.firms])

    def _forget(self, there: Iterable[List], versions: dict[int, int]) -> None:
        for gone in self.known.keys() - set(there):
            del self.known[gone]
        for firm_id in self.firms.keys() - versions.keys():
            del self.firms[firm_id]

    def _is_due(self, one: List, versions: dict[int, int], now: datetime) -> bool:
        known = self.known.get(one)
        if known is None or known.firm_version != versions[one[0]]:
            known = self.known[one] = _Known(versions[one[0]])
        return known.due_at is None or known.due_at <= now

    async def _read_firms(self, store: Store, wanted: Iterable[int], versions: dict[int, int], now: datetime) -> None:
        """Read firms that are not known as they are; one that cannot be read keeps nobody from the others."""
        for firm_id in sorted(wanted):
            if firm_id in self.firms and self.firms[firm_id].version == versions[firm_id]:
                continue
            self.firms.pop(firm_id, None)
            async with store.read() as tx:
                firm = await firms.load_or_damage(tx, firm_id)
            if isinstance(firm, Firm):
                self.firms[firm_id] = firm
                continue
            self.damages.append(firm)
            for one in self.known:
                if one[0] == firm_id:
                    self.known[one].put_off(now)

    async def _look(self, store: Store, one: List, is_long: bool, now: datetime, rules: Rules) -> int:
        firm, size = self.firms[one[0]], _LONG_LOOK if is_long else _SHORT_LOOK
        known = self.known.pop(one)
        self.known[one] = known  # behind all others: long looks go in turn
        try:
            held = await holding_back.hold_back_head(store, firm, one[1], size, now, rules)
        except StorageUnavailable:
            raise
        except StatusesStale:  # the firm has just been changed: the next sweep reads it
            return 0
        except CasesUnreadable as found:
            self.damages += await holding_back.set_aside(store, firm, found.case_ids, now)
            return len(found.case_ids)
        except Exception as error:
            self.damages.append(Damage.of("list", firm.id, one[1], error))
            known.put_off(now)
            return 0
        known.found(held, size, now)
        return held
