"""Places: every state and every time zone in which a called party may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where a called party may be: every state and every time zone that a ZIP code and an area code name."""

    states: frozenset[str]  # two letters: the 50 states, DC, PR, VI, GU, AS, MP
    zones: frozenset[str]  # IANA names

    @property
    def is_known(self) -> bool:
        """Tell whether the place has at least one state and one zone."""
        return bool(self.states) and bool(self.zones)

    @property
    def is_abroad(self) -> bool:
        """Tell whether it is in none of the states, by ``abroad``."""
        return self.states == _ABROAD

    def key(self) -> str:
        """Return a stable text, "AL,GA|America/Chicago,America/New_York"; "" for an unknown place."""
        if not self.is_known:
            return ""
        return f"{','.join(sorted(self.states))}|{','.join(sorted(self.zones))}"


_ABROAD = frozenset({"abroad"})
TERRITORIES = frozenset({"AS", "GU", "MP", "PR", "VI"})
UNKNOWN = Place(frozenset(), frozenset())


def abroad(zone: str) -> Place:
    """Return the place of a number of another country, where hours are counted on a clock at home."""
    return Place(_ABROAD, frozenset({zone}))
