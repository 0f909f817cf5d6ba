"""casedial cases phone: add, set, remove."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, me, run, show_json, show_table, snake
from casedial.domain.cases import Case
from casedial.domain.phone_changes import PhoneEdit, with_changed, with_phone, without_phone
from casedial.service.operations.cases import change_phones
from casedial.wire.values import MAX_CASE_ID

app = typer.Typer(help="The phones of one case. The history of the case shows who changed them.", no_args_is_help=True)

CaseID = Annotated[int, typer.Argument(metavar="CASEID", min=1, max=MAX_CASE_ID, help="The case.", show_default=False)]
Number = Annotated[str, typer.Argument(help="The phone's number.", show_default=False)]
Which = Annotated[
    str,
    typer.Argument(
        metavar="PHONE", help="The phone: its number, however it is written, or its name.", show_default=False
    ),
]
Primary = Annotated[
    bool | None,
    typer.Option(
        "--primary/--no-primary", help="Whether it is the primary phone, which is dialed first.", show_default=False
    ),
]
Text = Annotated[
    bool | None, typer.Option("--text/--no-text", help="Whether texts may be sent to it.", show_default=False)
]


def _change(
    case_id: int, firm: str, edit: Callable[[Case], Case], done: str, database_url: str | None, as_json: bool
) -> None:
    """Change the phones of a case; show those that it has then."""
    case = run(lambda store: change_phones(store, me(), firm, case_id, edit), database_url, as_json)
    rows = [{"PhoneName": p.name, "Phone": p.number, "Primary": p.primary, "Text": p.text} for p in case.each_phone()]
    if as_json:
        show_json(snake({"CaseID": case_id, "Phones": rows}))
        return
    typer.echo(f"{done} The phones of case {case_id} are now:" if rows else f"{done} Case {case_id} has no phone now.")
    if rows:
        show_table(list(rows[0]), [list(row.values()) for row in rows])


@app.command()
def add(
    case_id: CaseID,
    number: Number,
    firm: FirmName,
    name: Annotated[str, typer.Option(help="Such as Cell or Home.", show_default=False)] = "",
    primary: Primary = None,
    text: Text = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a phone to a case."""
    edit = partial(with_phone, edit=PhoneEdit(number, name, primary, text))
    _change(case_id, firm, edit, "Added.", database_url, as_json)


@app.command("set")
def set_(
    case_id: CaseID,
    phone: Which,
    firm: FirmName,
    number: Annotated[str | None, typer.Option(help="Its new number.", show_default=False)] = None,
    name: Annotated[str | None, typer.Option(help="Its new name.", show_default=False)] = None,
    primary: Primary = None,
    text: Text = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change a phone of a case."""
    wanted = PhoneEdit(number, name, primary, text)
    if wanted == PhoneEdit():
        raise typer.BadParameter("say what to change: --number, --name, --primary or --text")
    edit = partial(with_changed, which=phone, edit=wanted)
    _change(case_id, firm, edit, "Changed.", database_url, as_json)


@app.command()
def remove(
    case_id: CaseID, phone: Which, firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Remove a phone from a case."""
    _change(case_id, firm, partial(without_phone, which=phone), "Removed.", database_url, as_json)
