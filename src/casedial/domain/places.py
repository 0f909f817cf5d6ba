"""Places: every state and every time zone in which a called party may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a called party may be: every state and every time zone that a ZIP code and an area code name.

    ``anywhere`` is set when something else was named that nobody knows: besides those, the party may be anywhere in the
    50 states and DC. ``mail_abroad`` says where the mail of its ZIP code goes abroad: no hours are known.
    ``placed`` is the reason of an operator who said where the ZIP code is.
    """

    states: frozenset[str]  # two letters: the 50 states, DC, PR, VI, GU, AS, MP
    zones: frozenset[str]  # IANA names
    anywhere: bool = False
    mail_abroad: str = ""
    placed: str = ""

    @property
    def is_known(self) -> bool:
        """Tell whether the place has at least one state and one zone."""
        return bool(self.states) and bool(self.zones)

    @property
    def is_abroad(self) -> bool:
        """Tell whether it is in none of the states, by ``abroad``."""
        return self.states == _ABROAD

    @property
    def may_be_anywhere(self) -> bool:
        """Tell whether the hours of every state count: so they do where nothing is known."""
        return self.anywhere or not self.is_known

    def __or__(self, other: Place) -> Place:
        """Return where somebody may be whom two things place: evidence only ever adds."""
        return Place(
            self.states | other.states,
            self.zones | other.zones,
            self.anywhere or other.anywhere,
            self.mail_abroad or other.mail_abroad,
            self.placed or other.placed,
        )

    def __str__(self) -> str:
        """Say it: "NE, NY", "GU or anywhere in the states", "abroad (Palau)"."""
        if self.mail_abroad:
            return f"abroad ({self.mail_abroad})"
        named = [", ".join(sorted(self.states))] if self.is_known else []
        may_be = " or ".join([*named, "anywhere in the states"] if self.may_be_anywhere else named)
        return f"{may_be}; the operator placed the ZIP code: {self.placed}" if self.placed else may_be

    def key(self) -> str:
        """Return a stable text, "AL,GA|America/Chicago,America/New_York"; "" for an unknown place."""
        known = f"{','.join(sorted(self.states))}|{','.join(sorted(self.zones))}" if self.is_known else ""
        return f"{known}|anywhere" if known and self.anywhere else known


_ABROAD = frozenset({"abroad"})


def abroad(zone: str) -> Place:
    """Return the place of a number of another country, where hours are counted on a clock at home."""
    return Place(_ABROAD, frozenset({zone}))


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an operator says a ZIP code is, in place of the table."""

    zip_code: str  # five digits
    place: Place
    source: str = ""
    id: int = 0


# Not among the 50 states and DC, in which somebody of whom nothing is known may be.
TERRITORIES = {
    "AS": ("Pacific/Pago_Pago",),
    "GU": ("Pacific/Guam",),
    "MP": ("Pacific/Guam",),
    "PR": ("America/Puerto_Rico",),
    "VI": ("America/Puerto_Rico",),
}
_STATES = (
    "AK AL AR AZ CA CO CT DC DE FL GA HI IA ID IL IN KS KY LA MA MD ME MI MN MO MS MT "
    "NC ND NE NH NJ NM NV NY OH OK OR PA RI SC SD TN TX UT VA VT WA WI WV WY"
)
STATES = frozenset(_STATES.split()) | TERRITORIES.keys()  # every state, and what is like one
NO_EVIDENCE = Place(frozenset(), frozenset())  # of what says nothing, and adds nothing: no ZIP code, a toll-free number
UNKNOWN = Place(frozenset(), frozenset(), anywhere=True)
