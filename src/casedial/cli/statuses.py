"""casedial status: list, add, rename, reorder, flag, retire, restore."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, Row, StatusTypeOption, me, run, show_json, show_table
from casedial.database.engine import Store
from casedial.domain.firms import Firm
from casedial.domain.statuses import Flag, StatusType
from casedial.service.operations import firms
from casedial.service.operations import statuses as operations

app = typer.Typer(help="The four lists of a firm's statuses.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The status's name.", show_default=False)]


def _flags(text: str) -> str:
    """Read flags; return them with blanks between."""
    words = [] if text.strip().lower() == "none" else text.lower().replace(",", " ").split()
    try:
        return " ".join(sorted({Flag(word).value for word in words}))
    except ValueError:
        raise typer.BadParameter(f"{', '.join(Flag)}, or none") from None


def _show(kind: StatusType, work: Callable[[Store], Awaitable[Firm]], database_url: str | None, as_json: bool) -> None:
    """Do the work, and show the list as it is then."""
    rows: list[Row] = [
        {
            "id": status.id,
            "name": status.name,
            "role": status.role.name.lower() if status.role else None,
            "retired": status.retired,
            **({"flags": sorted(status.flags)} if kind is StatusType.DISPOSITION else {}),
        }
        for status in run(work, database_url, as_json).statuses.of(kind)
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
    _show(kind, lambda store: firms.show(store, me(), firm), database_url, as_json)


@app.command()
def add(
    name: Name, firm: FirmName, kind: StatusTypeOption, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Add a status at the end of its list."""
    _show(kind, lambda store: operations.add(store, me(), firm, kind, name), database_url, as_json)


@app.command()
def rename(
    old: Annotated[str, typer.Argument(help="The current name.", show_default=False)],
    new: Annotated[str, typer.Argument(help="The new name.", show_default=False)],
    firm: FirmName,
    kind: StatusTypeOption,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Rename a status; its cases, history and role stay. Every server shows the new name from the next reply on."""
    _show(kind, lambda store: operations.rename(store, me(), firm, kind, old, new), database_url, as_json)


@app.command()
def reorder(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help="The names to put first, in order.", show_default=False)
    ],
    firm: FirmName,
    kind: StatusTypeOption,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put the named statuses first, in this order; the others follow as they were."""
    _show(kind, lambda store: operations.reorder(store, me(), firm, kind, names), database_url, as_json)


@app.command()
def flag(
    name: Name,
    firm: FirmName,
    flags: Annotated[
        str,
        typer.Option(
            parser=_flags,
            metavar="FLAGS",
            help="attempt (somebody was called), conversation, opt-out, final; several separated by commas, or none.",
            show_default=False,
        ),
    ],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say what a disposition means, for limits on calls, the do-not-call list, and what comes next."""
    wanted = [Flag(word) for word in flags.split()]
    work = partial(operations.flag, actor=me(), firm_name=firm, name=name, flags=wanted)
    _show(StatusType.DISPOSITION, work, database_url, as_json)


@app.command()
def retire(
    name: Name, firm: FirmName, kind: StatusTypeOption, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Retire a status: cases that have it keep it, but nobody can set it."""
    _show(kind, lambda store: operations.retire(store, me(), firm, kind, name, retired=True), database_url, as_json)


@app.command()
def restore(
    name: Name, firm: FirmName, kind: StatusTypeOption, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Take a retired status back into use."""
    _show(kind, lambda store: operations.retire(store, me(), firm, kind, name, retired=False), database_url, as_json)
