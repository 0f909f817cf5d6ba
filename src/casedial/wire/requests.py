"""The five methods' parameters, read to domain requests [specification: Parameters of each method]."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Generic, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from casedial.domain.claims import ClaimRequest
from casedial.domain.dialing import MAX_ITEMS, MAX_RECORDS, CaseNote, CaseUpdate, DialQuery
from casedial.domain.errors import (
    CasedialError,
    FieldError,
    InvalidParameter,
    MalformedDocument,
    MissingParameter,
    TooLarge,
    TooManyItems,
)
from casedial.domain.firms import Firm
from casedial.wire import values
from casedial.wire.documents import Document, Ignored, JsonObject, Pairs, Parameters, Query, canonical, conflict
from casedial.wire.updates import usual_updates

T = TypeVar("T")

_LONGEST_KEPT = 512  # bytes of a query string of which it is remembered what it means


@dataclass(slots=True)
class Items(Generic[T]):
    """The items of a write, in request order.

    ``echoes`` holds each item's CaseID as it was sent; an item that could not be read stands as the
    error that says why.
    """

    echoes: list[object] = field(default_factory=list)
    items: list[T | CasedialError] = field(default_factory=list)

    def add(self, echo: object, read: Callable[[], T]) -> None:
        """Add one item, or the reason why it cannot be read; what is too large ends the whole request."""
        self.echoes.append(echo if isinstance(echo, str | int | float) and not isinstance(echo, bool) else None)
        try:
            self.items.append(read())
        except TooLarge:
            raise
        except CasedialError as error:
            self.items.append(error)


def dial_query(document: Document, firm: Firm) -> tuple[DialQuery, bool]:
    """Read GetCasesToDial; also tell whether Records was cut to the maximum.

    What a query string means that comes again and again, as those of dialers do, is remembered.
    """
    sent = document.query
    if isinstance(sent, Query) and not (document.text or document.form) and len(sent.raw) <= _LONGEST_KEPT:
        query, cut, ignored = _known_dial_query(sent.raw, firm.default_records)
        document.ignored.extend(ignored)
        return query, cut
    return _dial_query(document, firm.default_records)


@lru_cache(maxsize=4096)
def _known_dial_query(raw: bytes, default_records: int) -> tuple[DialQuery, bool, tuple[Ignored, ...]]:
    document = Document(Query(raw))
    query, cut = _dial_query(document, default_records)
    return query, cut, tuple(document.ignored)


def _dial_query(document: Document, default_records: int) -> tuple[DialQuery, bool]:
    parameters = Parameters(document.pairs, document.ignored)
    campaign = parameters.optional("Campaign", values.name)
    case_group = parameters.optional("CaseGroup", values.name)
    records = parameters.optional("Records", values.records) or default_records
    auto_change = parameters.optional("Auto-change", values.boolean) or False
    parameters.finish()
    query = DialQuery(campaign, case_group, min(records, MAX_RECORDS), auto_change)
    return query, records > MAX_RECORDS


def case_info(document: Document) -> int:
    """Read GetCaseInfo: the CaseID."""
    parameters = Parameters(document.pairs, document.ignored)
    case_id = parameters.required("CaseID", values.case_id)
    parameters.finish()
    return case_id


def no_parameters(document: Document) -> None:
    """Read a request that has none."""
    Parameters(document.pairs, document.ignored).finish()


def explained_case(text: str, document: Document) -> int:
    """Read the CaseID of a path; there are no other parameters."""
    no_parameters(document)
    return case_info(Document([("CaseID", text)]))


def preflight_campaign(document: Document) -> str | None:
    """Read which campaign's due cases are to be counted, None for all."""
    parameters = Parameters(document.pairs, document.ignored)
    campaign = parameters.optional("Campaign", values.name)
    parameters.finish()
    return campaign


def case_updates(document: Document, zone: ZoneInfo) -> Items[CaseUpdate]:
    """Read UpdateCaseStatus: ``{"Cases":[…]}``, a bare array, or the plain parameters of one case.

    Raises InvalidParameter for an empty list, TooManyItems for more than 1000.
    """
    usual = None if document.query else usual_updates(document.text, zone)
    return Items(*usual) if usual else any_updates(document, zone)


