"""A firm's do-not-call list: add to it, take off it, read a list in, look at it, write it out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.calling import Listing
from casedial.domain.errors import CasedialError, CaseNotFound, EndedHalfway, InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.names import NAME_LIMIT
from casedial.service import do_not_call as steps
from casedial.service.audit import note
from casedial.service.cases import unknown_cases
from casedial.service.do_not_call import Removed
from casedial.service.firms import open_firm
from casedial.service.operations.holding_back import release_held_back
from casedial.service.operations.opening import change_firm, read_firm
from casedial.storage import do_not_call as stored

_PAGE = 1000
_LIST = "do-not-call list"
_NUMBER = re.compile(r"[0-9](?:[^0-9a-z]{0,3}[0-9]){6}", re.IGNORECASE)
_SHELF, _NAMED = 50, 20


async def add(store: Store, actor: Actor, firm_name: str, listings: Sequence[Listing]) -> int:
    """Add entries, at once for every server; return how many were new.

    Raises FirmNotFound, and CaseNotFound where one names a case that the firm does not have: then nothing is added.
    """

    async def work(tx: Transaction, firm: Firm) -> int:
        if unknown := await unknown_cases(tx, firm, _cases_of(listings)):
            raise CaseNotFound(f"{firm.name} has no case {', '.join(map(str, unknown))}. Nothing was added.")
        await note(tx, actor, firm.id, "do_not_call.add", _LIST, None, _counted(listings))
        return await steps.add(tx, firm, listings)

    return await change_firm(store, firm_name, work)


def _counted(listings: Sequence[Listing]) -> dict[str, object]:
    """Return what is written down of entries: no number, which is a person's."""
    return {"numbers": sum(one.number is not None for one in listings), "cases": sorted(_cases_of(listings))}


def _cases_of(listings: Iterable[Listing]) -> list[int]:
    return [listing.case_id for listing in listings if listing.case_id is not None]


async def remove(
    store: Store, actor: Actor, firm_name: str, numbers: Sequence[str], case_ids: Sequence[int], reason: str = ""
) -> tuple[Firm, Removed]:
    """Take entries off; return the firm, and which of their cases stay Do not Dial.

    Raises FirmNotFound, and InvalidSetting for a reason that holds a number: it is written down for good.
    """
    if _NUMBER.search(reason) or len(reason) > NAME_LIMIT or not (reason or "-").isprintable():
        raise InvalidSetting(f"A reason is one line of at most {NAME_LIMIT} characters, without a phone number.")

    async def work(tx: Transaction, firm: Firm) -> tuple[Firm, Removed]:
        taken_off = {"numbers": len(numbers), "cases": sorted(case_ids)}
        await note(tx, actor, firm.id, "do_not_call.remove", _LIST, taken_off, {"reason": reason} if reason else None)
        return firm, await steps.remove_and_tell(tx, firm, numbers, case_ids)

    firm, removed = await change_firm(store, firm_name, work)
    await release_held_back(store, firm.id)
    return firm, removed


@dataclass(slots=True)
class ListTotal:
    """What became of a list that was read in."""

    added: int = 0
    known: int = 0
    bad: list[str] = field(default_factory=list)  # rows that cannot be read, each with why
    unknown: list[int] = field(default_factory=list)  # cases that the firm does not have, or not yet


async def import_list(store: Store, actor: Actor, firm_name: str, rows: Iterable[Listing | str]) -> ListTotal:
    """Add the entries of a list, page by page; what is listed already stays as it is. A text is a row that is bad.

    Raises FirmNotFound, EndedHalfway where some were added before it failed, and InvalidSetting as ``rows`` does.
    """
    total = ListTotal()
    page: list[Listing] = []
    try:
        for row in rows:
            if isinstance(row, str):
                total.bad.append(row)
                continue
            page.append(row)
            if len(page) == _PAGE:
                await _add_page(store, actor, firm_name, page, total)
                await store.give_way()
    except InvalidSetting as error:
        raise InvalidSetting(f"{error.detail}; {total.added} entries before that were added.") from None
    await _add_page(store, actor, firm_name, page, total)
    return total


async def look_through(store: Store, actor: Actor, firm_name: str, rows: Iterable[Listing | str]) -> ListTotal:
    """Return what ``import_list`` would do; nothing is written. Raises FirmNotFound, and InvalidSetting as ``rows``."""
    total, seen = ListTotal(), set[tuple[str | None, int | None]]()
    page: list[Listing] = []
    for row in rows:
        if isinstance(row, str):
            total.bad.append(row)
        elif (row.number, row.case_id) in seen:
            total.known += 1
        else:
            seen.add((row.number, row.case_id))
            page.append(row)
            if len(page) == _PAGE:
                await _look_at_page(store, firm_name, page, total)
                await store.give_way()
    await _look_at_page(store, firm_name, page, total)
    return total


