"""Phone numbers: bring one to the form in which it is compared, and know which are never dialed."""

from __future__ import annotations

import re
from functools import lru_cache

# "x12", "ext. 12", "#12" at the end; a bare run of digits is never an extension.
_EXTENSION = re.compile(r"(?:ext(?:ension)?|x|#)[\s.:=]*[0-9]{1,6}\s*$", re.IGNORECASE)
PHONE_LIMIT = 64  # characters in a number as entered; also what keeps the patterns below cheap

_NOT_DIGIT = re.compile(r"[^0-9]+")
# The word "fax", also as in "Fax2" and "home_fax", but not as in "Halifax".
_FAX = re.compile(r"(?<![a-z])fax(?![a-z])", re.IGNORECASE)


def digits_of(number: str) -> str:
    """Drop an extension, all that is not a digit and a leading US 1 ("+1 (402) 555-0123 x9" → "4025550123")."""
    digits = _NOT_DIGIT.sub("", _EXTENSION.sub("", number))
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits


def match_key(number: str) -> str | None:
    """Return the ten digits by which two US numbers are compared, or None when it has not ten."""
    if len(number) == 10 and number.isascii() and number.isdigit():
        return number
    digits = digits_of(number)
    return digits if len(digits) == 10 else None


def us_key(number: str) -> str | None:
    """Return the ten digits of a US number, None for one that is written as another country's."""
    return None if number.startswith("+") and not number.startswith("+1") else match_key(number)


def dialable(number: str) -> str:
    """Return what a dialer is handed: bare digits for a US number, a foreign one as it was entered."""
    if len(number) == 10 and number.isascii() and number.isdigit():
        return number
    if number.startswith("+") and not number.startswith("+1"):
        return number
    return match_key(number) or number


@lru_cache(1000)
def is_fax(phone_name: str) -> bool:
    """Tell whether a phone's name says that a machine answers it."""
    return _FAX.search(phone_name) is not None