def any_updates(document: Document, zone: ZoneInfo) -> Items[CaseUpdate]:
    """Do what ``case_updates`` does, whatever was sent."""
    batch: Items[CaseUpdate] = Items()
    items, prefix = _items(document)
    read = partial(_case_update, zone=zone)
    if items is None:
        _add_item(batch, _without_cases(document.pairs), "#", document.ignored, read)
        return batch
    for index, item in enumerate(items):
        _add_item(batch, item, f"{prefix}/{index}", document.ignored, read)
    return batch


def _case_update(parameters: Parameters, zone: ZoneInfo) -> CaseUpdate:
    case_id = parameters.required("CaseID", values.case_id)
    status = parameters.optional("Status", values.name)
    next_call = parameters.optional("NextCall", partial(values.local_time, zone=zone))
    attempts = parameters.optional("Attempts", values.attempts)
    disposition = parameters.optional("Disposition", values.name)
    parameters.finish()
    return CaseUpdate(case_id, status, next_call, attempts, disposition, parameters.pointer)


def case_notes(document: Document) -> Items[CaseNote]:
    """Read AddCaseNote: ``{"Cases":[…]}``, or one Note with one CaseID, a list of them, or CaseID repeated.

    A CaseID repeated in a list counts once; in the ``Cases`` form each item is a note of its own.
    """
    batch: Items[CaseNote] = Items()
    items, prefix = _items(document)
    if items is not None:
        for index, item in enumerate(items):
            _add_item(batch, item, f"{prefix}/{index}", document.ignored, _case_note)
        return batch
    parameters = Parameters(_without_cases(document.pairs), document.ignored)
    sent = _sent_case_ids(parameters)
    if not sent:
        parameters.refuse(MissingParameter("CaseID is required.", [FieldError("#/CaseID", "is required")]))
    text = parameters.required("Note", values.note)
    parameters.finish()
    listed = _listed_case_ids(sent)
    batch.echoes = listed.echoes
    batch.items = [item if isinstance(item, CasedialError) else CaseNote(item, text) for item in listed.items]
    return batch


def _sent_case_ids(parameters: Parameters) -> list[object]:
    """Return what was sent as CaseID: one, a list of them, or several."""
    sent: list[object] = []
    for value in parameters.every("CaseID"):
        sent.extend(value if isinstance(value, list) and not isinstance(value, JsonObject) else [value])
    if len(sent) > MAX_ITEMS:
        raise _too_many(len(sent), "#/CaseID")
    return sent


def _listed_case_ids(sent: list[object]) -> Items[int]:
    """Read CaseIDs one by one; each counts once."""
    batch: Items[int] = Items()
    for value in sent:
        given = Parameters([("CaseID", value)], [])

        def read(given: Parameters = given) -> int:
            case_id = given.required("CaseID", values.case_id)
            given.finish()
            return case_id

        batch.add(value, read)
        if isinstance(batch.items[-1], int) and batch.items[-1] in batch.items[:-1]:
            batch.items.pop()
            batch.echoes.pop()
    return batch


def claim_request(document: Document, header: UUID | None, extends: bool) -> tuple[ClaimRequest, list[object] | None]:
    """Read ExtendClaim or ReleaseClaim, and the CaseIDs as they were sent (None: all).

    The claim is named by ClaimID or by the header X-Claim-Id.
    """
    parameters = Parameters(document.pairs, document.ignored)
    for name in {name for name, _ in document.pairs if canonical(name).startswith("case")}:
        if canonical(name) != "caseid":  # ignored, it would mean all cases
            detail = "is not a parameter here: name the cases with CaseID, one or a list"
            parameters.refuse(InvalidParameter(f"{name[:80]} {detail}.", [FieldError(f"#/{name[:80]}", detail)]))
    claim_id = parameters.optional("ClaimID", values.claim_id)
    if claim_id and header and claim_id != header:
        parameters.refuse(conflict("ClaimID", "#"))
    elif not (claim_id or header) and not parameters.every("ClaimID"):
        detail = "is required, here or in the header X-Claim-Id"
        parameters.refuse(MissingParameter(f"ClaimID {detail}.", [FieldError("#/ClaimID", detail)]))
    seconds = parameters.optional("Seconds", values.seconds) if extends else None
    sent = _sent_case_ids(parameters)
    if not sent and parameters.every("CaseID"):  # which is not the same as none given: those would be all
        detail = "must not be an empty list; leave it out to mean all cases of the claim"
        parameters.refuse(InvalidParameter(f"CaseID {detail}.", [FieldError("#/CaseID", detail)]))
    parameters.finish()
    listed = _listed_case_ids(sent) if sent else None
    named = cast(UUID, claim_id or header)
    return ClaimRequest(named, listed.items if listed else None, seconds), listed.echoes if listed else None


