"""Where a called party may be, by ZIP code and by area code. Reads one table, built by ``tools/build_places.py``."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files

from casedial.domain.places import UNKNOWN, Place
from casedial.places.table import Table, parse, version_of

_FILE = files("casedial.places").joinpath("places.txt")
# Spreadsheets drop the zeros in front.
_ZIP = re.compile(r"\s*([0-9]{3,5})(?:[- ]?[0-9]{4}|-)?\s*")
_NUMBER = re.compile(r"[2-9][0-9]{9}")

with _FILE.open(encoding="ascii") as _lines:
    # The table's build date and sources; the rest of the file is read when the first place is asked for.
    VERSION: str = version_of(_lines.readline())


@lru_cache(maxsize=1)
def _table() -> Table:
    """Read the table, once."""
    return parse(_FILE.read_text(encoding="ascii"))


@lru_cache(maxsize=16_384)
def of_zip(zip_code: str) -> Place:
    """Return the place of a ZIP code ("68046", "68046-1234", "2134" for 02134), UNKNOWN when the table has it not."""
    found = _ZIP.fullmatch(zip_code)
    return _table().of_zip(int(found[1])) if found else UNKNOWN


def of_number(number: str) -> Place:
    """Return the place of a number of ten digits by its area code.

    UNKNOWN for toll-free, non-geographic and foreign ones, and for what is no number.
    """
    return _of_area(number[:3]) if _NUMBER.fullmatch(number) else UNKNOWN


def of_phone(zip_code: str, number: str) -> Place:
    """Return the union of what a ZIP code and a number name.

    No ZIP code adds nothing, and neither does a number that names no place. But where there is a ZIP code that the
    table has not, or that is none, the person may be anywhere.
    """
    if zip_code.strip() and not of_zip(zip_code).is_known:
        return UNKNOWN
    return _union(of_zip(zip_code), of_number(number))


@lru_cache(maxsize=1024)
def _of_area(area: str) -> Place:
    # Cached by area code, so that no number is kept in memory.
    return _table().of_area(int(area))


@lru_cache(maxsize=16_384)
def _union(one: Place, other: Place) -> Place:
    if not one.is_known or one == other:
        return other
    if not other.is_known:
        return one
    return Place(one.states | other.states, one.zones | other.zones)
