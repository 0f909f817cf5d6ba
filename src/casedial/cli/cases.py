"""casedial cases: import, export, list, show, note.

set and delete stand in many.py, phone in phones.py,
changes, undo and resume in changes.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from casedial.cli import changes, files, many, phones
from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    DateOrder,
    FirmName,
    Row,
    SheetName,
    count,
    err,
    fail,
    me,
    run,
    show_json,
    show_table,
    snake,
    typed,
)
from casedial.cli.exporting import export_cases
from casedial.cli.imported import document
from casedial.cli.imported import show as show_total
from casedial.cli.output import Output, is_standard
from casedial.cli.shown import Showing, show_document
from casedial.cli.which import filtered, refuse_left_out
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import NoteTooLong
from casedial.service.imports import ImportOptions
from casedial.service.operations import cases as operations
from casedial.service.operations.cases import add_note, list_cases
from casedial.wire import values
from casedial.wire.columns import read_map
from casedial.wire.sheets import Form, form_of
from casedial.wire.values import MAX_CASE_ID

app = typer.Typer(help="Cases: import, export, list, show, change and delete them.", no_args_is_help=True)

CaseID = Annotated[int, typer.Argument(metavar="CASEID", min=1, max=MAX_CASE_ID, help="The case.", show_default=False)]

app.command("set")(many.set_)
app.command()(many.delete)
for _command in (changes.changes, changes.undo, changes.resume):
    app.command()(_command)
app.add_typer(phones.app, name="phone")


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="A workbook (.xlsx), CSV with a header, as spreadsheets write it, or JSON Lines.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    firm: FirmName,
    set_statuses: Annotated[
        bool, typer.Option("--set-statuses", help="Also change the dial statuses and times of existing cases.")
    ] = False,
    add_statuses: Annotated[
        bool, typer.Option("--add-statuses", help="Add statuses that the firm does not have.")
    ] = False,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=NAME",
            help='The meaning of a column in the file, such as "Case Number=CaseID"; may repeat.',
            show_default=False,
        ),
    ] = None,
    sheet: SheetName = None,
    dates: DateOrder = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: say what the import would do, and which rows are bad.")
    ] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add new cases, and update existing ones by CaseID. Exits with 1 if some rows were bad."""
    with typed():
        how = files.HowToImport(
            ImportOptions(set_statuses, add_statuses), read_map(columns or ()), dry_run, sheet, dates
        )
    total = run(lambda store: files.import_file(store, firm, file, how), database_url, as_json)
    if as_json:
        show_json(document(total))
    else:
        show_total(total)
    if total.rejected or total.error:
        raise typer.Exit(1)


@app.command("export")
@filtered
def export(
    firm: FirmName,
    which: CaseFilter,
    output: Output = None,
    notes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write their notes, to this file.", show_default=False)
    ] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write their history, to this file.", show_default=False)
    ] = None,
    calls: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write their latest calls, to this file.", show_default=False),
    ] = None,
    form: Annotated[Form | None, typer.Option("--format", help="CSV by default, or what the file's name says.")] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write all cases, or those selected, as a file that import reads. Exits with 1 if some cannot be read."""
    chosen = form or form_of(output or Path("-"))
    if as_json and is_standard(output):
        raise typer.BadParameter("with --json the cases go to a file: name it with --output")
    named = {"notes": notes, "history": history, "calls": calls}
    further = {what: path for what, path in named.items() if path}
    written = run(lambda store: export_cases(store, firm, which, output, chosen, further), database_url, as_json)
    if as_json:
        more = {what: str(path) for what, path in further.items()}
        show_json(
            {"file": str(output), **more, "cases": written.cases, **_left_out(written.unknown, written.unreadable)}
        )
    elif not is_standard(output):
        typer.echo(f"Wrote {count(written.cases, 'case')} to {output}.")
    refuse_left_out(written.unknown, written.unreadable)


def _left_out(unknown: list[int], unreadable: list[int]) -> Row:
    return {"unknown": unknown, **({"unreadable": unreadable} if unreadable else {})}


@app.command("list")
@filtered
def list_(
    firm: FirmName,
    which: CaseFilter,
    after: Annotated[int, typer.Option(min=0, metavar="CASEID", help="Only cases with a higher CaseID.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Show at most this many cases.")] = 50,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List cases in CaseID order: all, or those selected. Times are the firm's. Exits with 1 if some cannot be read."""
    found = run(lambda store: list_cases(store, me(), firm, which, after, limit), database_url, as_json)
    showing = Showing(found.firm, as_json)
    rows = [showing.listed(case, vendor) for case, vendor in found.cases]
    last = found.cases[-1][0].case_id if found.more else None
    if as_json:
        show_json({"cases": snake(rows), "after": last, **_left_out(found.unknown, found.unreadable)})
    elif rows:
        show_table(list(rows[0]), [list(row.values()) for row in rows])
        if last:
            err.print(f"There are more: --after {last} shows the next, --limit more at once.")
    else:
        typer.echo("No case matches this.")
    refuse_left_out(found.unknown, found.unreadable)


@app.command()
def note(
    case_id: CaseID,
    text: Annotated[str, typer.Argument(help="The text of the note; - reads standard input.", show_default=False)],
    firm: FirmName,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a note to a case, signed with your user name."""
    by = me()
    try:
        written = values.note(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise typer.BadParameter(f"a note {error}") from None
    except NoteTooLong as error:
        fail(error, as_json)
    run(lambda store: add_note(store, by, firm, case_id, written), database_url, as_json)
    if as_json:
        show_json({"case_id": case_id, "author": by.name})
    else:
        typer.echo(f"Noted on case {case_id} by {by.name}.")


@app.command()
def show(
    case_id: CaseID,
    firm: FirmName,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show everything about a case. Times are the firm's."""
    found = run(lambda store: operations.show(store, me(), firm, case_id), database_url, as_json)
    shown = Showing(found.firm, as_json).document(found.file, found.do_not_call)
    if as_json:
        show_json(snake(shown))
    else:
        show_document(shown)
