"""Where a called party may be, by ZIP code and by area code. Reads one table, built by ``tools/build_places.py``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType

from casedial.domain.places import NO_EVIDENCE, UNKNOWN, Place
from casedial.places.table import Table, parse, version_of

_FILE = files("casedial.places").joinpath("places.txt")
# Spreadsheets drop the zeros in front.
_ZIP = re.compile(r"\s*([0-9]{3,5})(?:[- ]?[0-9]{4}|-)?\s*")
_LONGEST = 32  # characters that may be a ZIP code: a longer text is none, and is not kept in memory
_NUMBER = re.compile(r"[0-9]{10}")

# Area codes that belong to no region, by the North American Numbering Plan. Whatever else is not in the table may be
# anywhere: new codes are opened every few months, and people take a Canadian or a Caribbean number with them.
NOT_GEOGRAPHIC = frozenset(
    area
    for areas in (
        "800 822 833 844 855 866 877 880 881 882 883 884 885 886 887 888 889",  # toll-free, and what is kept for it
        "500 521 522 523 524 525 526 527 528 529 532 533 544 566 577 588",  # personal, machines
        "700 710 900",  # carriers' own services, the government, paid information
        "211 311 411 511 611 711 811 911",
    )
    for area in areas.split()
)
# ZIP codes of mail that leaves the country: where it goes, the first and the last.
_MAIL_ABROAD = (
    ("military mail, Europe", 9000, 9999),
    ("military mail, Americas", 34000, 34099),
    ("military mail, Pacific", 96200, 96699),
    ("Palau", 96939, 96940),
    ("Micronesia", 96941, 96944),
    ("Marshall Islands", 96960, 96960),
    ("Marshall Islands", 96970, 96970),
)
NONE_PLACED: Mapping[int, Place] = MappingProxyType({})

with _FILE.open(encoding="ascii") as _lines:
    # The table's build date and sources; the rest of the file is read when the first place is asked for.
    VERSION: str = version_of(_lines.readline())
BUILT = date.fromisoformat(VERSION.partition(":")[0])


@lru_cache(maxsize=1)
def _table() -> Table:
    """Read the table, once."""
    return parse(_FILE.read_text(encoding="ascii"))


def code_of(zip_code: str) -> int | None:
    """Return the number of a ZIP code ("68046", "68046-1234", "2134" for 02134), None for what is none."""
    found = _ZIP.fullmatch(zip_code) if len(zip_code) <= _LONGEST else None
    return int(found[1]) if found else None


def mail_abroad(code: int) -> str:
    """Return where mail of a ZIP code goes that leaves the country, "" for one that stays."""
    return next((where for where, first, last in _MAIL_ABROAD if first <= code <= last), "")


def of_zip(zip_code: str, placed: Mapping[int, Place] = NONE_PLACED) -> Place:
    """Return the place of a ZIP code: where an operator ``placed`` it, or that of the table.

    UNKNOWN where the table has it not; no ZIP code says nothing.
    """
    code = code_of(zip_code) if placed else None
    if code is not None and code in placed:
        return placed[code]
    return _of_zip(zip_code) if len(zip_code) <= _LONGEST else UNKNOWN


@lru_cache(maxsize=16_384)
def _of_zip(zip_code: str) -> Place:
    if not zip_code.strip():
        return NO_EVIDENCE
    code = code_of(zip_code)
    if code is None:
        return UNKNOWN
    where = mail_abroad(code)
    return Place(frozenset(), frozenset(), mail_abroad=where) if where else _table().of_zip(code)


def of_number(number: str) -> Place:
    """Return the place of a number of ten digits by its area code.

    A number without a region (toll-free, say) and what is no US number say nothing; an area code that the table has
    not may be anywhere.
    """
    return _of_area(number[:3]) if _NUMBER.fullmatch(number) else NO_EVIDENCE


def of_phone(zip_code: str, number: str, placed: Mapping[int, Place] = NONE_PLACED) -> Place:
    """Return the union of what a ZIP code and a number name; UNKNOWN when neither says anything."""
    both = _union(of_zip(zip_code, placed), of_number(number))
    return UNKNOWN if both == NO_EVIDENCE else both


@lru_cache(maxsize=1024)
def _of_area(area: str) -> Place:
    # Cached by area code, so that no number is kept in memory.
    return NO_EVIDENCE if area in NOT_GEOGRAPHIC else _table().of_area(int(area))


@lru_cache(maxsize=16_384)
def _union(one: Place, other: Place) -> Place:
    return one | other