async def _look_at_page(store: Store, firm_name: str, page: list[Listing], total: ListTotal) -> None:
    numbers = [one.number for one in page if one.number is not None]
    async with store.read() as tx:
        firm = await open_firm(tx, firm_name)
        known = await stored.concerning(tx, firm.id, numbers, _cases_of(page))
        total.unknown += await unknown_cases(tx, firm, _cases_of(page))
    total.known += len(known)
    total.added += len(page) - len(known)
    page.clear()


async def _add_page(store: Store, actor: Actor, firm_name: str, page: list[Listing], total: ListTotal) -> None:
    async def work(tx: Transaction, firm: Firm) -> tuple[int, list[int]]:
        await note(tx, actor, firm.id, "do_not_call.import", _LIST, None, _counted(page))
        return await steps.add(tx, firm, page), await unknown_cases(tx, firm, _cases_of(page))

    if not page:
        return
    try:
        added, unknown = await change_firm(store, firm_name, work)
    except CasedialError as error:
        if not total.added + total.known:
            raise
        until = f"Until then {total.added} were added, {total.known} known before."
        raise EndedHalfway(f"{until} Run it again: entries that are already on the list stay as they are.") from error
    total.added, total.known = total.added + added, total.known + len(page) - added
    total.unknown += unknown
    page.clear()


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries of the list; ``after`` is where to go on, None where there are no more."""

    entries: list[Listing]
    after: int | None


async def entries(
    store: Store, actor: Actor, firm_name: str, of: tuple[Sequence[str], Sequence[int]] | None, after: int, limit: int
) -> Entries:
    """Return the list from a place on, or what is on it of numbers and cases. Raises FirmNotFound."""
    found: list[Listing] = []
    while True:
        async with store.read() as tx:
            firm = await open_firm(tx, firm_name)
            if of is not None:
                listed = {(one.number, one.case_id): one for one in await stored.concerning(tx, firm.id, *of)}
                return Entries(list(listed.values()), None)
            page, after = await stored.page(tx, firm.id, after, min(_PAGE, limit - len(found)))
            found += page
            if not page:
                return Entries(found, None)
            if len(found) == limit:
                more, _ = await stored.page(tx, firm.id, after, 1)
                return Entries(found, after if more else None)


@dataclass(frozen=True, slots=True)
class Shelf:
    """A page of the numbers, or of the cases, on the list, in their order; whether there are others around it."""

    entries: list[Listing]
    has_before: bool
    has_after: bool


async def shelf(
    store: Store,
    actor: Actor,
    firm_name: str,
    of_cases: bool,
    after: str | int | None = None,
    before: str | int | None = None,
) -> Shelf:
    """Return the page behind a number or a case, or the one before it. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Shelf:
        found = await stored.shelf(tx, firm.id, of_cases, after, before, _SHELF + 1)
        is_more = len(found) > _SHELF
        if before is not None:
            return Shelf(found[-_SHELF:], is_more, True)
        return Shelf(found[:_SHELF], after is not None, is_more)

    return await read_firm(store, firm_name, work)


@dataclass(frozen=True, slots=True)
class Concerned:
    """What is on the list of some numbers and cases, and which cases have these numbers: the first of them."""

    listed: list[Listing]
    cases: list[int]
    are_all: bool


async def concerned(
    store: Store, actor: Actor, firm_name: str, numbers: Sequence[str], case_ids: Sequence[int]
) -> Concerned:
    """Look some numbers and cases up. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Concerned:
        listed = await stored.concerning(tx, firm.id, numbers, case_ids)
        found = await stored.cases_with(tx, firm.id, numbers, _NAMED + 1) if numbers else []
        return Concerned(listed, found[:_NAMED], len(found) <= _NAMED)

    return await read_firm(store, firm_name, work)


async def export_list(store: Store, actor: Actor, firm_name: str, write: Callable[[Sequence[Listing]], None]) -> int:
    """Write the whole list, page by page, each in a transaction of its own; return how many entries.

    Raises FirmNotFound.
    """
    written, after = 0, 0
    while True:
        async with store.read() as tx:
            page, after = await stored.page(tx, (await open_firm(tx, firm_name)).id, after, _PAGE)
        if not page:
            return written
        write(page)
        written += len(page)
