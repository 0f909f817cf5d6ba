"""How the phones of a case are changed one by one, and what is told of it: who changed which phone, and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest

from casedial.domain.actors import Actor
from casedial.domain.cases import NO_PHONE, Case, Phone
from casedial.domain.errors import InvalidSetting, PhoneNotFound
from casedial.domain.importing import kept_phones
from casedial.domain.names import NAME_LIMIT, fold
from casedial.domain.phones import PHONE_LIMIT, Kind, key_of, read, split


@dataclass(frozen=True, slots=True)
class PhoneChange:
    """One change of one phone of a case; ``before`` None: it was added, ``after`` None: it was removed."""

    case_id: int
    before: Phone | None
    after: Phone | None
    changed_at: datetime
    actor: Actor

    @property
    def changed_by(self) -> str:
        """Return the name of who made it."""
        return self.actor.name


def changes_of_phones(before: Case, after: Case, by: Actor, now: datetime) -> list[PhoneChange]:
    """Return what became of each phone, by its place."""
    pairs = zip_longest(before.phones, after.phones, fillvalue=NO_PHONE)
    return [
        PhoneChange(after.case_id, old if old.number else None, new if new.number else None, now, by)
        for old, new in pairs
        if old != new
    ]


@dataclass(frozen=True, slots=True)
class PhoneEdit:
    """What is to change of a phone; None leaves it as it is."""

    number: str | None = None
    name: str | None = None
    primary: bool | None = None
    text: bool | None = None


def with_phone(case: Case, edit: PhoneEdit) -> Case:
    """Return a case with one phone more, behind the others. Raises InvalidSetting."""
    number = _number(case, edit.number or "")
    phone = Phone(_name(edit.name or ""), number, bool(edit.primary), bool(edit.text))
    return _with(case, len(case.phones), phone)


def with_changed(case: Case, which: str, edit: PhoneEdit) -> Case:
    """Return a case with one of its phones changed. Raises PhoneNotFound or InvalidSetting."""
    place, part = _find(case, which)
    phone = case.phones[place]
    if edit.number is not None:
        numbers = list(split(phone.number))
        numbers[part] = _number(case, edit.number, numbers[part])
        phone = phone._replace(number=_cell(numbers))
    if edit.name is not None:
        phone = phone._replace(name=_name(edit.name))
    if edit.primary is not None:
        phone = phone._replace(primary=edit.primary)
    if edit.text is not None:
        phone = phone._replace(text=edit.text)
    return _with(case, place, phone)


def without_phone(case: Case, which: str) -> Case:
    """Return a case without one of its phones; the others keep their places, by which files find them.

    Raises PhoneNotFound or InvalidSetting.
    """
    place, part = _find(case, which)
    numbers = list(split(case.phones[place].number))
    del numbers[part]
    return _with(case, place, case.phones[place]._replace(number=_cell(numbers)))


def _with(case: Case, place: int, phone: Phone) -> Case:
    """Return a case with a phone at a place; of all phones one is primary."""
    phones = [one._replace(primary=False) if phone.primary else one for one in case.phones]
    return replace(case, phones=kept_phones([*phones[:place], phone, *phones[place + 1 :]]))


def _cell(numbers: list[str]) -> str:
    cell = " / ".join(numbers)
    if len(cell) > PHONE_LIMIT:
        raise InvalidSetting(f"A phone has at most {PHONE_LIMIT} characters.")
    return cell


def _find(case: Case, which: str) -> tuple[int, int]:
    """Return the place of the phone that has a number or a name, and the number's among several in one cell."""
    key = key_of(which.strip()[:PHONE_LIMIT])
    found = [
        (place, part)
        for place, phone in enumerate(case.phones)
        for part, number in enumerate(split(phone.number) if phone.number else ())
        if (key_of(number) == key if key else fold(which) in (fold(phone.name), fold(number)))
    ]
    if not found:
        raise PhoneNotFound(f"Case {case.case_id} has no phone {which[:PHONE_LIMIT]!r}. {_listed(case)}")
    if len(found) > 1:
        several = f"Case {case.case_id} has {len(found)} phones {which[:PHONE_LIMIT]!r}"
        raise InvalidSetting(f"{several}: name one by its number. {_listed(case)}")
    return found[0]


def _listed(case: Case) -> str:
    there = ", ".join(f"{phone.name} {phone.number}".strip() for phone in case.each_phone())
    return f"It has: {there}." if there else "It has none."


def _number(case: Case, entered: str, instead_of: str = "") -> str:
    """Return a number as it is stored: as it was entered. Raises InvalidSetting for one that cannot be dialed."""
    number = entered.strip()
    if not number or len(number) > PHONE_LIMIT or len(split(number)) > 1:
        raise InvalidSetting(f"Give one phone number, of at most {PHONE_LIMIT} characters.")
    found = read(number)
    if found.kind is Kind.DOUBTFUL:
        raise InvalidSetting(f"{number!r} cannot be dialed: it {found.why}.")
    if found.key != key_of(instead_of) and found.key in {key_of(phone.number) for phone in case.each_phone()}:
        raise InvalidSetting(f"Case {case.case_id} already has this number. {_listed(case)}")
    return number


def _name(text: str) -> str:
    name = text.strip()
    if len(name) > NAME_LIMIT or not name.isprintable():
        raise InvalidSetting(f"A phone's name is one line of at most {NAME_LIMIT} characters.")
    return name
