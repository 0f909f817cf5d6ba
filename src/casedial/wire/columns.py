"""The columns of an import file: what they are called, what somebody may have meant, what ``--map`` says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from casedial.domain.errors import InvalidSetting
from casedial.domain.importing import STATUS_COLUMNS
from casedial.wire.documents import canonical

FACTS = {"CaseStatus": "case_status", "CaseGroup": "case_group", "ZipCode": "zip_code", "Plaintiff": "plaintiff"}
STATUSES = {column: kind for kind, column in STATUS_COLUMNS.items()}
DATE_COLUMNS = ("DialDateTime", "Closed")
PHONE = re.compile(r"phone([1-9][0-9]{0,2})(name|primary|text)?")
PHONE_FIELDS = {None: "number", "name": "name", "primary": "primary", "text": "text"}
REJECT_COLUMNS = ("RejectLine", "RejectColumn", "RejectReason")
REJECT = {canonical(column) for column in REJECT_COLUMNS}

_SINGLE = {
    canonical(column): column
    for column in ("CaseID", "Closed", "DialDateTime", "Priority", "Phones", *FACTS, *STATUSES)
}
_ALIKE = 0.85  # of 1: "Phne1" is like "Phone1", "Case Number" is like nothing here
_LISTED = 20  # columns that an error lists

Names = Mapping[str, str]  # what --map says: the names of a file's columns, in canonical form, and what they mean
NO_NAMES: Names = {}


def is_known(column: str) -> bool:
    """Tell whether a column means something here."""
    name = canonical(column)
    return name in _SINGLE or name in REJECT or PHONE.fullmatch(name) is not None


def meant(column: str, there: Iterable[str]) -> str | None:
    """Return the column that a misspelt one is like, unless the file has that already."""
    number = re.search(r"[1-9][0-9]{0,2}", column)
    phone = f"Phone{number[0] if number else 1}"
    phones = {canonical(phone + field): phone + field for field in ("", "Name", "Primary", "Text")}
    taken = {"phones", *map(canonical, there)}  # a list of phones is for JSON Lines
    missing = {name: shown for name, shown in (_SINGLE | phones).items() if name not in taken}
    return next((missing[name] for name in get_close_matches(canonical(column), missing, 1, _ALIKE)), None)


def read_map(given: Sequence[str]) -> Names:
    """Read what ``--map`` was given: ``Case Number=CaseID``, once for each column. Raises InvalidSetting."""
    names: dict[str, str] = {}
    for text in given:
        source, equals, target = (part.strip() for part in text.rpartition("="))
        if not (source and equals and target):
            raise InvalidSetting(
                f'--map {text[:80]!r}: write the column in the file, =, and its name here, as in "Case Number=CaseID".'
            )
        if not is_known(target) or canonical(target) in REJECT:
            hint = meant(target, ())
            ask = f"did you mean {hint}?" if hint else f"it has {', '.join(_SINGLE.values())}, Phone1, Phone1Name …"
            raise InvalidSetting(f"--map {text[:80]!r}: import has no column {target[:80]!r}; {ask}")
        if names.get(canonical(source), target) != target:
            both = f"{names[canonical(source)]} and {target}"
            raise InvalidSetting(f"--map gives the column {source[:80]!r} two meanings: {both}.")
        names[canonical(source)] = target
    targets = [canonical(target) for target in names.values()]
    if doubled := next((target for target in names.values() if targets.count(canonical(target)) > 1), None):
        raise InvalidSetting(f"--map gives two columns of the file the meaning {doubled}: give it to one of them.")
    return names


def renamed(columns: Iterable[str], names: Names) -> list[str]:
    """Return the columns by what they mean."""
    return [names.get(canonical(column), column) for column in columns]


def checked(columns: Sequence[str], names: Names) -> list[str]:
    """Return the columns of a file by what they mean. Raises InvalidSetting where ``--map`` does not fit the file."""
    there = {canonical(column): column for column in columns if column}
    for source, target in names.items():
        if source not in there:
            like = get_close_matches(source, there, 1, 0.6)
            hint = f" Did you mean {there[like[0]]!r}?" if like else ""
            has = listed(columns)
            raise InvalidSetting(f"--map {source}={target}: the file has no such column. It has {has}.{hint}")
        if canonical(target) in there and canonical(target) not in names:
            raise InvalidSetting(
                f"--map {there[source]}={target}: the file already has a column {there[canonical(target)]!r}. Remove "
                "one of the two from the file, or map the other one to something else."
            )
    return renamed(columns, names)


def listed(columns: Iterable[str]) -> str:
    """Show the columns of a file; of many only the first."""
    shown = [repr(column[:80]) for column in columns if column]
    return ", ".join(shown[:_LISTED]) + (f" and {len(shown) - _LISTED} more" if shown[_LISTED:] else "")
