"""casedial status: list, add, rename, reorder, flag, retire, restore."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, Row, StatusTypeOption, change, show_json, show_table
from casedial.domain.cases import Firm, Flag, StatusType
from casedial.service import firms as firm_service
from casedial.service import statuses as service
from casedial.storage.engine import Transaction

app = typer.Typer(help="A firm's statuses, of each of the four types.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The status's name.", show_default=False)]


def _flags(text: str) -> str:
    """Read flags; return them with blanks between."""
    words = [] if text.strip().lower() == "none" else text.lower().replace(",", " ").split()
    try:
        return " ".join(sorted({Flag(word).value for word in words}))
    except ValueError:
        raise typer.BadParameter(f"{', '.join(Flag)}, or none") from None


def _show(
    firm: str,
    kind: StatusType,
    work: Callable[[Transaction, Firm], Awaitable[Firm]],
    database_url: str | None,
    as_json: bool,
) -> None:
    """Do the work on the firm, held against other operators, and show the list as it is then."""

    async def on_firm(tx: Transaction) -> Firm:
        return await work(tx, await firm_service.open_firm(tx, firm, lock=True))

    rows: list[Row] = [
        {
            "id": status.id,
            "name": status.name,
            "role": status.role.name.lower() if status.role else None,
            "retired": status.retired,
            **({"flags": sorted(status.flags)} if kind is StatusType.DISPOSITION else {}),
        }
        for status in change(on_firm, database_url, as_json).statuses.of(kind)
    ]
    if as_json:
        show_json(rows)
    else:
        flags = [", ".join(row.pop("flags", ())) for row in rows]
        show_table(
            ("id", kind.label, "role", "retired", *(["flags"] if any(flags) else [])),
            [[*row.values(), *([words] if any(flags) else [])] for row, words in zip(rows, flags, strict=True)],
        )


@app.command("list")
def list_(firm: FirmName, kind: StatusTypeOption, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """List the statuses of a type, in the firm's order."""

    async def work(tx: Transaction, opened: Firm) -> Firm:
        return opened

    _show(firm, kind, work, database_url, as_json)


@app.command()
def add(
    name: Name, firm: FirmName, kind: StatusTypeOption, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Add a status at the end of its list."""
    _show(firm, kind, lambda tx, opened: service.add_statuses(tx, opened, [(kind, name)]), database_url, as_json)


@app.command()
def rename(
    old: Annotated[str, typer.Argument(help="Its name now.", show_default=False)],
    new: Annotated[str, typer.Argument(help="Its name from now on.", show_default=False)],
    firm: FirmName,
    kind: StatusTypeOption,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Rename a status; cases, history and its role stay. The next reply of every server shows the new name."""
    _show(firm, kind, lambda tx, opened: service.rename_status(tx, opened, kind, old, new), database_url, as_json)


@app.command()
def reorder(
    names: Annotated[list[str], typer.Argument(help="The names to put first, in order.", show_default=False)],
    firm: FirmName,
    kind: StatusTypeOption,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put the named statuses first, in this order; the others follow as they were."""
    _show(firm, kind, lambda tx, opened: service.reorder_statuses(tx, opened, kind, names), database_url, as_json)


@app.command()
def flag(
    name: Name,
    firm: FirmName,
    flags: Annotated[
        str,
        typer.Option(
            parser=_flags,
            metavar="FLAGS",
            help="attempt (somebody was rung), conversation, opt-out, final; several with commas, or none.",
            show_default=False,
        ),
    ],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say what a disposition means: for limits of calls, the do-not-call list, and what comes next."""
    wanted = [Flag(word) for word in flags.split()]
    _show(
        firm,
        StatusType.DISPOSITION,
        lambda tx, opened: service.flag_status(tx, opened, name, wanted),
        database_url,
        as_json,
    )


@app.command()
def retire(
    name: Name, firm: FirmName, kind: StatusTypeOption, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Retire a status: cases that have it keep it, nobody can set it."""
    _show(firm, kind, lambda tx, opened: service.retire_status(tx, opened, kind, name, True), database_url, as_json)


@app.command()
def restore(
    name: Name, firm: FirmName, kind: StatusTypeOption, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Take a retired status back into use."""
    _show(firm, kind, lambda tx, opened: service.retire_status(tx, opened, kind, name, False), database_url, as_json)
