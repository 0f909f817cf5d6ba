"""casedial dnc: add, remove, import, export."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, change, count, fail, run, show_json
from casedial.cli.output import Output, is_standard, opened, text_of
from casedial.domain.calling import Listing
from casedial.domain.cases import Firm
from casedial.domain.errors import CasedialError, CaseNotFound, EndedHalfway, InvalidSetting
from casedial.service import calling
from casedial.service import do_not_call as service
from casedial.service.do_not_call import Removed
from casedial.service.firms import open_firm
from casedial.storage import do_not_call as stored
from casedial.storage.engine import Store, Transaction
from casedial.wire.dates import written_day
from casedial.wire.documents import canonical
from casedial.wire.sheets import Header, Sheet, as_text, open_sheet, seekable
from casedial.wire.values import MAX_CASE_ID

app = typer.Typer(
    help="The do-not-call list of a firm: numbers and cases that are never given out.", no_args_is_help=True
)

_COLUMNS = ("Number", "CaseID", "Date", "Source")
_AT_ONCE = 1000
_SHOWN = 20  # cases that stay Do not Dial, with by whom

Numbers = Annotated[list[str] | None, typer.Argument(metavar="[NUMBER]...", help="Phone numbers.", show_default=False)]
Cases = Annotated[
    list[int] | None,
    typer.Option("--case", metavar="CASEID", min=1, max=MAX_CASE_ID, help="A case; may repeat.", show_default=False),
]
Source = Annotated[str, typer.Option(help="Who asked for it, or where it comes from.", show_default=False)]


def _read(numbers: Sequence[str] | None, cases: Sequence[int] | None, as_json: bool) -> tuple[list[str], list[int]]:
    if not numbers and not cases:
        fail(InvalidSetting("Name numbers, or cases with --case."), as_json)
    try:
        return [number for text in numbers or () for number in service.read_numbers(text)], list(cases or ())
    except InvalidSetting as error:
        fail(error, as_json)


@app.command()
def add(
    firm: FirmName,
    numbers: Numbers = None,
    case: Cases = None,
    source: Source = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Never give out these numbers, of whatever case, or these cases. Counts at once, on every server."""
    named, case_ids = _read(numbers, case, as_json)
    today = datetime.now(UTC).date()
    listings = [
        *(Listing(today, source.strip(), number=number) for number in named),
        *(Listing(today, source.strip(), case_id=case_id) for case_id in case_ids),
    ]

    async def on_firm(tx: Transaction) -> int:
        opened = await open_firm(tx, firm, lock=True)
        if unknown := await service.unknown_cases(tx, opened, case_ids):
            raise CaseNotFound(f"{opened.name} has no case {', '.join(map(str, unknown))}. Nothing was added.")
        return await service.add(tx, opened, listings)

    added = change(on_firm, database_url, as_json)
    known = len(listings) - added
    if as_json:
        show_json({"added": added, "known": known})
    else:
        typer.echo(f"{added} added, {known} known before.")


