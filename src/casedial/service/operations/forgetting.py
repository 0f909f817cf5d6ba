"""Delete cases so that nothing is left of a person: the case, and afterwards what still mentions it."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import CasedialError, EndedHalfway
from casedial.domain.statuses import Role
from casedial.service.audit import note
from casedial.service.cases import EVERY_CASE, still_meant
from casedial.service.figures import count_cases
from casedial.service.firms import open_firm
from casedial.service.import_jobs import without
from casedial.service.operations.cases import every_page, missing
from casedial.service.operations.opening import transact_fresh
from casedial.storage import cases, forgetting, import_jobs

_CLAIMS_AT_ONCE = 200
_REPLIES_AT_ONCE = 20
_CASES_AT_ONCE = 50  # that one query looks for


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """How cases stand in kept replies: the marks by which one is found, and a reply without some."""

    marks: Callable[[int], list[bytes]]
    without: Callable[[bytes, Set[int]], bytes]


@dataclass(slots=True)
class Forgotten:
    """What was removed, or would be; which of the cases meant are not there, or make no sense, or are being dialed."""

    cases: int = 0
    phones: int = 0
    history: int = 0
    notes: int = 0
    claims: int = 0
    replies: int = 0
    unknown: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    in_the_dialer: list[int] = field(default_factory=list)
    wiped: bool | None = None  # whether no byte is left in the files; None where nothing was to be done


async def forget(
    store: Store,
    actor: Actor,
    firm_name: str,
    which: CaseFilter,
    even_in_the_dialer: bool,
    form: ReplyForm,
    do: bool,
) -> Forgotten:
    """Forget those of a firm's cases that are meant; without ``do`` only count what would go.

    Raises FirmNotFound, StatusNotFound and StorageUnavailable, EndedHalfway where something was deleted before.
    """
    case_ids, unreadable = await _meant(store, firm_name, which)
    forgotten = await _Forgetting(store, actor, firm_name, which, case_ids, even_in_the_dialer, form, do).run()
    forgotten.unreadable = unreadable
    return forgotten


async def _meant(store: Store, firm: str, which: CaseFilter) -> tuple[list[int], list[int]]:
    """Return the cases to delete, and those that cannot be read.

    Of those that were named, these are also the ones that the firm does not have: something may be left of them.
    """
    if replace(which, case_ids=None) == EVERY_CASE:
        return list(which.case_ids or ()), []
    found: list[int] = []
    unreadable: list[int] = []
    async for page in every_page(store, firm, which):
        found += [file.case.case_id for file in page.files]
        unreadable += page.unreadable
    return found + await missing(store, firm, which.case_ids or ()), unreadable


@dataclass(frozen=True, slots=True)
class _OneCase:
    """What there was of one case; None where it is left for being dialed, or is not there."""

    phones: int | None
    dialed: bool = False
    meant: bool = True
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Forgetting:
    """A request to forget cases of a firm: those meant by ``which``; without ``do`` it only counts.

    ``case_ids`` are those that were found by it, or named: of these, those that the firm does not have any more, too.

    Each case goes in a transaction of its own, then what still mentions the cases: nothing new can any more. Ended
    half-way, it is made whole by asking again, though the firm does not have the case then.
    """

    store: Store
    actor: Actor
    firm_name: str
    which: CaseFilter
    case_ids: Sequence[int]
    even_in_the_dialer: bool
    form: ReplyForm
    do: bool

    async def run(self) -> Forgotten:
        """Do it. Raises FirmNotFound and StorageUnavailable, EndedHalfway where something was deleted before."""
        total = Forgotten()
        try:
            await self._all(total)
        except CasedialError as error:
            if not self.do or not total.cases:
                raise
            more = "Run the same command again to continue with the rest."
            raise EndedHalfway(f"Until then {total.cases} cases were deleted. {more}") from error
        return total

    async def _all(self, total: Forgotten) -> None:
        gone = []
        for case_id in sorted(set(self.case_ids)):
            found = await self._case(case_id)
            if not found.meant:  # any more: somebody changed it since it was found
                continue
            if found.dialed:
                total.in_the_dialer.append(case_id)
                continue
            gone.append(case_id)
            if found.phones is None:
                total.unknown.append(case_id)
            else:
                total.cases += 1
                total.phones += found.phones
            total.history += sum(rows for kind, rows in found.rows.items() if kind != "notes")
            total.notes += found.rows["notes"]
        for start in range(0, len(gone), _CASES_AT_ONCE):
            some = gone[start : start + _CASES_AT_ONCE]
            total.claims += await self._claims(some)
            total.replies += await self._replies(some)
        if self.do and gone:
            await self._files(frozenset(gone))
            total.wiped = await forgetting.wipe(self.store)

    async def _case(self, case_id: int) -> _OneCase:
        async def work(tx: Transaction) -> _OneCase:
            firm = await open_firm(tx, self.firm_name)
            there = (
                await cases.lock(tx, firm, [case_id]) if self.do else {case_id: await cases.fetch(tx, firm, case_id)}
            )
            case = there.get(case_id)
            if case and not await still_meant(tx, firm, self.which, [case_id]):
                return _OneCase(None, meant=False)
            if case and case.role is Role.IN_THE_DIALER and not self.even_in_the_dialer:
                return _OneCase(None, dialed=True)
            phones = sum(bool(phone.number) for phone in case.phones) if case else None
            if self.do:
                await note(tx, self.actor, firm.id, "case.delete", f"case {case_id}")
                await count_cases(tx, firm.id, [case_id])
            treat = forgetting.delete if self.do else forgetting.count
            return _OneCase(phones, rows=await treat(tx, firm.id, case_id))

        if self.do:
            return await transact_fresh(self.store, work)
        async with self.store.read() as tx:
            return await work(tx)

    async def _files(self, case_ids: Set[int]) -> None:
        """Take the cases out of the files that were sent to be imported, and have not been let go of."""
        async with self.store.read() as tx:
            firm = await open_firm(tx, self.firm_name)
            jobs = await import_jobs.with_rows(tx, firm.id)
        for job_id in jobs:
            after: int | None = 0
            while after is not None:
                take_out = partial(without, job_id=job_id, after=after, case_ids=case_ids)
                after = await self.store.transact(take_out)

    async def _claims(self, case_ids: Sequence[int]) -> int:
        async with self.store.read() as tx:
            firm = await open_firm(tx, self.firm_name)
            claim_ids = await forgetting.claims_of(tx, firm.id, case_ids)
        for start in range(0, len(claim_ids) if self.do else 0, _CLAIMS_AT_ONCE):
            some = claim_ids[start : start + _CLAIMS_AT_ONCE]
            take = partial(forgetting.take_from_claims, firm_id=firm.id, claim_ids=some, case_ids=case_ids)
            await self.store.transact(take)
        return len(claim_ids)

    async def _replies(self, case_ids: Sequence[int]) -> int:
        async with self.store.read() as tx:
            firm = await open_firm(tx, self.firm_name)
            marks = [mark for case_id in case_ids for mark in self.form.marks(case_id)]
            names = await forgetting.replies_with(tx, firm.id, marks)

        def without(body: bytes) -> bytes:
            return self.form.without(body, set(case_ids))

        for start in range(0, len(names) if self.do else 0, _REPLIES_AT_ONCE):
            some = names[start : start + _REPLIES_AT_ONCE]
            await self.store.transact(partial(forgetting.edit_replies, names=some, edit=without))
        return len(names)
