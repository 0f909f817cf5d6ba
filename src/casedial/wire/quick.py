"""Read the rows of a CSV file that are as they should be, three times as fast as ``files`` reads any row.

What the rows of a file have in common, such as which column is what, is worked out once, and so is what a cell means
that comes again: a status, a flag, a time. A row in which anything is wrong is left to ``files``, which says what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from casedial.domain.cases import Phone
from casedial.domain.importing import CaseRow
from casedial.wire import values
from casedial.wire.formulas import unguarded

_KEPT = 20_000  # meanings of cells, for each kind of cell

QuickReader = Callable[[Sequence[str]], CaseRow]


class Memo(dict[str, Any]):
    """What cells mean, each read once; ``read`` raises ValueError for one that means nothing."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, cell: str) -> Any:
        if len(self) >= _KEPT:  # memory is not to grow with the file
            self.clear()
        self[cell] = meaning = self._read(cell)
        return meaning


@dataclass(frozen=True, slots=True)
class Layout:
    """Which cell of a row is what, by its place from 0, and how cells are read that are more than text.

    ``facts``, ``statuses`` and ``phones`` are in the order in which ``CaseRow`` has them; a phone's fields come by
    name. None stands for a column that the file does not have.
    """

    case_id: int
    facts: Mapping[str, int]
    statuses: Mapping[Any, int]
    phones: Mapping[int, Mapping[str, int]]
    closed: int | None
    dial_at: int | None
    priority: int | None
    text_limit: int
    read_closed: Callable[[str], Any]
    read_moment: Callable[[str], Any]
    read_priority: Callable[[str], Any]
    read_number: Callable[[str], Any]
    read_flag: Callable[[str], Any]

    @property
    def places(self) -> set[int]:
        """Return the places of the columns that are read: a file with others that matter is not for this room."""
        single = {self.case_id, self.closed, self.dial_at, self.priority, *self.facts.values(), *self.statuses.values()}
        return {place for place in single if place is not None}.union(*(p.values() for p in self.phones.values()))


def reader(layout: Layout) -> QuickReader:
    """Return what reads a row's cells; it raises ValueError for a row that ``files`` has to look at."""
    moments = Memo(lambda cell: layout.read_moment(cell) if cell else None)
    closed = Memo(layout.read_closed)
    priorities, priority_at = Memo(layout.read_priority), layout.priority
    names, fact_cells = tuple(layout.facts), _picker(layout.facts.values())
    statuses = _statuses(layout.statuses)
    phones = [(position, _phone(places, layout)) for position, places in layout.phones.items()]
    case_id_at, closed_at, dial_at_at, limit = layout.case_id, layout.closed, layout.dial_at, layout.text_limit

    def read(raw: Sequence[str]) -> CaseRow:
        cells = [cell.strip() for cell in raw]
        if "'" in _checked(cells, limit):
            cells = [unguarded(cell).strip() for cell in cells]
        facts: dict[str, Any] = dict(zip(names, fact_cells(cells), strict=True))
        if priority_at is not None:
            facts["priority"] = priorities[cells[priority_at]]
        return CaseRow(
            _case_id(cells[case_id_at]),
            facts,
            None if closed_at is None else closed[cells[closed_at]],
            statuses(cells),
            dial_at_at is not None,
            None if dial_at_at is None else moments[cells[dial_at_at]],
            {position: phone(cells) for position, phone in phones},
        )

    return read


def _checked(cells: Sequence[str], limit: int) -> str:
    """Return all cells as one text; raise ValueError where one may be too long, or hold what no database stores."""
    text = "".join(cells)
    if "\0" in text or (len(text) > limit and max(map(len, cells)) > limit):
        raise ValueError
    if not text.isascii():
        text.encode()  # whose UnicodeEncodeError is a ValueError
    return text


def _case_id(cell: str) -> int:
    if cell.isascii() and cell.isdigit() and len(cell) < 19 and (number := int(cell)):
        return number
    return values.case_id(cell)


def _picker(places: Any) -> Callable[[Sequence[str]], tuple[str, ...]]:
    """Return what picks the cells at these places, however many there are."""
    chosen = tuple(places)
    if len(chosen) > 1:
        return itemgetter(*chosen)
    return lambda cells: tuple(cells[place] for place in chosen)


def _statuses(places: Mapping[Any, int]) -> Callable[[Sequence[str]], Mapping[Any, str | None]]:
    """Return what reads the names of a row's statuses; rows of the same names share one mapping."""
    kinds, pick = tuple(places), _picker(places.values())
    known: dict[tuple[str, ...], Mapping[Any, str | None]] = {}

    def read(cells: Sequence[str]) -> Mapping[Any, str | None]:
        given = pick(cells)
        found = known.get(given)
        if found is None:
            if len(known) >= _KEPT:
                known.clear()
            found = known[given] = {kind: name or None for kind, name in zip(kinds, given, strict=True)}
        return found

    return read


def _phone(places: Mapping[str, int], layout: Layout) -> Callable[[Sequence[str]], Phone | Mapping[str, Any]]:
    """Return what reads one phone of a row: a whole one where the file has all of its columns."""
    flag = Memo(layout.read_flag).__getitem__
    texts = [name for name in ("name", "number") if name in places]
    marks = [name for name in ("primary", "text") if name in places]
    names, text_cells, mark_cells = (*texts, *marks), _picker(map(places.get, texts)), _picker(map(places.get, marks))
    number_at, read_number = places.get("number"), layout.read_number
    is_whole = names == Phone._fields

    def read(cells: Sequence[str]) -> Phone | Mapping[str, Any]:
        if number_at is not None:
            number = cells[number_at]
            if not (len(number) < 20 and number.isascii() and number.isdigit()):
                read_number(number)
        given = (*text_cells(cells), *map(flag, mark_cells(cells)))
        return Phone._make(given) if is_whole else dict(zip(names, given, strict=True))

    return read
