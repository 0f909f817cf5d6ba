"""The do-not-call list: look at it, find, add, take off, read a file in."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import IO

from casedial.console import editing
from casedial.console.answers import Answer, Page, Redirect
from casedial.console.editing import DO, EDIT, SAVE
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.calling import Listing
from casedial.domain.errors import InvalidSetting
from casedial.domain.phones import listed_numbers
from casedial.domain.users import UserRole
from casedial.service.operations import do_not_call as operations
from casedial.service.operations.do_not_call import ListTotal
from casedial.wire.listings import LISTING_COLUMNS, read_listings
from casedial.wire.values import MAX_CASE_ID

_MOST_TYPED, _MOST_SHOWN = 1000, 100
_MOST_READ = 100_000  # rows of a file, within a request: some seconds
_COUNTS = (
    "Nobody calls these numbers in any case, nor these cases, from the next claim on and on every server.",
    "Cases that are To Dial and have no other number become Do not Dial when a claim meets them.",
)


async def _shown(visit: Visit, errors: FormErrors | None = None, opened: str = "") -> Page:
    errors, query = errors or FormErrors(), visit.query
    found = shelf = None
    of_cases, sought = query.text("of") == "cases", query.text("find")
    if sought:
        with errors.at("find"):
            found = await operations.concerned(visit.store, visit.actor, visit.firm.name, *_sought(sought))
    if found is None:
        after, before = (_place(query.text(name), of_cases) for name in ("after", "before"))
        shelf = await operations.shelf(visit.store, visit.actor, visit.firm.name, of_cases, after, before)
    may = visit.may(UserRole.MANAGER)
    values = {"found": found, "shelf": shelf, "of_cases": of_cases, "sought": sought, "may": may, "opened": opened}
    return Page("do_not_call.html", {**values, "columns": ", ".join(LISTING_COLUMNS)}, errors)


def _place(text: str, of_cases: bool) -> str | int | None:
    """Return where a page begins or ends; an address that was tampered with leads to the first one."""
    if not of_cases:
        return text or None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _sought(text: str) -> tuple[list[str], list[int]]:
    """Return what somebody looks for: a number in any writing, or a CaseID. Raises InvalidSetting."""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return [], [int(text)]
    return listed_numbers(text), []


async def entries(visit: Visit) -> Answer:
    """Show the list, or what is on it of a number or a case."""
    return await _shown(visit)


def _numbers(visit: Visit, errors: FormErrors) -> list[str]:
    found: list[str] = []
    with errors.at("numbers"):
        for line in visit.form.text("numbers").splitlines():
            found += listed_numbers(line) if line.strip() else []
        if len(found) > _MOST_TYPED:
            raise InvalidSetting(f"These are {len(found):,} numbers: read more than {_MOST_TYPED:,} in from a file.")
    return list(dict.fromkeys(found))


def _cases(visit: Visit, errors: FormErrors) -> list[int]:
    found: list[int] = []
    for word in visit.form.text("cases").replace(",", " ").split():
        if not (word.isascii() and word.isdecimal() and len(word) < 19 and 1 <= int(word) <= MAX_CASE_ID):
            errors.add("cases", f"{word[:40]!r} is not a CaseID.")
            return []
        found.append(int(word))
    if len(found) > _MOST_TYPED:
        errors.add("cases", f"At most {_MOST_TYPED:,} at once.")
    return list(dict.fromkeys(found))


async def add(visit: Visit) -> Answer:
    """Tell what an addition to the list does, and make it where it was looked over."""
    errors = FormErrors()
    numbers, case_ids = _numbers(visit, errors), _cases(visit, errors)
    if not errors and not numbers and not case_ids:
        errors.add("numbers", "Type at least one number, or one CaseID below.")
    if errors or visit.form.text(DO) == EDIT:
        return await _shown(visit, errors, "add")
    if visit.form.text(DO) == SAVE:
        with errors.at("cases"):
            listings = [*_listings(visit, numbers, case_ids)]
            added = await operations.add(visit.store, visit.actor, visit.firm.name, listings)
            known = len(listings) - added
            return Redirect(visit.to("do-not-call"), said=f"{added:,} added, {known:,} on the list already.")
        return await _shown(visit, errors, "add")
    found = await operations.concerned(visit.store, visit.actor, visit.firm.name, numbers, case_ids)
    total, known = len(numbers) + len(case_ids), len(found.listed)
    told = [("On the list", f"{known:,} of these {total:,}", f"all {total:,}")]
    with_them = ", ".join(map(str, found.cases)) + ("" if found.are_all else " and more")
    notes = [*_COUNTS, *([f"Cases that have one of these numbers: {with_them}."] if found.cases else [])]
    return editing.review(visit, "Add to the do-not-call list?", told, None, notes, button="Add")


def _listings(visit: Visit, numbers: Sequence[str], case_ids: Sequence[int]) -> Iterator[Listing]:
    today, source = visit.now.date(), visit.form.text("source") or f"added by {visit.user.name}"
    yield from (Listing(today, source, number=number) for number in numbers)
    yield from (Listing(today, source, case_id=case_id) for case_id in case_ids)


async def remove(visit: Visit) -> Answer:
    """Take an entry off the list, and say which cases stay Do not Dial."""
    errors, form = FormErrors(), visit.form
    numbers, case_ids = _numbers(visit, errors), _cases(visit, errors)
    if not form.text("reason"):
        errors.add("reason", "Say why: it is written into the audit.")
    if errors or not (numbers or case_ids):
        return await _ask_removal(visit, errors)
    with errors.at("reason"):
        firm, removed = await operations.remove(
            visit.store, visit.actor, visit.firm.name, numbers, case_ids, form.text("reason")
        )
        values = {"removed": removed, "stay": [(one, standing.words(firm)) for one, standing in removed.do_not_dial]}
        return Page("do_not_call_removed.html", values)
    return await _ask_removal(visit, errors)


async def _ask_removal(visit: Visit, errors: FormErrors) -> Page:
    numbers, cases = visit.form.text("numbers"), visit.form.text("cases")
    return Page("do_not_call_remove.html", {"numbers": numbers, "cases": cases}, errors)


async def ask_removal(visit: Visit) -> Answer:
    """Ask why an entry is to be taken off."""
    values = {"numbers": visit.query.text("number"), "cases": visit.query.text("case")}
    return Page("do_not_call_remove.html", values)


async def receive(visit: Visit) -> Answer:
    """Read a file in, or only look through it."""
    upload, errors = visit.files.get("file"), FormErrors()
    if upload is None or not upload.name:
        errors.add("file", "Choose a file first.")
        return await _shown(visit, errors, "import")
    only_check = visit.form.text(DO) != SAVE
    source = visit.form.text("source") or upload.name[:200]
    with errors.at("file"):
        rows, told = await asyncio.to_thread(_rows_of, upload.file, source)  # before anything is written
        if len(rows) > _MOST_READ:
            raise InvalidSetting(
                f"This file has more than {_MOST_READ:,} rows. Nothing was changed: send it in parts, or have it read "
                "in at the server, by casedial dnc import."
            )
        if only_check:
            total = await operations.look_through(visit.store, visit.actor, visit.firm.name, rows)
        else:
            total = await operations.import_list(visit.store, visit.actor, visit.firm.name, rows)
        return _read(upload.name, total, told, only_check)
    return await _shown(visit, errors, "import")


def _rows_of(file: IO[bytes], source: str) -> tuple[list[Listing | str], list[str]]:
    """Return the rows of a file, one more at most than are taken, and what is unusual about it."""
    with read_listings(file, source) as (every, told):
        return list(islice(every, _MOST_READ + 1)), told


def _read(name: str, total: ListTotal, told: list[str], only_check: bool) -> Page:
    values = {"name": name, "total": total, "told": told, "only_check": only_check, "bad": total.bad[:_MOST_SHOWN]}
    return Page("do_not_call_read.html", values)


_HERE = "/{firm}/do-not-call"
ROUTES = (
    Route("GET", _HERE, entries, UserRole.VIEWER),
    Route("POST", f"{_HERE}/add", add, UserRole.MANAGER),
    Route("GET", f"{_HERE}/remove", ask_removal, UserRole.MANAGER),
    Route("POST", f"{_HERE}/remove", remove, UserRole.MANAGER),
    Route("POST", f"{_HERE}/import", receive, UserRole.MANAGER, takes_files=True),
)
