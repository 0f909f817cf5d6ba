"""What a phone number is: of the US, abroad, or doubtful. Every other room asks here.

A number is kept as it was entered. ``read`` says what is compared and dialed of it; what is doubtful is never dialed.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from casedial.domain.errors import InvalidSetting

PHONE_LIMIT = 64  # characters in a number as entered; also what keeps the patterns below cheap


class Kind(StrEnum):
    """What a number is. A US one has ten digits; one abroad is written with the code of another country."""

    US = "US"
    ABROAD = "abroad"
    DOUBTFUL = "doubtful"


class Number(NamedTuple):
    """What was made of a number as it was entered.

    ``key`` is that by which numbers are compared: ten digits, or all digits of one abroad behind a +. A doubtful one
    has a key only where it is ten digits; ``why`` says what is wrong with it, after "it".
    """

    kind: Kind
    key: str
    why: str = ""


# What most numbers look like that are not bare digits.
_US = re.compile(r"(?:\+?1[\s.-]*)?\(?([2-9][0-9]{2})\)?[\s.-]*([0-9]{3})[\s.-]*([0-9]{4})")
# "x12", "ext. 12", "#12" at the end; a bare run of digits is never an extension.
_EXTENSION = re.compile(r"(?:ext(?:ension)?|x|#)[\s.:=]*[0-9]{1,6}\s*$", re.IGNORECASE)
_NOT_DIGIT = re.compile(r"[^0-9]+")
_SCIENTIFIC = re.compile(r"[0-9]\s*e\s*[+-]?\s*[0-9]{1,3}\s*$", re.IGNORECASE)
_LETTER_INSIDE = re.compile(r"[0-9][^0-9]*[^\W\d_][^0-9]*[0-9]")
_WHOLE_DECIMAL = re.compile(r"\s*([0-9]+)\.0+\s*")  # as a spreadsheet or a program writes a whole number
_PLUS = "[+\uff0b]"
_PLUS_IN_FRONT = re.compile(f"[^0-9]*{_PLUS}")
_PLUS_INSIDE = re.compile(f"[0-9].*{_PLUS}", re.DOTALL)
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")  # "+44 (0)20 …": dialed at home only
_EXIT_CODE = re.compile(r"(?:011|00)([1-9][0-9]{7,})")  # of the US, and of most other countries
_ABROAD_DIGITS = range(7, 16)  # with the country's code; 15 are the most that a network takes


def is_bare(number: str) -> bool:
    """Tell whether these are the ten digits of a US number and nothing else, as most are."""
    return len(number) == 10 and number.isascii() and number.isdigit() and number[0] > "1"


def read(entered: str) -> Number:
    """Say what a number is. Whether its exchange exists is not asked: no number is refused for that.

    An extension at the end and all that is no digit are left out. A + in front, or 00 or 011, begins another country's
    number, and with a 1 behind it one of the US.
    """
    if is_bare(entered):
        return Number(Kind.US, entered)
    if plain := _US.fullmatch(entered):
        return Number(Kind.US, "".join(plain.groups()))
    text = _EXTENSION.sub("", entered)
    if whole := _WHOLE_DECIMAL.fullmatch(text):
        text = whole[1]
    if _SCIENTIFIC.search(text):
        return _doubtful("was rounded by a spreadsheet: format the column as text")
    if _LETTER_INSIDE.search(text):
        return _doubtful("has letters between its digits")
    without_trunk = _digits(_TRUNK_ZERO.sub("", text))
    if _PLUS_IN_FRONT.match(text):
        return _international(without_trunk)
    if _PLUS_INSIDE.search(text):
        return _doubtful("has a + between its digits")
    abroad = _EXIT_CODE.fullmatch(without_trunk) if len(without_trunk) > 10 else None
    return _international(abroad[1]) if abroad else _domestic(_digits(text))


def _digits(text: str) -> str:
    return _NOT_DIGIT.sub("", text)


def _international(digits: str) -> Number:
    if digits.startswith("1"):
        return _domestic(digits)
    if digits.startswith("0"):
        return _doubtful("has no country code, which never begins with 0")
    if len(digits) not in _ABROAD_DIGITS:
        return _doubtful(f"{_count(digits)}: a number abroad has {_ABROAD_DIGITS[0]} to {_ABROAD_DIGITS[-1]}")
    return Number(Kind.ABROAD, f"+{digits}")


def _domestic(digits: str) -> Number:
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    if len(digits) != 10:
        return _doubtful(f"{_count(digits)}: a US number has ten digits, one abroad begins with + and its country code")
    if digits[0] < "2":
        return Number(Kind.DOUBTFUL, digits, f"has an area code that begins with {digits[0]}")
    return Number(Kind.US, digits)


def _count(digits: str) -> str:
    return f"has {len(digits)} digit{'' if len(digits) == 1 else 's'}"


def _doubtful(why: str) -> Number:
    return Number(Kind.DOUBTFUL, "", why)


def kind_of(entered: str) -> Kind:
    """Return what a number is."""
    return Kind.US if is_bare(entered) else read(entered).kind


def key_of(entered: str) -> str | None:
    """Return that by which a number that may be dialed is compared, None for a doubtful one."""
    if is_bare(entered):
        return entered
    number = read(entered)
    return None if number.kind is Kind.DOUBTFUL else number.key


def dialable(entered: str) -> str | None:
    """Return what a dialer is handed: ten digits of the US, one abroad as it was entered; None for a doubtful one."""
    if is_bare(entered):
        return entered
    number = read(entered)
    return {Kind.US: number.key, Kind.ABROAD: entered, Kind.DOUBTFUL: None}[number.kind]


SHORTEST_TWO = 2 * _ABROAD_DIGITS[0] + 3  # characters in a cell that holds two numbers
_BETWEEN = re.compile(r"\s*(?:[/\\,;|&\n]|\bor\b|\band\b)\s*", re.IGNORECASE)
_SIDE_BY_SIDE = re.compile(rf"{_US.pattern}(?:\s+{_US.pattern})+")


def split(cell: str) -> tuple[str, ...]:
    """Return the numbers of a cell that holds several, each once; any other cell as it is.

    Only where each part is a whole number: "402/555-0123" is one, and what "4025550159/60" means is nobody's guess.
    """
    if len(cell) < SHORTEST_TWO:
        return (cell,)
    parts: list[str] = []
    for part in _BETWEEN.split(cell.strip()):
        parts += [one[0] for one in _US.finditer(part)] if _SIDE_BY_SIDE.fullmatch(part) else [part]
    numbers = {key_of(part): part for part in parts if part}
    return (cell,) if len(parts) < 2 or None in numbers else tuple(numbers.values())


# The word "fax", also as in "Fax2" and "home_fax", but not as in "Halifax".
_FAX = re.compile(r"(?<![a-z])fax(?![a-z])", re.IGNORECASE)


@lru_cache(1000)
def is_fax(phone_name: str) -> bool:
    """Tell whether a phone's name says that a machine answers it."""
    return _FAX.search(phone_name) is not None


def listed_numbers(text: str) -> list[str]:
    """Return what numbers are listed by: a text may hold several. Raises InvalidSetting for a doubtful one."""
    cell = text.strip()
    if len(cell) > PHONE_LIMIT:
        raise InvalidSetting(
            f"{cell[:PHONE_LIMIT]!r}… is not a phone number: it has more than {PHONE_LIMIT} characters."
        )
    numbers = [read(part) for part in split(cell)]
    for number in numbers:
        if number.kind is Kind.DOUBTFUL:
            raise InvalidSetting(f"{cell!r} cannot be dialed: it {number.why}.")
    return [number.key for number in numbers]
