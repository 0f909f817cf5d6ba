"""Who did something: a dialer's key, a person, a program of casedial's own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ActorKind(IntEnum):
    """What an actor is. Values are stored."""

    KEY = 1  # of a dialer's vendor, or of a system of the firm's own
    USER = 2  # who signed in to the console
    COMMAND_LINE = 3
    IMPORT = 4
    POLICY = 5  # of a campaign: when to try again, when to give up
    CASEDIAL = 6  # what nobody asked for


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: its kind, its name as it was then, and the id of its key or user, where that is known.

    ``origin`` is where from: a machine, an address.
    """

    kind: ActorKind
    name: str
    id: int | None = None
    origin: str = ""

    def is_same_vendor(self, other: Actor) -> bool:
        """Tell whether both are keys of one vendor: what one of them did, the other may go on with."""
        return self.kind is other.kind is ActorKind.KEY and self.name == other.name


CASEDIAL = Actor(ActorKind.CASEDIAL, "casedial")
IMPORT = Actor(ActorKind.IMPORT, "import")
POLICY = Actor(ActorKind.POLICY, CASEDIAL.name)
_COMMAND_LINE = "(command line)"


def operator(user: str, machine: str = "") -> Actor:
    """Return a user of a machine who works at the command line."""
    return Actor(ActorKind.COMMAND_LINE, f"{user} {_COMMAND_LINE}", origin=machine)


def own_kind(name: str) -> ActorKind | None:
    """Return what casedial itself signs with a name, which no vendor may have; None for any other name."""
    if name.endswith(_COMMAND_LINE):
        return ActorKind.COMMAND_LINE
    return {own.name: own.kind for own in (CASEDIAL, IMPORT)}.get(name)
