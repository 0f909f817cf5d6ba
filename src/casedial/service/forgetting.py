"""Delete cases so that nothing is left of a person: the case, and afterwards what still mentions it."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from functools import partial

from casedial.domain.cases import Role
from casedial.domain.errors import CasedialError, EndedHalfway
from casedial.service.firms import open_firm, transact_fresh
from casedial.storage import cases, forgetting
from casedial.storage.engine import Store, Transaction

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
    """What was removed, or would be; which of the cases meant are not there, and which are being dialed."""

    cases: int = 0
    phones: int = 0
    history: int = 0
    notes: int = 0
    claims: int = 0
    replies: int = 0
    unknown: list[int] = field(default_factory=list)
    in_the_dialer: list[int] = field(default_factory=list)
    wiped: bool | None = None  # whether no byte is left in the files; None where nothing was to be done


@dataclass(frozen=True, slots=True)
class _OneCase:
    """What there was of one case; None where it is left for being dialed, or is not there."""

    phones: int | None
    dialed: bool = False
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """A request to forget cases of a firm; without ``do`` it only counts.

    Each case goes in a transaction of its own, then what still mentions the cases: nothing new can any more. Ended
    half-way, it is made whole by asking again, though the firm does not have the case then.
    """

    store: Store
    firm_name: str
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
            more = "Run the same once more: it goes on with what is left."
            raise EndedHalfway(f"Until then {total.cases} cases were deleted. {more}") from error
        return total

    async def _all(self, total: Forgotten) -> None:
        gone = []
        for case_id in sorted(set(self.case_ids)):
            found = await self._case(case_id)
            if found.dialed:
                total.in_the_dialer.append(case_id)
                continue
            gone.append(case_id)
            if found.phones is None:
                total.unknown.append(case_id)
            else:
                total.cases += 1
                total.phones += found.phones
            total.history += found.rows["history"]
            total.notes += found.rows["notes"]
        for start in range(0, len(gone), _CASES_AT_ONCE):
            some = gone[start : start + _CASES_AT_ONCE]
            total.claims += await self._claims(some)
            total.replies += await self._replies(some)
        if self.do and gone:
            total.wiped = await forgetting.wipe(self.store)

    async def _case(self, case_id: int) -> _OneCase:
        async def work(tx: Transaction) -> _OneCase:
            firm = await open_firm(tx, self.firm_name)
            there = (
                await cases.lock(tx, firm, [case_id]) if self.do else {case_id: await cases.fetch(tx, firm, case_id)}
            )
            case = there.get(case_id)
            if case and case.role is Role.IN_THE_DIALER and not self.even_in_the_dialer:
                return _OneCase(None, dialed=True)
            phones = sum(bool(phone.number) for phone in case.phones) if case else None
            treat = forgetting.delete if self.do else forgetting.count
            return _OneCase(phones, rows=await treat(tx, firm.id, case_id))

        if self.do:
            return await transact_fresh(self.store, work)
        async with self.store.read() as tx:
            return await work(tx)

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
