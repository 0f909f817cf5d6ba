"""Cases that the firm's own systems send, read as the lines of an import are, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from casedial.domain.errors import (
    CasedialError,
    FieldError,
    InvalidParameter,
    UnknownParameter,
)
from casedial.domain.firms import Firm
from casedial.domain.importing import BadRow, CaseRow
from casedial.wire.columns import REJECT
from casedial.wire.documents import JsonObject, canonical
from casedial.wire.files import Dates, read_object
from casedial.wire.replies import ResultReply
from casedial.wire.requests import Items
from casedial.wire.v1.reading import object_of

_MOST_NAMED = 20  # unknown fields in one refusal

Warnings: TypeAlias = Mapping[int, Sequence[str]]


class PutResult(ResultReply, frozen=True, omit_defaults=True):
    """What became of a case that was sent: Outcome is added, updated or unchanged.

    Warnings tell of what is in it and is never dialed.
    """

    Outcome: str | None = None
    Warnings: list[str] = msgspec.field(default_factory=list)


class AddedStatus(msgspec.Struct, frozen=True):
    """A name that the firm did not have, and the field that brought it."""

    Field: str
    Name: str


class PutReply(msgspec.Struct, frozen=True):
    """What became of the cases that were sent, one by one in their order.

    StatusesKept is how many had other statuses, which stayed for want of SetStatuses; InTheDialer are CaseIDs whose
    statuses stayed because they are In the Dialer; StatusesAdded are names that the firm did not have.
    """

    Succeeded: int
    Failed: int
    Results: list[PutResult]
    Added: int = 0
    Updated: int = 0
    Unchanged: int = 0
    StatusesKept: int = 0
    InTheDialer: list[int] = []
    StatusesAdded: list[AddedStatus] = []


class PatchReply(msgspec.Struct, frozen=True):
    """Whether a case was changed; Warnings tell of what is in it and is never dialed."""

    CaseID: int
    Changed: bool
    Warnings: list[str]


def case_rows(found: Sequence[object], firm: Firm) -> Items[CaseRow]:
    """Read cases, each with the fields of a line of an import."""
    batch: Items[CaseRow] = Items()
    for place, item in enumerate(found):
        pointer = f"#/Cases/{place}"
        pairs = item if isinstance(item, JsonObject) else ()
        echo = next((value for name, value in pairs if canonical(name) == "caseid"), None)

        def read(item: object = item, pointer: str = pointer) -> CaseRow:
            return case_row(object_of(item, "A case", pointer), firm, pointer)

        batch.add(echo, read)
    return batch


def case_row(found: JsonObject, firm: Firm, pointer: str = "#") -> CaseRow:
    """Read a case. Raises UnknownParameter or InvalidParameter."""
    try:
        row, unknown = read_object(found, Dates(firm.zone))
    except BadRow as error:
        raise bad_field(error, pointer) from None
    unknown += [name for name, _ in found if canonical(name) in REJECT]
    if unknown:
        named = [name[:80] for name in unknown[:_MOST_NAMED]]
        fields = [FieldError(f"{pointer}/{name}", "is not a field of a case") for name in named]
        raise UnknownParameter(f"A case has no field named {', '.join(named)}.", fields)
    return row


def bad_field(error: BadRow, pointer: str = "#") -> InvalidParameter:
    """Return what is wrong with a field of a case."""
    column = error.column or "A case"
    at = f"{pointer}/{error.column}" if error.column else pointer
    return InvalidParameter(f"{column} {error.reason}.", [FieldError(at, error.reason)])


def put_results(
    batch: Items[CaseRow], failed: Mapping[int, CasedialError], outcomes: Mapping[int, str], warnings: Warnings
) -> list[PutResult]:
    """Show what became of each case, by its place; ``outcomes`` are by CaseID."""
    results = []
    for place, (echo, item) in enumerate(zip(batch.echoes, batch.items, strict=True)):
        error = item if isinstance(item, CasedialError) else failed.get(place)
        if error or isinstance(item, CasedialError):
            told = error.code if error else None, error.detail if error else None
            results.append(PutResult(echo, False, *told))  # type: ignore[arg-type]
            continue
        outcome = outcomes.get(item.case_id, "unchanged")
        results.append(PutResult(item.case_id, True, Outcome=outcome, Warnings=list(warnings.get(place, ()))))
    return results


def warnings_of(doubtful: Iterable[tuple[int, str, str]], places: Sequence[int]) -> dict[int, list[str]]:
    """Return what is to be said of numbers that are never dialed, by the place of their case."""
    found: dict[int, list[str]] = {}
    for index, column, why in doubtful:
        found.setdefault(places[index], []).append(f"{column} {why}: it is kept, and never dialed.")
    return found
