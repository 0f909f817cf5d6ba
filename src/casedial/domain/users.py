"""People who sign in to the console: their roles, their sessions, and what each role may do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from casedial.domain.names import fold


class UserRole(IntEnum):
    """What a user may do in a firm; a higher one may all that a lower one may. Values are stored."""

    VIEWER = 1  # looks
    MANAGER = 2  # cases, campaigns, imports, the do-not-call list
    ADMINISTRATOR = 3  # all

    @property
    def label(self) -> str:
        """Return its name as people read it."""
        return self.name.lower()


class Theme(StrEnum):
    """How pages look to a user. Values are stored."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


IDLE = timedelta(hours=12)  # after which an unused session ends
LONGEST = timedelta(days=7)  # after which any session ends
HALFWAY = timedelta(minutes=10)  # to bring the second factor in
USE_PRECISION = timedelta(minutes=5)  # with which the use of a session is noted
LOOK_LASTS = timedelta(hours=1)  # a look at a case, before it is noted once more
LINK_LIFE = timedelta(hours=1)  # of a link by which a password is set


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can sign in, as pages show them: nothing secret."""

    id: int
    name: str
    theme: Theme
    time_zone: str | None  # in which they read times; None: the firm's
    has_password: bool
    has_factor: bool
    made_at: datetime
    seen_at: datetime | None
    disabled_at: datetime | None
    link_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """The role of a user in one firm; ``slug`` is how the firm is called in addresses."""

    firm_id: int
    firm_name: str
    slug: str
    firm_version: int
    role: UserRole
    time_zone: str
    demands_factor: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in, or halfway: its second factor is missing where it is not ``whole``."""

    id: int
    user: User
    whole: bool
    made_at: datetime
    used_at: datetime
    origin: str
    agent: str
    seats: tuple[Seat, ...] = field(default=())

    def is_over(self, now: datetime) -> bool:
        """Tell whether it has ended, by its age, by not being used, or because its user is disabled."""
        if self.user.disabled_at or now - self.made_at >= LONGEST or now - self.used_at >= IDLE:
            return True
        return not self.whole and now - self.made_at >= HALFWAY

    def seat(self, slug: str) -> Seat | None:
        """Return the user's place in the firm of this address, if there is one."""
        return next((seat for seat in self.seats if seat.slug == slug), None)

    @property
    def highest(self) -> UserRole | None:
        """Return the highest role that the user has anywhere."""
        return max((seat.role for seat in self.seats), default=None)

    @property
    def must_add_factor(self) -> bool:
        """Tell whether a firm demands a second factor that the user does not have."""
        return not self.user.has_factor and any(seat.demands_factor for seat in self.seats)


# The least role for what an entry of the audit tells, by the beginning of its action; the longest one counts. What is
# not named is for administrators.
_LEAST = {
    "case": UserRole.MANAGER,
    "campaign": UserRole.MANAGER,
    "do_not_call": UserRole.MANAGER,
    "import": UserRole.MANAGER,
    "case.view": UserRole.VIEWER,
}
# What casedial goes on with, after the user who wanted it was allowed to; and what users do to their own account.
_FREE = ("case.change.done", "case.change.undone", "import.done", "import.undone", "account")


def least_for(action: str) -> UserRole | None:
    """Return the least role that a user needs in the firm for what the audit calls so; None: none."""
    if action.startswith(_FREE):
        return None
    fitting = [begin for begin in _LEAST if action == begin or action.startswith(f"{begin}.")]
    return _LEAST[max(fitting, key=len)] if fitting else UserRole.ADMINISTRATOR


# The first segments of the console's own addresses, which no firm may have.
RESERVED = frozenset(("account", "users", "static", "sign-in", "sign-out", "password", "factor", "firms"))
_LONGEST_SLUG = 40
_BY_NUMBER = re.compile("firm-[0-9]+")


def slug_of(name: str) -> str:
    """Return what a firm may be called in addresses, made from its name: lowercase letters, digits and hyphens."""
    words = re.findall("[a-z0-9]+", fold(name).replace("'", "").replace("’", ""))
    slug = "-".join(words)[:_LONGEST_SLUG].strip("-")
    return "" if slug in RESERVED or _BY_NUMBER.fullmatch(slug) else slug


def slug_by_number(firm_id: int) -> str:
    """Return what a firm is called in addresses that has no slug: an older casedial made it."""
    return f"firm-{firm_id}"
