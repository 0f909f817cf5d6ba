"""Rows that make no sense: written by hand, or come back by half a restore."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Damage:
    """A row that was passed over because nothing can be done with it, by its ids: nothing that it says is here."""

    what: str  # firm, claim, case, list, ban, override, change or webhook
    firm_id: int | None  # None: of all
    id: str
    why: str = "its row cannot be read"

    @classmethod
    def of(cls, what: str, firm_id: int | None, id_: object, error: BaseException) -> Damage:
        """Return what an error says of a row."""
        return cls(what, firm_id, str(id_), type(error).__name__)
