"""The do-not-call list as JSON, and what a request wants of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from casedial.domain.calling import Listing
from casedial.domain.dialing import MAX_ITEMS
from casedial.domain.errors import InvalidSetting, MissingParameter
from casedial.domain.names import NAME_LIMIT
from casedial.domain.phones import listed_numbers
from casedial.domain.standing import Standing
from casedial.wire import values
from casedial.wire.documents import Parameters
from casedial.wire.v1.lists import several
from casedial.wire.values import instant


class DoNotCallEntry(msgspec.Struct, frozen=True):
    """An entry: a number, as numbers are compared, or a case; since which day, and where it comes from."""

    Number: str | None
    CaseID: int | None
    ListedOn: str
    Source: str


class DoNotCallPage(msgspec.Struct, frozen=True):
    """Entries in the order in which they were made; Next is what to send as After, null at the end."""

    Entries: list[DoNotCallEntry]
    Next: int | None


class DoNotCallFound(msgspec.Struct, frozen=True):
    """What is on the list of the numbers and cases that were asked for.

    Cases are the first that have one of the numbers, whether listed or not; AreAll tells whether there are no more.
    """

    Entries: list[DoNotCallEntry]
    Cases: list[int]
    AreAll: bool


class DoNotCallAdded(msgspec.Struct, frozen=True):
    """How many entries were added, and how many were on the list before."""

    Added: int
    Known: int


class NotListed(msgspec.Struct, frozen=True):
    """What was to be taken off and was not on the list."""

    Numbers: list[str]
    CaseIDs: list[int]


class StaysDoNotDial(msgspec.Struct, frozen=True):
    """A case that stays Do not Dial: who set it, when, and why where casedial did it by itself."""

    CaseID: int
    By: str | None
    Since: str | None
    Reason: str | None


class DoNotCallRemoved(msgspec.Struct, frozen=True):
    """What was taken off, and the cases concerned that stay Do not Dial: a status is never set back by itself."""

    Removed: int
    NotListed: NotListed
    DoNotDial: list[StaysDoNotDial]
    AreAll: bool


def listing_reply(entry: Listing) -> DoNotCallEntry:
    """Show an entry."""
    return DoNotCallEntry(entry.number, entry.case_id, entry.listed_on.isoformat(), entry.source)


def removed_reply(
    removed: int, not_listed: tuple[list[str], list[int]], left: Iterable[tuple[int, Standing]], are_all: bool
) -> DoNotCallRemoved:
    """Show what a removal did."""
    stay = [StaysDoNotDial(case_id, one.by, instant(one.since), one.reason) for case_id, one in left]
    return DoNotCallRemoved(removed, NotListed(*not_listed), stay, are_all)


@dataclass(frozen=True, slots=True)
class Named:
    """Numbers, as they are compared, and cases; and a text about them."""

    numbers: Sequence[str]
    case_ids: Sequence[int]
    text: str = ""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.numbers) + len(self.case_ids)


def named(given: Parameters, text: str = "", is_required: bool = False) -> Named:
    """Read numbers and cases, at least one, and the text that is called so, where there is one."""
    numbers = several(given, "Number", _numbers, MAX_ITEMS)
    case_ids = several(given, "CaseID", values.case_id, MAX_ITEMS)
    read = given.required if is_required else given.optional
    said = read(text, _text) if text else None
    if all(value == [] for value in (*given.every("Number"), *given.every("CaseID"))):
        given.refuse(MissingParameter("Name at least one Number or one CaseID."))
    return Named([number for some in numbers or () for number in some], case_ids or [], said or "")


def _numbers(value: object) -> tuple[str, ...]:
    """Read a number, or several in one text."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a phone number, as text")
    try:
        return tuple(listed_numbers(value))
    except InvalidSetting as error:
        raise ValueError(f"cannot be used: {error.detail.rstrip('.')}") from None


def _text(value: object) -> str | None:
    text = values.name(value)
    if text and (len(text) > NAME_LIMIT or not text.isprintable()):
        raise ValueError(f"must be one line of at most {NAME_LIMIT} characters")
    return text
