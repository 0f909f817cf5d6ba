"""Which cases a command means: CaseIDs, a file of them, and filters, the same for every command."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from casedial.cli.common import MOST_LISTED, err, fail, listed, refuse_unreadable
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import InvalidSetting
from casedial.wire import values
from casedial.wire.case_ids import read_case_ids
from casedial.wire.values import MAX_CASE_ID


def _options(
    case_ids: Annotated[
        list[int] | None,
        typer.Argument(metavar="[CASEID]...", min=1, max=MAX_CASE_ID, help="These cases.", show_default=False),
    ] = None,
    ids_from: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The CaseIDs in a file; - for standard input.", show_default=False),
    ] = None,
    due: Annotated[bool, typer.Option("--due", help="Cases To Dial whose time has come.")] = False,
    campaign: Annotated[
        str | None, typer.Option(metavar="NAME", help="Cases in this campaign.", show_default=False)
    ] = None,
    dialer_status: Annotated[
        str | None,
        typer.Option(
            "--status", "--dialer-status", metavar="NAME", help="Cases with this Dialer Status.", show_default=False
        ),
    ] = None,
    disposition: Annotated[
        str | None, typer.Option(metavar="NAME", help="Cases with this disposition.", show_default=False)
    ] = None,
    case_group: Annotated[
        str | None,
        typer.Option("--group", "--case-group", metavar="NAME", help="Cases in this case group.", show_default=False),
    ] = None,
    phone: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Cases with this phone, however it is written.", show_default=False),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Cases whose plaintiff has a name that begins with this.", show_default=False
        ),
    ] = None,
    do_not_call: Annotated[
        bool, typer.Option("--do-not-call", help="Cases on the do-not-call list, by a phone or by CaseID.")
    ] = False,
    held_by: Annotated[
        str | None,
        typer.Option(metavar="VENDOR", help="Cases In the Dialer held by this vendor.", show_default=False),
    ] = None,
) -> CaseFilter:
    """Read the options that say which cases are meant. Raises InvalidSetting for a file."""
    texts = {
        "campaign": campaign,
        "status": dialer_status,
        "disposition": disposition,
        "name": name,
        "held-by": held_by,
    }
    for option, text in texts.items():
        if text is not None and not text.strip():  # as of a variable of the shell that is not set: it would mean all
            raise typer.BadParameter(f"--{option} is blank: give a value, or leave the option out")
    try:
        number = values.phone(phone) if phone is not None else None
    except ValueError as error:
        raise typer.BadParameter(f"--phone {error}") from None
    named = {*(case_ids or ()), *(_ids_in(ids_from) if ids_from else ())}
    return CaseFilter(
        tuple(sorted(named)) if case_ids or ids_from else None,
        dialer_status,
        campaign,
        disposition,
        case_group,
        datetime.now(UTC) if due else None,
        number,
        name,
        do_not_call,
        held_by,
    )


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the arguments that say which cases are meant; it gets them, read, as ``which``."""
    options = inspect.signature(_options, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)

    @wraps(command)
    def run(**given: Any) -> None:
        asked = {name: given.pop(name) for name in options}
        try:
            which = _options(**asked)
        except InvalidSetting as error:
            fail(error, given["as_json"])
        command(**given, which=which)

    before = [one for one in own.parameters.values() if one.name == "firm"]
    behind = [one for one in own.parameters.values() if one.name not in ("firm", "which")]
    every = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*before, *options.values(), *behind)]
    run.__signature__ = own.replace(parameters=every)  # type: ignore[attr-defined]
    return run


def _ids_in(path: Path) -> list[int]:
    """Read a file of CaseIDs, or standard input. Raises InvalidSetting."""
    if str(path) == "-":
        return list(read_case_ids(sys.stdin.buffer, "standard input"))
    try:
        with path.open("rb") as raw:
            return list(read_case_ids(raw, str(path)))
    except OSError as error:
        raise InvalidSetting(f"Cannot read {path}: {error.strerror or error}.") from None


def refuse_left_out(unknown: list[int], unreadable: list[int]) -> None:
    """Name cases that were meant and are not there, or whose rows make no sense; exit 1 where there are any."""
    if unknown:
        many = f" {len(unknown):,} of these cases" if len(unknown) > MOST_LISTED else ""
        err.print(f"The firm does not have{many}: {listed(unknown)}.", soft_wrap=True)
    refuse_unreadable(unreadable)
    if unknown:
        raise typer.Exit(1)
