"""The table of places as a file: read it, write it.

The first line is the version. Then, for each place, a line of its ZIP codes and a line of its area codes::

    zip NE America/Chicago,America/Denver 69021 69023-69024
    area NE America/Chicago,America/Denver 308

Codes that follow one another are written as a range. Lines that begin with # are comments.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from casedial.domain.places import UNKNOWN, Place

_VERSION = "places "
_DIGITS = {"zip": 5, "area": 3}


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """For every ZIP code and every area code the index of its place; index 0 is UNKNOWN."""

    version: str
    places: tuple[Place, ...]
    zips: array[int]
    areas: array[int]

    def of_zip(self, code: int) -> Place:
        """Return the place of a ZIP code, 0 to 99999."""
        return self.places[self.zips[code]]

    def of_area(self, code: int) -> Place:
        """Return the place of an area code, 0 to 999."""
        return self.places[self.areas[code]]


def version_of(line: str) -> str:
    """Return the version that a table's first line names. Raises ValueError when it names none."""
    if not line.startswith(_VERSION):
        raise ValueError("This is not a table of places: its first line does not begin with 'places'.")
    return line.removeprefix(_VERSION).strip()


def parse(text: str) -> Table:
    """Read a table. Raises ValueError for a text that is none."""
    lines = text.splitlines()
    version = version_of(lines[0] if lines else "")
    indexes = {UNKNOWN: 0}
    columns = {kind: array("H", [0]) * 10**digits for kind, digits in _DIGITS.items()}
    for line in lines[1:]:
        if line.startswith("#"):
            continue
        kind, states, zones, *codes = line.split()
        if kind not in columns:
            raise ValueError(f"This is not a table of places: a line begins with {kind!r}.")
        place = Place(frozenset(states.split(",")), frozenset(zones.split(",")))
        index = indexes.setdefault(place, len(indexes))
        column = columns[kind]
        for code in codes:
            first, _, last = code.partition("-")
            for number in range(int(first), int(last or first) + 1):
                column[number] = index
    return Table(version, tuple(indexes), columns["zip"], columns["area"])


def render(version: str, comments: Iterable[str], zips: Mapping[int, Place], areas: Mapping[int, Place]) -> str:
    """Write a table; the same places always make the same text."""
    lines = [_VERSION + version, *(f"# {comment}" for comment in comments)]
    for kind, places in (("zip", zips), ("area", areas)):
        codes: dict[tuple[str, str], list[int]] = {}
        for code, place in places.items():
            codes.setdefault((",".join(sorted(place.states)), ",".join(sorted(place.zones))), []).append(code)
        lines += [" ".join((kind, *names, *_ranges(codes[names], _DIGITS[kind]))) for names in sorted(codes)]
    return "\n".join(lines) + "\n"


def _ranges(codes: Iterable[int], digits: int) -> Iterator[str]:
    runs: list[list[int]] = []
    for code in sorted(codes):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    for first, last in runs:
        yield f"{first:0{digits}}" if first == last else f"{first:0{digits}}-{last:0{digits}}"
