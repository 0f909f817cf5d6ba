"""By which rules a case is judged now, and whether it may be called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from casedial.database.engine import Transaction
from casedial.domain.calling import Rules, Verdict, decide, judge, outside_hours
from casedial.domain.cases import Case, Phone
from casedial.domain.firms import Firm
from casedial.domain.limits import Calls
from casedial.domain.phones import key_of
from casedial.domain.places import Place, Placed
from casedial.domain.rules import Purpose
from casedial.domain.spots import Memory, PlaceOf
from casedial.places import of_phone
from casedial.rules import overridden
from casedial.service import do_not_call
from casedial.storage import calls
from casedial.storage import rules as stored
from casedial.storage.rules import InForce

_ANOTHER = 0  # stands for a case that another claim is about to hand out
Judged = tuple[Case, Verdict]


_MEMORY = Memory()  # of a server: what one claim found out about a spot holds for the next


@lru_cache(maxsize=4)  # as what else operators decided: it is a part of what spots are remembered by
def _place_of(placed: tuple[Placed, ...]) -> PlaceOf:
    places = InForce({}, (), placed).places

    def place_of(zip_code: str, number: str) -> Place:
        return of_phone(zip_code, key_of(number) or "", places)

    return place_of


async def rules_now(tx: Transaction, now: datetime) -> Rules:
    """Return the rules as operators decided; a new ban or override counts from its commit on."""
    return rules_of(await stored.in_force(tx, now), _MEMORY)


def rules_of(found: InForce, memory: Memory | None = None) -> Rules:
    """Return the rules as operators decided, or would; without a memory they have one of their own."""
    bans = tuple(found.bans.values())
    memory = Memory() if memory is None else memory
    places = _place_of(found.placed)
    return Rules(overridden(found.overrides), places, bans, unreadable=found.unreadable, memory=memory)


async def rules_for(
    tx: Transaction, firm: Firm, found: Sequence[Case], now: datetime, rules: Rules, lock: bool = False
) -> Rules:
    """Return the rules with what concerns these cases: the do-not-call list, earlier calls, numbers in use.

    With ``lock`` no other claim can hand out a number of theirs meanwhile.
    """
    judged = [case for case in found if firm.campaign(case.campaign_id).purpose is not Purpose.NONE]
    numbers = {number for case in judged for number in numbers_of(case.voice_phones)}
    if not numbers:
        return replace(rules, do_not_call=await do_not_call.concerning(tx, firm, found))
    ours = await calls.reserve(tx, firm.id, numbers) if lock else numbers
    case_ids = [case.case_id for case in judged]
    made, used = await calls.concerning(tx, firm.id, numbers, case_ids, now)
    listed = await do_not_call.concerning(tx, firm, found)  # who opts out is listed when the call is reported
    in_use = dict.fromkeys(numbers - ours, _ANOTHER) | used
    return replace(rules, do_not_call=listed, calls=Calls.of(made), in_use=in_use)


def numbers_of(phones: Iterable[Phone]) -> set[str]:
    """Return the numbers that phones have, each in the form in which numbers are compared."""
    return {number for phone in phones if (number := key_of(phone.number))}


async def judge_each(
    tx: Transaction, firm: Firm, found: Sequence[Case], now: datetime, rules: Rules
) -> tuple[list[Judged], Rules]:
    """Judge cases; return the rules, too, with what concerns them.

    Of most lists most cases fail by their hours alone: earlier calls and numbers in use are looked up for the rest.
    """
    listed = replace(rules, do_not_call=await do_not_call.concerning(tx, firm, found))
    verdicts = {
        case.case_id: outside_hours(firm, case, now, listed) or decide(firm, case, now, listed) for case in found
    }
    may = [case for case in found if verdicts[case.case_id].callable]
    these = await rules_for(tx, firm, may, now, rules) if may else listed
    verdicts |= {case.case_id: decide(firm, case, now, these) for case in may}
    return [(case, verdicts[case.case_id]) for case in found], these


async def explain(tx: Transaction, firm: Firm, case: Case, now: datetime) -> Verdict:
    """Return every check of a case in order, as a claim at this instant would make them."""
    return judge(firm, case, now, await rules_for(tx, firm, [case], now, await rules_now(tx, now)))
