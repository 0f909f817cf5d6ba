"""A firm's statuses as JSON, and what a request wants of them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from casedial.domain.statuses import Flag, Role, Status, StatusType, type_of
from casedial.wire import values
from casedial.wire.documents import Parameters
from casedial.wire.v1.lists import several

MOST_ORDERED = 1000
_ROLES = {Role.TO_DIAL: "ToDial", Role.IN_THE_DIALER: "InTheDialer", Role.DO_NOT_DIAL: "DoNotDial"}


class ManagedStatus(msgspec.Struct, frozen=True):
    """A status. Role is what a Dialer Status means whatever it is called, Flags what a disposition means."""

    StatusID: int
    Type: str
    Name: str
    Role: str | None
    Flags: list[Flag]
    Retired: bool


class StatusList(msgspec.Struct, frozen=True):
    """The statuses of a firm, of one type or of all, in its order."""

    Statuses: list[ManagedStatus]


def status_reply(status: Status) -> ManagedStatus:
    """Show a status."""
    role = _ROLES[status.role] if status.role else None
    return ManagedStatus(status.id, status.type.label, status.name, role, sorted(status.flags), status.retired)


@dataclass(frozen=True, slots=True)
class StatusPatch:
    """What a request wants of a status: None leaves it as it is."""

    name: str | None
    flags: list[Flag] | None
    retired: bool | None


def listed_type(given: Parameters) -> StatusType | None:
    """Read of which type statuses are to be listed, None for all."""
    return given.optional("Type", _type)


def new_status(given: Parameters) -> tuple[StatusType, str]:
    """Read a status that is to be added."""
    return given.required("Type", _type), given.required("Name", values.name)


def status_patch(given: Parameters) -> StatusPatch:
    """Read what is to be changed of a status."""
    for name in ("StatusID", "Type", "Role"):  # of what was read, and is sent back changed
        given.every(name)
    return StatusPatch(
        given.optional("Name", values.name),
        several(given, "Flags", _flag, len(Flag)),
        given.optional("Retired", values.boolean),
    )


def status_order(given: Parameters) -> tuple[StatusType, list[str]]:
    """Read which statuses of a type are to be the first ones."""
    kind, first = given.required("Type", _type), several(given, "Names", _name, MOST_ORDERED)
    if first is None:
        given.required("Names", _name)
    return kind, first or []


def _type(value: object) -> StatusType:
    kind = type_of(value) if isinstance(value, str) else None
    if kind is None:
        raise ValueError(f"must be one of {', '.join(kind.label for kind in StatusType)}")
    return kind


def _flag(value: object) -> Flag:
    try:
        return Flag(str(value).strip().lower())
    except ValueError:
        raise ValueError(f"must be some of {', '.join(Flag)}") from None


def _name(value: object) -> str:
    return values.name(value) or ""