@app.command()
def remove(
    firm: FirmName,
    numbers: Numbers = None,
    case: Cases = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take numbers or cases off the list. Says which cases stay Do not Dial, and how to set them back."""
    named, case_ids = _read(numbers, case, as_json)

    async def on_firm(tx: Transaction) -> tuple[Firm, Removed]:
        opened = await open_firm(tx, firm, lock=True)
        return opened, await service.remove_and_tell(tx, opened, named, case_ids)

    async def work(store: Store) -> tuple[Firm, Removed]:
        opened, removed = await store.transact(on_firm)
        await calling.look_again(store, opened.id)
        return opened, removed

    opened, removed = run(work, database_url, as_json)
    left = [case_id for case_id, _ in removed.do_not_dial]
    back = f"casedial cases set {' '.join(map(str, left))} --to-dial --firm {quote(opened.name)} --yes"
    if as_json:
        show_json({"removed": removed.entries, "do_not_dial": left, "set_back": back if left else None})
        return
    typer.echo(f"{removed.entries} removed.")
    if left:
        _show_left(opened, removed, back)


def _show_left(firm: Firm, removed: Removed, back: str) -> None:
    """Say which cases stay Do not Dial, by whom, and how to set them back."""
    stay = f"{count(len(removed.do_not_dial), 'case')} {'stays' if len(removed.do_not_dial) == 1 else 'stay'}"
    typer.echo(f"{stay} Do not Dial, for taking an entry off the list sets no status:")
    for case_id, standing in removed.do_not_dial[:_SHOWN]:
        typer.echo(f"  {case_id}: {standing.words(firm)}")
    if more := len(removed.do_not_dial[_SHOWN:]):
        typer.echo(f"  … and {more} more")
    typer.echo(f"If they may be dialed again, set them back: {back}")
    if not removed.are_all:
        typer.echo("There are more. Set these back, and give this command again for the next.")


@dataclass(slots=True)
class _Total:
    added: int = 0
    known: int = 0
    bad: list[str] = field(default_factory=list)  # rows that cannot be read, each with why
    unknown: list[int] = field(default_factory=list)  # cases that the firm does not have, or not yet
    told: list[str] = field(default_factory=list)  # what is unusual about the file


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help=f"CSV with a header: {', '.join(_COLUMNS)}.", exists=True, dir_okay=False, show_default=False
        ),
    ],
    firm: FirmName,
    source: Source = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add the entries of a file; what is listed already stays as it is. Exits 1 when some rows were bad."""

    async def work(store: Store) -> _Total:
        total = _Total()
        batch: list[Listing] = []
        with file.open("rb") as raw:
            lines, total.told = as_text(seekable(raw))
            sheet = open_sheet(lines, _HEADER)
            total.told += sheet.told
            try:
                for listing in _rows(sheet, source, total):
                    batch.append(listing)
                    if len(batch) == _AT_ONCE:
                        await _add_batch(store, firm, batch, total)
            except csv.Error as error:
                read = f"{total.added} entries before that were added"
                line = sheet.above + sheet.reader.line_num
                raise InvalidSetting(f"line {line} is not CSV: {error}; {read}.") from None
        await _add_batch(store, firm, batch, total)
        return total

    total = run(work, database_url, as_json)
    if as_json:
        found = {"added": total.added, "known": total.known, "bad": total.bad}
        show_json({**found, "unknown": total.unknown, "told": total.told})
    else:
        typer.echo("\n".join(total.told), nl=bool(total.told))
        typer.echo(f"{total.added} added, {total.known} known before, {count(len(total.bad), 'bad row')}.")
        typer.echo("\n".join(total.bad), nl=bool(total.bad))
        if total.unknown:
            some = ", ".join(map(str, total.unknown[:_SHOWN])) + (" …" if total.unknown[_SHOWN:] else "")
            typer.echo(f"On the list, but not (yet) among the firm's cases: {some}.")
    if total.bad:
        raise typer.Exit(1)


async def _add(store: Store, firm: str, listings: Sequence[Listing]) -> tuple[int, list[int]]:
    """Add entries; return how many were new, and the cases among them that the firm does not have."""
    case_ids = [listing.case_id for listing in listings if listing.case_id is not None]

    async def on_firm(tx: Transaction) -> tuple[int, list[int]]:
        opened = await open_firm(tx, firm, lock=True)
        return await service.add(tx, opened, listings), await service.unknown_cases(tx, opened, case_ids)

    return await store.transact(on_firm)


async def _add_batch(store: Store, firm: str, batch: list[Listing], total: _Total) -> None:
    if batch:
        try:
            added, unknown = await _add(store, firm, batch)
        except CasedialError as error:
            if not total.added + total.known:
                raise
            until = f"Until then {total.added} were added, {total.known} known before."
            raise EndedHalfway(f"{until} Run it again: what is listed already stays as it is.") from error
        total.added, total.known = total.added + added, total.known + len(batch) - added
        total.unknown += unknown
        batch.clear()


_HEADER = Header(
    "column Number and no column CaseID",
    lambda columns: not {"number", "caseid"}.isdisjoint(map(canonical, columns)),
)


def _rows(sheet: Sheet, source: str, total: _Total) -> Iterator[Listing]:
    places = {canonical(name): place for place, name in enumerate(sheet.columns)}
    for row in sheet.reader:
        if not any(map(str.strip, row)):
            continue
        there = ((column, places.get(column.lower(), len(row))) for column in _COLUMNS)
        cells = {column: row[place].strip() if place < len(row) else "" for column, place in there}
        try:
            yield from _listings(cells, source)
        except (InvalidSetting, ValueError) as error:
            total.bad.append(f"line {sheet.above + sheet.reader.line_num}: {error}")


def _listings(cells: dict[str, str], source: str) -> list[Listing]:
    """Read a row, whose cell may hold several numbers. Raises InvalidSetting or ValueError."""
    listed_on = _date(cells["Date"]) if cells["Date"] else datetime.now(UTC).date()
    told = cells["Source"] or source.strip()
    if bool(cells["Number"]) == bool(cells["CaseID"]):
        raise InvalidSetting("A row names a number or a case, one of the two.")
    if cells["Number"]:
        return [Listing(listed_on, told, number=number) for number in service.read_numbers(cells["Number"])]
    if not cells["CaseID"].isascii() or not cells["CaseID"].isdigit() or not 1 <= int(cells["CaseID"]) <= MAX_CASE_ID:
        raise InvalidSetting(f"{cells['CaseID'][:64]!r} is no CaseID.")
    return [Listing(listed_on, told, case_id=int(cells["CaseID"]))]


def _date(cell: str) -> date:
    try:
        return written_day(cell)
    except ValueError as error:
        raise InvalidSetting(f"{cell[:64]!r} is no date: it {error}.") from None


@app.command("export")
def export(firm: FirmName, output: Output = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Write the whole list as CSV that import reads."""
    if as_json and is_standard(output):
        fail(InvalidSetting("With --json the list goes to a file: name it with --output."), as_json)
    written = run(lambda store: _export(store, firm, output), database_url, as_json)
    if as_json:
        show_json({"file": str(output), "entries": written})
    elif not is_standard(output):
        typer.echo(f"Wrote {written} entries to {output}.")


async def _export(store: Store, firm: str, path: Path | None) -> int:
    """Write the list page by page, each in a transaction of its own; return how many entries."""
    written, after = 0, 0
    with opened(path) as raw, text_of(raw) as lines:
        rows = csv.writer(lines)
        rows.writerow(_COLUMNS)
        while True:
            async with store.read() as tx:
                page, after = await stored.page(tx, (await open_firm(tx, firm)).id, after, _AT_ONCE)
            if not page:
                return written
            rows.writerows((e.number or "", e.case_id or "", e.listed_on, e.source) for e in page)
            written += len(page)
