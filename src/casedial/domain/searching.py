"""How cases are listed that somebody looks for: in which order, and from which place on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from casedial.domain.dialing import CaseFilter


class Order(StrEnum):
    """In which order cases are listed."""

    CASE = "case"  # by CaseID
    NEWEST = "newest"  # the other way round
    DIALING = "dialing"  # in which they are dialed: of those that wait To Dial
    NAME = "name"  # by the word that was found: of a search for a name


Place = tuple[str | int, ...]  # of a case in its order: what stands behind it goes on from there


ANY = CaseFilter()


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody looks for: ``text`` is a CaseID, a phone number in any form, or the beginnings of names."""

    text: str = ""
    which: CaseFilter = ANY
    order: Order = Order.CASE


@dataclass(frozen=True, slots=True)
class View:
    """A search that a user gave a name: the query of its address."""

    id: int
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Capped:
    """A count that did not go further than it had to; ``is_more`` says that there are, or may be, others."""

    number: int
    is_more: bool = False


def may_be_in_dialing_order(which: CaseFilter) -> bool:
    """Tell whether an index has these cases in the order in which they are dialed: it knows all that is asked."""
    rest: Sequence[object] = (which.disposition, which.number, which.name, which.held_by, which.attempts)
    others = which.do_not_call or which.held_back or which.answered
    return which.case_ids is None and not any(rest) and not others
