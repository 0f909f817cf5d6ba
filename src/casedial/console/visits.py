"""What a page gets: who is there, of which firm, and what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from casedial.console.forms import Fields, Upload
from casedial.database.engine import Store
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.errors import PathNotFound
from casedial.domain.firms import Firm
from casedial.domain.users import Seat, Session, User, UserRole
from casedial.domain.webhooks import Post
from casedial.service.operations.signing_in import Browser


@dataclass
class Visit:
    """One request for a page, after the door.

    ``session`` is None at pages that are open to anybody; ``seat`` and ``firm`` at those of no firm. ``form`` and
    ``files`` are what was sent by POST, ``query`` what stands in the address, ``parameters`` what stands in the path.
    """

    store: Store
    now: datetime
    path: str
    browser: Browser
    token: str  # of the browser: its session's, or one that no session has
    is_safe: bool  # whether the connection is encrypted
    root: str  # https://casedial.example, as the browser knows this server
    post: Post  # what brings a message to a webhook
    parameters: Mapping[str, str] = field(default_factory=dict)
    query: Fields = field(default_factory=Fields)
    form: Fields = field(default_factory=Fields)
    files: Mapping[str, Upload] = field(default_factory=dict)
    session: Session | None = None
    seat: Seat | None = None
    opened: Firm | None = None

    @property
    def user(self) -> User:
        """Return who is signed in, at all pages but those that are open to anybody."""
        assert self.session  # noqa: S101  # which the door saw to
        return self.session.user

    @property
    def actor(self) -> Actor:
        """Return the user as who does something, for every operation."""
        return Actor(ActorKind.USER, self.user.name, self.user.id, self.browser.address)

    @property
    def firm(self) -> Firm:
        """Return the firm of the path, as it is now."""
        assert self.opened  # noqa: S101  # which the door saw to
        return self.opened

    @property
    def role(self) -> UserRole:
        """Return the user's role in the firm."""
        assert self.seat  # noqa: S101  # which the door saw to
        return self.seat.role

    def may(self, least: UserRole) -> bool:
        """Tell whether the user has this role, or a higher one, in the firm of the path."""
        return self.seat is not None and self.seat.role >= least

    @property
    def zone(self) -> ZoneInfo:
        """Return the time zone in which times are shown: the user's own, or the firm's."""
        own = self.session.user.time_zone if self.session else None
        return ZoneInfo(own or (self.place.time_zone if self.place else "UTC"))

    @property
    def place(self) -> Seat | None:
        """Return the seat in the firm that is at hand: that of the path, or the only one that the user has."""
        seats = self.session.seats if self.session and self.session.whole else ()
        return self.seat or (seats[0] if len(seats) == 1 else None)

    def number(self, name: str) -> int:
        """Return a number of the path, a CaseID, say. Raises PathNotFound where it is none."""
        text = self.parameters[name]
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and text == str(int(text))):
            raise PathNotFound("There is nothing of this number.")
        return int(text)

    def to(self, *segments: object, **query: object) -> str:
        """Return an address of this firm's pages: ``visit.to("cases", 7)``; what is None or "" is left out."""
        assert self.seat  # noqa: S101  # which the door saw to
        path = "/".join(quote(str(segment), safe="") for segment in segments)
        asked = urlencode({name: value for name, value in query.items() if value not in (None, "")}, doseq=True)
        return f"/console/{self.seat.slug}/{path}" + (f"?{asked}" if asked else "")

    def here(self, **changed: object) -> str:
        """Return the address of this page with some of its query changed: ``here(page=2)``; None takes one off."""
        kept = [(name, value) for name, value in self.query.pairs if name not in changed and value != ""]
        asked = urlencode([*kept, *((n, v) for n, v in changed.items() if v not in (None, ""))], doseq=True)
        return self.path + (f"?{asked}" if asked else "")