def header(name: str, sent: Sequence[str], read: Callable[[object], T]) -> T | None:
    """Read a header that may come once; absent and blank are the same.

    Raises InvalidParameter or ConflictingParameter.
    """
    if not sent:
        return None
    parameters = Parameters([(name, value.strip()) for value in sent], [], "header")
    value = parameters.optional(name, read)
    parameters.finish()
    return value


def _case_note(parameters: Parameters) -> CaseNote:
    case_id = parameters.required("CaseID", values.case_id)
    text = parameters.required("Note", values.note)
    parameters.finish()
    return CaseNote(case_id, text)


def note_by_phone(document: Document) -> tuple[str, str]:
    """Read AddCaseNoteByPhone: the ten digits, and the note's text."""
    parameters = Parameters(document.pairs, document.ignored)
    phone = parameters.required("Phone", values.phone)
    text = parameters.required("Note", values.note)
    parameters.finish()
    return phone, text


def _items(document: Document) -> tuple[list[object] | None, str]:
    """Return the list of items and the pointer to it, or None where plain parameters were sent."""
    if isinstance(document.body, list) and not isinstance(document.body, JsonObject):
        found, prefix = document.body, "#"
        document.ignored.extend(Ignored(name) for name, _ in document.query)
    else:
        parameters = Parameters(document.pairs, document.ignored)
        given = parameters.every("Cases")
        if not given:
            return None, "#"
        parameters.leave_rest()
        _refuse_different(given)
        if not isinstance(given[0], list) or isinstance(given[0], JsonObject):
            raise InvalidParameter("Cases must be a list.", [FieldError("#/Cases", "must be a list")])
        found, prefix = given[0], "#/Cases"
    if not found:
        raise InvalidParameter("The list of cases is empty.", [FieldError(prefix, "must not be empty")])
    if len(found) > MAX_ITEMS:
        raise _too_many(len(found), prefix)
    return found, prefix


def _refuse_different(given: list[object]) -> None:
    """Compare lists sent twice as JSON, in which 1, 1.0 and true differ."""
    try:
        different = len(given) > 1 and len({json.dumps(value) for value in given}) > 1
    except RecursionError:
        raise MalformedDocument("The JSON is nested too deeply.") from None
    if different:
        raise conflict("Cases", "#")


def _too_many(number: int, pointer: str) -> TooManyItems:
    detail = f"has {number} cases; one request has at most {MAX_ITEMS}"
    return TooManyItems(f"The list {detail}.", [FieldError(pointer, detail)])


def _without_cases(pairs: Pairs) -> JsonObject:
    """Return plain parameters without an empty ``Cases``, which is understood and not an unknown parameter."""
    return JsonObject(pair for pair in pairs if canonical(pair[0]) != "cases")


def _add_item(
    batch: Items[T], item: object, pointer: str, ignored: list[Ignored], read: Callable[[Parameters], T]
) -> None:
    pairs: Pairs = item if isinstance(item, JsonObject) else ()

    def read_item() -> T:
        if not isinstance(item, JsonObject):
            detail = "must be an object with a CaseID"
            raise InvalidParameter(f"An item {detail}.", [FieldError(pointer, detail)])
        return read(Parameters(pairs, ignored, pointer))

    batch.add(next((value for name, value in pairs if canonical(name) == "caseid"), None), read_item)
