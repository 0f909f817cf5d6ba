"""What is read alike in every body and query below /v1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from casedial.domain.errors import (
    FieldError,
    InvalidParameter,
    MissingParameter,
    TooManyItems,
    UnknownStatus,
)
from casedial.domain.firms import Firm
from casedial.domain.statuses import Status, StatusType
from casedial.wire import values
from casedial.wire.documents import JsonObject, Parameters, conflict

T = TypeVar("T")


def object_of(value: object, what: str, pointer: str) -> JsonObject:
    """Return a value that has to be an object. Raises MissingParameter or InvalidParameter."""
    if value is None:
        raise MissingParameter(f"{what} is missing.", [FieldError(pointer, "is required")])
    if not isinstance(value, JsonObject):
        raise InvalidParameter(f"{what} must be a JSON object.", [FieldError(pointer, "must be a JSON object")])
    return value


def one(given: Parameters, name: str) -> object:
    """Return what was sent as a field, as JSON has it; None where it is absent. Raises ConflictingParameter."""
    sent = given.every(name)
    if len(sent) > 1:
        raise conflict(name, given.pointer)
    return sent[0] if sent else None


def list_of(value: object, name: str, most: int) -> Sequence[object]:
    """Return the items of a list of the body that has to be there. Raises what is wrong with it."""
    pointer = f"#/{name}"
    if value is None:
        raise MissingParameter(f"{name} is required.", [FieldError(pointer, "is required")])
    if not isinstance(value, list) or isinstance(value, JsonObject):
        raise InvalidParameter(f"{name} must be a list.", [FieldError(pointer, "must be a list")])
    if not value:
        raise InvalidParameter(f"{name} is empty.", [FieldError(pointer, "must not be empty")])
    if len(value) > most:
        detail = f"has {len(value)} items; one request has at most {most}"
        raise TooManyItems(f"{name} {detail}.", [FieldError(pointer, detail)])
    return value


def page_limit(most: int) -> Callable[[object], int]:
    """Return what reads how many things a page is to have. It raises ValueError."""

    def read(value: object) -> int:
        number = values.whole_number(value)
        if not 1 <= number <= most:
            raise ValueError(f"must be a whole number from 1 to {most}")
        return number

    return read


def status_of(firm: Firm, kind: StatusType) -> Callable[[object], Status | None]:
    """Return what reads the name of a status of the firm. It raises ValueError or UnknownStatus."""

    def read(value: object) -> Status | None:
        name = values.name(value)
        found = firm.statuses.find(kind, name) if name else None
        if name and found is None:
            raise UnknownStatus(f"{name[:80]!r} is not one of the firm's {kind.label} names.")
        return found

    return read


def text(limit: int) -> Callable[[object], str]:
    """Return what reads a text of so many characters at most. It raises ValueError."""

    def read(value: object) -> str:
        if not isinstance(value, str):
            raise ValueError("must be text")
        if len(value.strip()) > limit:
            raise ValueError(f"has more than {limit} characters")
        return value.strip()

    return read
