"""Export of cases, page by page, to whatever writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from casedial.database.engine import Store, Transaction
from casedial.database.slices import by_slices
from casedial.domain.actors import Actor
from casedial.domain.case_files import CaseFile
from casedial.domain.cases import Case
from casedial.domain.dialing import CaseFilter
from casedial.service.audit import note
from casedial.service.firms import open_firm
from casedial.service.operations.cases import every_page, missing
from casedial.service.operations.opening import read_firm
from casedial.storage import finding

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
    while True:
        try:
            exported = await _write(store.behind, firm_name, which, writer)
        except _MorePhones:
            continue
        exported.unknown = await missing(store.behind, firm_name, which.case_ids or ())
        return exported


async def _write(store: Store, firm_name: str, which: CaseFilter, writer: CaseWriter[Rows]) -> Exported:
    """Write all from the beginning. Raises _MorePhones."""
    writer.begin(await read_firm(store, firm_name, finding.most_phones))
    written = Exported()
    async for page in every_page(store, firm_name, which, whole=writer.whole):
        if not all(writer.has_room(file.case) for file in page.files):
            raise _MorePhones
        written.unreadable += page.unreadable
        async for file in by_slices(page.files):
            try:
                rows = writer.rows(file, page.firm.zone)
            except Exception:  # of a time that no zone has, say
                written.unreadable.append(file.case.case_id)
            else:
                written.cases += 1
                writer.write(rows)
    return written
