"""casedial dnc: add, remove, list, import, export."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    DateOrder,
    FirmName,
    Row,
    SheetName,
    count,
    err,
    listed,
    me,
    run,
    show_json,
    show_table,
    typed,
)
from casedial.cli.output import Output, is_standard, opened
from casedial.database.engine import Store
from casedial.domain.calling import Listing
from casedial.domain.firms import Firm
from casedial.domain.phones import listed_numbers
from casedial.service.do_not_call import Removed
from casedial.service.operations import do_not_call as operations
from casedial.service.operations.do_not_call import ListTotal
from casedial.wire.listings import LISTING_COLUMNS, listing_cells, read_listings
from casedial.wire.sheets import Form, form_of
from casedial.wire.values import MAX_CASE_ID, instant
from casedial.wire.writing import written

app = typer.Typer(
    help="The do-not-call list of a firm: numbers and cases that are never given out.", no_args_is_help=True
)

_SHOWN = 20  # cases that stay Do not Dial, with by whom

Numbers = Annotated[list[str] | None, typer.Argument(metavar="[NUMBER]...", help="Phone numbers.", show_default=False)]
Cases = Annotated[
    list[int] | None,
    typer.Option("--case", metavar="CASEID", min=1, max=MAX_CASE_ID, help="A CaseID; may repeat.", show_default=False),
]
Source = Annotated[str, typer.Option(help="Who asked for it, or where the entry comes from.", show_default=False)]


def _read(numbers: Sequence[str] | None, cases: Sequence[int] | None) -> tuple[list[str], list[int]]:
    if not numbers and not cases:
        raise typer.BadParameter("give numbers, or cases with --case")
    with typed():
        return [number for text in numbers or () for number in listed_numbers(text)], list(cases or ())


@app.command()
def add(
    firm: FirmName,
    numbers: Numbers = None,
    case: Cases = None,
    source: Source = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Never give out these numbers, in any case, or these cases. Takes effect at once, on every server."""
    named, case_ids = _read(numbers, case)
    today = datetime.now(UTC).date()
    listings = [
        *(Listing(today, source.strip(), number=number) for number in named),
        *(Listing(today, source.strip(), case_id=case_id) for case_id in case_ids),
    ]
    added = run(lambda store: operations.add(store, me(), firm, listings), database_url, as_json)
    known = len(listings) - added
    if as_json:
        show_json({"added": added, "known": known})
    else:
        typer.echo(f"{added} added, {known} already on the list.")


