"""A firm's four status types with the statuses it chose."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum, StrEnum
from functools import cached_property
from itertools import accumulate

from casedial.domain.errors import FieldError, RetiredStatus, StatusNotFound, UnknownStatus
from casedial.domain.names import NAME_LIMIT, fold

_NOT_LETTER_OR_DIGIT = re.compile(r"[\W_]+")


def is_count(name: str) -> bool:
    """Tell whether a name can be that of an Attempts status: ASCII digits, which dialers send as a number."""
    return name.isascii() and name.isdigit()


class StatusType(IntEnum):
    """The four status types of the specification, in its order. Values are stored."""

    DIALER = 1
    DISPOSITION = 2
    CAMPAIGN = 3
    ATTEMPTS = 4

    __hash__ = int.__hash__  # that of an Enum is Python code, and statuses are looked up by type everywhere

    @property
    def label(self) -> str:
        """Return the name the specification gives this type."""
        return _LABELS[self]


_LABELS = {
    StatusType.DIALER: "Dialer Status",
    StatusType.DISPOSITION: "Last Dialer Disposition",
    StatusType.CAMPAIGN: "Campaign Status",
    StatusType.ATTEMPTS: "Attempts Status",
}


def type_of(text: str) -> StatusType | None:
    """Return the type that is called so, by its whole name or its first word; None where there is none."""
    wanted = fold(text)
    for kind, label in _LABELS.items():
        whole = fold(label)
        if wanted in (whole, whole.removesuffix(" status"), whole.removeprefix("last dialer ")):
            return kind
    return None


class Role(IntEnum):
    """What a Dialer Status means, whatever a firm calls it. Values are stored and indexed."""

    TO_DIAL = 1
    IN_THE_DIALER = 2
    DO_NOT_DIAL = 3


class Flag(StrEnum):
    """What a Last Dialer Disposition means, whatever a firm calls it. Values are stored.

    ATTEMPT: somebody was rung. CONVERSATION: and spoken with. OPT_OUT: who must not be called any more. FINAL: nothing
    is left to dial for.
    """

    ATTEMPT = "attempt"
    CONVERSATION = "conversation"
    OPT_OUT = "opt-out"
    FINAL = "final"

    __hash__ = str.__hash__  # as of StatusType: each report is asked for its flags


@dataclass(frozen=True, slots=True)
class Status:
    """One status of one firm; ``role`` is set on exactly three Dialer Statuses of each firm, flags on dispositions."""

    id: int
    type: StatusType
    name: str
    role: Role | None = None
    retired: bool = False
    flags: frozenset[Flag] = frozenset()


def first_flags(kind: StatusType, name: str) -> frozenset[Flag]:
    """Return the flags that a new status has: what a dialer reports says that somebody was rung, by most names."""
    if kind is not StatusType.DISPOSITION or fold(name) == fold("Never Dialed"):
        return frozenset()
    return frozenset({Flag.ATTEMPT, Flag.CONVERSATION} if fold(name) == fold("Successful") else {Flag.ATTEMPT})


# What a new firm starts with: the typical statuses of the specification. Campaign Status has none.
STANDARD_STATUSES: tuple[tuple[StatusType, str, Role | None], ...] = (
    (StatusType.DIALER, "To Dial", Role.TO_DIAL),
    (StatusType.DIALER, "In the Dialer", Role.IN_THE_DIALER),
    (StatusType.DIALER, "Do not Dial", Role.DO_NOT_DIAL),
    *(
        (StatusType.DISPOSITION, name, None)
        for name in ("Never Dialed", "Busy", "No Answer", "Answering Machine", "Successful")
    ),
    *((StatusType.ATTEMPTS, str(count), None) for count in range(21)),
)


class StatusesStale(Exception):
    """A case has a status that was added after the firm was read: read the firm anew and start over."""


_HELD = 10_000  # sets of statuses that are remembered, of each kind
_LISTED = 200  # characters of names that an error lists: a batch may have a thousand such items


class Statuses:
    """A firm's statuses, found by id, by name (trimmed, case-folded) or by role."""

    def __init__(self, statuses: Iterable[Status]) -> None:
        self.all = tuple(statuses)
        self._by_id = {status.id: status for status in self.all}
        self._by_name = {(status.type, fold(status.name)): status for status in self.all}
        # Most names are sent as they are spelled here, and need no folding.
        self._by_name |= {(status.type, status.name): status for status in self.all}
        self._by_role = {status.role: status for status in self.all if status.role}
        self.ids = frozenset(self._by_id)
        self._held: dict[tuple[int | None, ...], Mapping[StatusType, Status]] = {}
        self._told: dict[tuple[str | None, ...], Mapping[StatusType, Status | None]] = {}

    def of(self, status_type: StatusType) -> list[Status]:
        """Return the statuses of one type, retired ones too, in the firm's order."""
        return [status for status in self.all if status.type == status_type]

    def by_id(self, status_id: int | None) -> Status | None:
        """Return the status with this id; None stays None. Raises StatusesStale for an id they do not have."""
        if status_id is None:
            return None
        try:
            return self._by_id[status_id]
        except KeyError:
            raise StatusesStale from None

    def known(self, status_id: int, kind: StatusType) -> Status:
        """Return the status with this id, or what stands for one that the firm has no more: nobody can set it."""
        return self._by_id.get(status_id) or Status(status_id, kind, "", retired=True)

    def held(
        self, dialer: int | None, campaign: int | None, attempts: int | None, disposition: int | None
    ) -> Mapping[StatusType, Status]:
        """Return what a case has that has the statuses with these ids. Raises StatusesStale.

        Most cases of a list have the same, and so the same mapping.
        """
        ids = dialer, campaign, attempts, disposition
        held = self._held.get(ids)
        if held is None:
            if len(self._held) >= _HELD:
                self._held.clear()
            kinds = StatusType.DIALER, StatusType.CAMPAIGN, StatusType.ATTEMPTS, StatusType.DISPOSITION
            found = zip(kinds, map(self.by_id, ids), strict=True)
            held = self._held[ids] = {kind: status for kind, status in found if status}
        return held

    def with_role(self, role: Role) -> Status:
        """Return the one Dialer Status that has this role."""
        return self._by_role[role]

    def find(self, status_type: StatusType, name: str) -> Status | None:
        """Return the status of this name, retired or not, or None."""
        return self._by_name.get((status_type, name)) or self._by_name.get((status_type, fold(name)))

    def spelled_like(self, status_type: StatusType, name: str) -> Status | None:
        """Return the status that differs from ``name`` only in case, blanks and punctuation, if there is one."""

        def bare(text: str) -> str:
            return _NOT_LETTER_OR_DIGIT.sub("", fold(text)) or fold(text)

        return next((status for status in self.of(status_type) if bare(status.name) == bare(name)), None)

    def named(self, status_type: StatusType, name: str) -> Status:
        """Return the status of this name, retired or not. Raises StatusNotFound."""
        status = self.find(status_type, name)
        if status is None:
            meant = self._meant(status_type, name)
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise StatusNotFound(f"The firm has no {status_type.label} named {name[:80]!r}.{hint}")
        return status

    def _meant(self, status_type: StatusType, name: str) -> str | None:
        """Return the name that is most like this one, None where none is like it."""
        names = {fold(status.name): status.name for status in self.of(status_type)}
        alike = get_close_matches(fold(name)[:NAME_LIMIT], names, 1)
        return names[alike[0]] if alike else None

    def to_set(self, status_type: StatusType, name: str, pointer: str) -> Status:
        """Return the status a caller may set by this name.

        Raises UnknownStatus or RetiredStatus, naming the field at ``pointer``.
        """
        status = self.find(status_type, name)
        if status is None:
            detail = f"{name[:80]!r} is not one of the firm's {status_type.label} names{self._listed(status_type)}."
            raise UnknownStatus(detail, [FieldError(pointer, detail, name)])
        if status.retired:
            detail = f"The {status_type.label} {status.name!r} is retired and can no longer be set."
            raise RetiredStatus(detail, [FieldError(pointer, detail, name)])
        return status

    def all_to_set(
        self, dialer: str | None, disposition: str | None, attempts: str | None, pointer: str
    ) -> Mapping[StatusType, Status | None]:
        """Return the statuses that one report of a dialer sets. Raises what ``to_set`` does.

        Most reports set the same, and so share one mapping.
        """
        names = dialer, disposition, attempts
        told = self._told.get(names)
        if told is None:
            kinds = StatusType.DIALER, StatusType.DISPOSITION, StatusType.ATTEMPTS
            fields = zip(kinds, names, ("Status", "Disposition", "Attempts"), strict=True)
            told = {kind: self.to_set(kind, name, f"{pointer}/{field}") for kind, name, field in fields if name}
            if len(self._told) >= _HELD:
                self._told.clear()
            self._told[names] = told
        return told

    def _listed(self, status_type: StatusType) -> str:
        """Return the names that may be set, as the end of a sentence; of a long list only the first."""
        names = [status.name for status in self.of(status_type) if not status.retired]
        room = accumulate(len(name) + 2 for name in names)
        shown = [name for name, length in zip(names, room, strict=True) if length <= _LISTED]
        more = [f"{len(names) - len(shown)} more"] if len(shown) < len(names) else []
        return f": {', '.join(shown + more)}" if names else ", which has none"

    @cached_property
    def highest_count(self) -> Status | None:
        """Return the Attempts status of the highest count that may be set, None where no name is a count."""
        counts = (status for status in self.of(StatusType.ATTEMPTS) if not status.retired and is_count(status.name))
        return max(counts, key=lambda status: int(status.name), default=None)
