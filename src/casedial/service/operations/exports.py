"""Export of cases, page by page, to whatever writes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from casedial.database.engine import Store, Transaction
from casedial.database.slices import slices
from casedial.domain.actors import Actor
from casedial.domain.case_files import CaseFile
from casedial.domain.cases import Case
from casedial.domain.changes import Change, ChangeState
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import ChangeNotFound, ChangeNotPossible
from casedial.domain.orders import ChangeKind
from casedial.service.audit import note
from casedial.service.cases import PAGE
from casedial.service.firms import open_firm
from casedial.service.operations.cases import Page, every_page, missing
from casedial.service.operations.opening import read_firm
from casedial.storage import changes, finding

Rows = TypeVar("Rows")


class CaseWriter(Protocol[Rows]):
    """Writes cases in the form that somebody wants: files, or the body of a reply."""

    @property
    def whole(self) -> bool:
        """Tell whether all there is of a case is wanted: its notes, history and calls, too."""

    def begin(self, phones: int) -> None:
        """Begin, with room for so many phones of a case; once more where one has got more of them meanwhile.

        Raises InvalidSetting where what is written cannot be taken back.
        """

    def has_room(self, case: Case) -> bool:
        """Tell whether there is room for the phones of a case."""

    def rows(self, file: CaseFile, zone: ZoneInfo) -> Rows:
        """Return what is to be written of a case; whatever this raises, the case cannot be."""

    def write(self, rows: Rows) -> None:
        """Write it."""


async def export_noted(
    store: Store, actor: Actor, firm_name: str, which: CaseFilter, writer: CaseWriter[Rows], what: str
) -> Exported:
    """Write cases as ``export_cases`` does, and write down that somebody took them along, before he does.

    Raises what that does, and RoleNotAllowed.
    """

    async def work(tx: Transaction) -> None:
        firm = await open_firm(tx, firm_name)
        named = {"campaign": which.campaign, "status": which.dialer_status, "disposition": which.disposition}
        await note(tx, actor, firm.id, "case.export", what, None, {name: one for name, one in named.items() if one})

    await store.transact(work)
    return await export_cases(store, actor, firm_name, which, writer)


async def export_chosen(
    store: Store, actor: Actor, firm_name: str, change_id: int, writer: CaseWriter[Rows], what: str
) -> Exported:
    """Write the cases that were chosen for an export, those that are there still, and write down who took them along.

    Raises FirmNotFound, ChangeNotFound or RoleNotAllowed, ChangeNotPossible where they are being gathered still, and
    what the writer raises.
    """

    async def work(tx: Transaction) -> Change:
        firm = await open_firm(tx, firm_name)
        change = await changes.find(tx, firm, change_id)
        if change is None or change.kind is not ChangeKind.EXPORT:
            raise ChangeNotFound(f"{firm.name} has no export {change_id}; one is kept for a day.")
        if change.state is not ChangeState.PREVIEWED:
            raise ChangeNotPossible("Its cases are being gathered still. Nothing was written: try again in a moment.")
        await note(tx, actor, firm.id, "case.export", what, None, {"change": change_id, "cases": change.total})
        return change

    change = await store.transact(work)
    return await _until_whole(store, firm_name, writer, lambda: _chosen(store, firm_name, change, writer.whole))


async def _chosen(store: Store, firm_name: str, change: Change, whole: bool) -> AsyncIterator[Page]:
    """Yield the cases of the set of a change page by page."""
    after = 0
    while True:
        async with store.read() as tx:
            case_ids = await changes.set_behind(tx, change, after, PAGE)
        if not case_ids:
            return
        async for page in every_page(store, firm_name, CaseFilter(case_ids=tuple(case_ids)), whole):
            yield page
        after = case_ids[-1]


class _MorePhones(Exception):
    """A case has more phones than there is room for: they were added meanwhile."""


@dataclass(slots=True)
class Exported:
    """How many cases were written, those that cannot be, and those that were named and are not there."""

    cases: int = 0
    unreadable: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)


async def export_cases(
    store: Store, actor: Actor, firm_name: str, which: CaseFilter, writer: CaseWriter[Rows]
) -> Exported:
    """Write those of a firm's cases that are meant.

    Each page is a transaction of its own: one for all would keep the database from cleaning up behind claims. Raises
    FirmNotFound or StatusNotFound, and what the writer raises.
    """
    behind = store.behind
    exported = await _until_whole(behind, firm_name, writer, lambda: every_page(behind, firm_name, which, writer.whole))
    exported.unknown = await missing(behind, firm_name, which.case_ids or ())
    return exported


async def _until_whole(
    store: Store, firm_name: str, writer: CaseWriter[Rows], pages: Callable[[], AsyncIterator[Page]]
) -> Exported:
    """Write all, from the beginning again where a case got more phones meanwhile."""
    while True:
        with suppress(_MorePhones):
            phones = await read_firm(store, firm_name, finding.most_phones)
            await asyncio.to_thread(writer.begin, phones)  # which ends what was begun before
            return await _write(pages(), writer)


async def _write(pages: AsyncIterator[Page], writer: CaseWriter[Rows]) -> Exported:
    """Write what there is. Raises _MorePhones."""
    written = Exported()
    async for page in pages:
        if not all(writer.has_room(file.case) for file in page.files):
            raise _MorePhones
        written.unreadable += page.unreadable
        async for files in slices(page.files):
            for file in files:
                try:
                    rows = writer.rows(file, page.firm.zone)
                except Exception:  # of a time that no zone has, say
                    written.unreadable.append(file.case.case_id)
                else:
                    written.cases += 1
                    writer.write(rows)
    return written