@app.command()
def remove(
    firm: FirmName,
    numbers: Numbers = None,
    case: Cases = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take numbers or cases off the list. Says which cases stay Do not Dial, and how to set them To Dial again.

    Exits with 1 if one was not on the list.
    """
    named, case_ids = _read(numbers, case)
    its_firm, removed = run(lambda store: operations.remove(store, me(), firm, named, case_ids), database_url, as_json)
    left = [case_id for case_id, _ in removed.do_not_dial]
    back = f"casedial cases set {' '.join(map(str, left))} --to-dial --firm {quote(its_firm.name)} --yes"
    if as_json:
        show_json(_removed_row(removed, back if left else None))
    else:
        typer.echo(f"{removed.entries} removed.")
        if left:
            _show_left(its_firm, removed, back)
    numbers_left, cases_left = removed.not_listed
    if missing := [*numbers_left, *(f"case {case_id}" for case_id in cases_left)]:
        err.print(f"Not on the list: {', '.join(missing)}.", soft_wrap=True)
        raise typer.Exit(1)


def _removed_row(removed: Removed, back: str | None) -> Row:
    left = [
        {"case_id": case_id, "by": standing.by, "since": instant(standing.since), "reason": standing.reason}
        for case_id, standing in removed.do_not_dial
    ]
    numbers, case_ids = removed.not_listed
    not_listed = {"numbers": numbers, "case_ids": case_ids}
    return {"removed": removed.entries, "not_listed": not_listed, "do_not_dial": left, "set_back": back}


def _show_left(firm: Firm, removed: Removed, back: str) -> None:
    """Say which cases stay Do not Dial, by whom, and how to set them back."""
    stay = f"{count(len(removed.do_not_dial), 'case')} {'stays' if len(removed.do_not_dial) == 1 else 'stay'}"
    typer.echo(f"{stay} Do not Dial, because taking an entry off the list does not change a status:")
    for case_id, standing in removed.do_not_dial[:_SHOWN]:
        typer.echo(f"  {case_id}: {standing.words(firm)}")
    if more := len(removed.do_not_dial[_SHOWN:]):
        typer.echo(f"  … and {more} more")
    typer.echo(f"If they may be dialed again, set them To Dial: {back}")
    if not removed.are_all:
        typer.echo("There are more. Set these To Dial, and run this command again for the next.")


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help=f"CSV with a header: {', '.join(LISTING_COLUMNS)}.", exists=True, dir_okay=False, show_default=False
        ),
    ],
    firm: FirmName,
    source: Source = "",
    sheet: SheetName = None,
    dates: DateOrder = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add the entries of a file; entries already on the list stay as they are. Exits with 1 if some rows were bad."""

    async def work(store: Store) -> tuple[ListTotal, list[str]]:
        with file.open("rb") as raw, read_listings(raw, source, dates, sheet) as (rows, told):
            return await operations.import_list(store, me(), firm, rows), told

    total, told = run(work, database_url, as_json)
    if as_json:
        found = {"added": total.added, "known": total.known, "bad": total.bad}
        show_json({**found, "unknown": total.unknown, "told": told})
    else:
        typer.echo("\n".join(told), nl=bool(told))
        typer.echo(f"{total.added} added, {total.known} already on the list, {count(len(total.bad), 'bad row')}.")
        typer.echo("\n".join(total.bad), nl=bool(total.bad))
        if total.unknown:
            typer.echo(
                f"Added to the list, although the firm does not have these cases (yet): {listed(total.unknown)}."
            )
    if total.bad:
        raise typer.Exit(1)


@app.command("list")
def list_(
    firm: FirmName,
    numbers: Numbers = None,
    case: Cases = None,
    after: Annotated[int, typer.Option(min=0, help="Continue after the entries already shown.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Show at most this many entries.")] = 50,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show the list in the order of entry, or only the entries for these numbers and cases."""
    named = _read(numbers, case) if numbers or case else None
    found = run(lambda store: operations.entries(store, me(), firm, named, after, limit), database_url, as_json)
    rows = [
        {
            "number": entry.number,
            "case_id": entry.case_id,
            "listed_on": entry.listed_on.isoformat(),
            "source": entry.source,
        }
        for entry in found.entries
    ]
    if as_json:
        show_json({"entries": rows, "after": found.after})
    elif rows:
        show_table(("number", "CaseID", "date", "source"), [list(row.values()) for row in rows])
        if found.after:
            err.print(f"There are more: --after {found.after} shows the next, --limit more at once.")
    else:
        typer.echo("None of these is on the list." if named else "Nothing is on the list.")


@app.command("export")
def export(firm: FirmName, output: Output = None, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Write the complete list as CSV or a workbook that import reads."""
    if as_json and is_standard(output):
        raise typer.BadParameter("with --json the list goes to a file: name it with --output")
    entries = run(lambda store: _export(store, firm, output), database_url, as_json)
    if as_json:
        show_json({"file": str(output), "entries": entries})
    elif not is_standard(output):
        typer.echo(f"Wrote {entries} entries to {output}.")


async def _export(store: Store, firm: str, path: Path | None) -> int:
    """Write the list to a file, whole or not at all; return how many entries."""
    form = Form.XLSX if path and form_of(path) is Form.XLSX else Form.CSV
    with opened(path) as raw, written(raw, form, LISTING_COLUMNS) as rows:
        return await operations.export_list(store, me(), firm, lambda page: rows.add(map(listing_cells, page)))
