"""What the rules say of a spot: of whoever has a ZIP code and an area code, for one campaign, within one minute.

Many cases are at the same spots, and every rule speaks in minutes. So a spot is looked at once a minute, and remembered
by all that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import is_
from typing import NamedTuple

from casedial.domain.campaigns import Campaign
from casedial.domain.firms import Firm
from casedial.domain.hours import minute_of
from casedial.domain.limits import Calls, Limit, counted, of_firm, of_rules
from casedial.domain.phones import Kind, Number
from casedial.domain.places import Place, abroad
from casedial.domain.rules import Ban, Hours, RuleBook

PlaceOf = Callable[[str, str], Place]  # of a ZIP code and a number, of which only the area code counts

_MOST = 20_000  # spots that are remembered
_MOST_JUDGED = 200  # what different campaigns are judged by
_ANYWHERE = "within the hours of every state"


class Spot(NamedTuple):
    """A place, the hours there now, when it may next be called, and how often; what is told of that in evidence.

    ``next_at`` is of one that is closed; None where nobody knows one. ``uncalled`` says for each limit that no call
    counts.
    """

    place: Place
    hours: Hours
    next_at: datetime | None
    limits: tuple[Limit, ...]
    uncalled: tuple[str, ...]
    told: str  # the hours in words, where it is open


class Spots:
    """The spots of one campaign within one minute."""

    def __init__(
        self,
        known: dict[tuple[int, str, str], Spot],
        number: int,
        book: RuleBook,
        place_of: PlaceOf,
        bans: Sequence[Ban],
        firm: Firm,
        campaign: Campaign,
        now: datetime,
    ) -> None:
        self._known, self._number = known, number
        self._book, self._place_of, self._bans = book, place_of, bans
        self._firm, self._campaign, self._now = firm, campaign, now
        self._places: dict[Place, Spot] = {}
        self._closed: dict[str, bool] = {}  # ZIP codes

    def of(self, zip_code: str, number: Number) -> Spot:
        """Return the spot of a ZIP code and a number that may be dialed."""
        name = self._number, zip_code, number.key[:3]
        found = self._known.get(name)
        if found is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            place = self._place_of(zip_code, number.key)
            if number.kind is Kind.ABROAD and not (place.mail_abroad or place.placed):
                place = abroad(self._firm.time_zone)  # a foreign number's is not told by a ZIP code of the states
            found = self._known[name] = self._at(place)
        return found

    def is_closed(self, zip_code: str) -> bool:
        """Tell whether a ZIP code alone forbids all calls: evidence only adds, so no number can allow one.

        Without a ZIP code the number alone says where somebody is, and so does a foreign one that may be called.
        """
        found = self._closed.get(zip_code)
        if found is None:
            if len(self._closed) >= _MOST:
                self._closed.clear()
            says_nothing = self._campaign.abroad or not zip_code.strip()
            found = not says_nothing and not self._at(self._place_of(zip_code, "")).hours.open
            self._closed[zip_code] = found
        return found

    def _at(self, place: Place) -> Spot:
        found = self._places.get(place)
        if found is None:
            purpose, own = self._campaign.purpose, self._campaign.hours_at(place)
            hours = self._book.judge(place, purpose, self._now, self._bans, own)
            limits = (*of_rules(self._book.caps(place, purpose)), *self._campaign.limits, *of_firm(self._firm.min_gap))
            found = self._places[place] = Spot(
                place,
                hours,
                None if hours.open else self._book.next_open(place, purpose, self._now, self._bans, own),
                limits,
                counted(limits, Calls(), None, 0, self._now),
                _told(place, hours) if hours.open else "",
            )
        return found


class Memory:
    """The spots of the minute that was asked about last, for whatever they are judged by."""

    def __init__(self) -> None:
        self._minute: int | None = None
        self._last: tuple[tuple[object, ...], Spots] | None = None
        self._judged: dict[object, Spots] = {}
        self._known: dict[tuple[int, str, str], Spot] = {}

    def spots(
        self, book: RuleBook, place_of: PlaceOf, bans: Sequence[Ban], firm: Firm, campaign: Campaign, now: datetime
    ) -> Spots:
        """Return the spots of a campaign: the same for all that is judged by the same within one minute."""
        asked = (book, place_of, bans, firm, campaign, now)
        if self._last and all(map(is_, asked, self._last[0])):  # the case before
            return self._last[1]
        found = self._found(book, place_of, bans, firm, campaign, now)
        self._last = asked, found
        return found

    def _found(
        self, book: RuleBook, place_of: PlaceOf, bans: Sequence[Ban], firm: Firm, campaign: Campaign, now: datetime
    ) -> Spots:
        minute = minute_of(now)
        if minute != self._minute or len(self._judged) >= _MOST_JUDGED:
            self._minute, self._judged, self._known = minute, {}, {}
        own = campaign.purpose, campaign.hours, campaign.limits, campaign.abroad, firm.min_gap, firm.time_zone
        by = book, place_of, tuple(bans), own
        found = self._judged.get(by)
        if found is None:
            number = len(self._judged)
            found = Spots(self._known, number, book, place_of, bans, firm, campaign, now)
            self._judged[by] = found
        return found


def _told(place: Place, hours: Hours) -> str:
    """Say the hours at a place; of one that may be anywhere, those of the states that were named."""
    if not place.may_be_anywhere:
        return "; ".join(words(hours))
    named = Hours(hours.open, tuple(reason for reason in hours.because if reason.state in place.states))
    return "; ".join([*words(named), _ANYWHERE])


def words(hours: Hours) -> list[str]:
    """Say each reason: the state and zone, the time there, the hours of the day, and where they come from."""
    return [
        reason.why
        if not reason.zone  # of a place without a clock
        else " ".join(
            part
            for part in (
                f"{reason.state or 'federal'},",
                f"{reason.zone}:",
                f"{reason.local:%a %H:%M}",
                f"in {reason.window}" if hours.open and reason.window else f"hours {reason.window or 'none'}",
                f"({reason.source})" if reason.source else "",
                reason.why,
            )
            if part
        )
        for reason in hours.because
    ]
