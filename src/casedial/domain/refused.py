"""Reports that were refused, as far as they are kept for the firm's people: never a phone, never a note."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from casedial.domain.errors import CasedialError

KEPT = 100  # the last of each firm
VALUE_LIMIT = 80  # characters of what was sent
_FIELDS = ("CaseID", "Status", "NextCall", "Attempts", "Disposition", "Cases")
_TOLD = ("Status", "NextCall", "Attempts", "Disposition")  # those of which the value is kept, too
_DIGIT = re.compile(r"\d")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_PHONE_DIGITS = 7  # so many digits may be a phone number, in whatever field they were sent


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused report: of which case, None where that could not be read; why, by which field and value if by one."""

    case_id: int | None
    code: str
    field: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class KeptRefusal:
    """A refusal, when it was and whose report it was."""

    at: datetime
    key_id: int
    vendor: str
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class RefusedOnDay:
    """How many reports of a key were refused with a code on a day of its firm."""

    key_id: int
    vendor: str
    code: str
    day: date
    reports: int


def refusal_of(case_id: int | None, error: CasedialError) -> Refusal:
    """Return what is kept of a refused item, or of a request that was refused whole."""
    bad = error.fields[0] if error.fields else None
    named = bad.pointer.rpartition("/")[2] if bad else ""
    field = named if named in _FIELDS else ""
    return Refusal(case_id, error.code, field, _shown(field, bad.sent) if bad and field in _TOLD else "")


def _shown(field: str, sent: object) -> str:
    """Return a value as it is kept: in one line, cut, and without the digits of what may be a phone number."""
    if not isinstance(sent, str | int | float):
        return ""
    text = " ".join(str(sent)[: 4 * VALUE_LIMIT].split())
    is_time = field == "NextCall" and _DATE.match(text)
    if not is_time and len(_DIGIT.findall(text)) >= _PHONE_DIGITS:
        text = _DIGIT.sub("#", text)
    return text if len(text) <= VALUE_LIMIT else f"{text[: VALUE_LIMIT - 1]}…"
