"""What every command shares: its options, how it runs, how it shows what it found."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from casedial.domain.cases import StatusesStale, StatusType, fold
from casedial.domain.errors import CasedialError, EndedHalfway, InvalidSetting, StorageUnavailable
from casedial.settings import settings_from
from casedial.storage import schema
from casedial.storage.engine import Store, Transaction
from casedial.wire.values import show_time

T = TypeVar("T")
Row = dict[str, Any]

_NAMED = 100  # ids of many
_SPAN = re.compile(r"(\d{1,9})([smhd]?)", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", help="The database; by default CASEDIAL_DATABASE_URL.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document to standard output.")]
MayMake = Annotated[bool, typer.Option("--yes", help="Put casedial's tables into an empty PostgreSQL database.")]
FirmName = Annotated[str, typer.Option("--firm", help="The firm's name.", show_default=False)]

err = Console(stderr=True, highlight=False)


def run(
    work: Callable[[Store], Awaitable[T]],
    database_url: str | None,
    as_json: bool = False,
    prepare: Callable[[Store], Awaitable[None]] | None = schema.prepare,
) -> T:
    """Open the database, prepared where that is due, do the work, close it; show an error and exit 1."""

    async def main() -> T:
        store = Store(settings_from(database_url=database_url).database_url)
        try:
            if prepare:
                await prepare(store)
            return await work(store)
        except StorageUnavailable as error:
            error.told = f"{error.told} {store.advice(error)}".strip()
            raise
        finally:
            await store.close()

    try:
        return asyncio.run(main())
    except CasedialError as error:
        fail(error, as_json)
    except StatusesStale:
        fail(stale(), as_json)
    except BrokenPipeError:  # whoever read the output has seen enough
        raise
    except OSError as error:
        fail(InvalidSetting(f"A file cannot be read or written: {error.strerror or error}."), as_json)


def change(work: Callable[[Transaction], Awaitable[T]], database_url: str | None, as_json: bool = False) -> T:
    """Do what ``run`` does in one transaction, begun anew where PostgreSQL ended it to break a deadlock."""
    return run(lambda store: store.transact(work), database_url, as_json)


def stale() -> StorageUnavailable:
    """Return StatusesStale as an error that can be shown."""
    return StorageUnavailable("A case has a status that its firm does not have, or that was just added.")


def fail(error: CasedialError, as_json: bool = False) -> NoReturn:
    """Show an error and exit 1."""
    if as_json:
        show_json({"error": error_row(error)})
    show_error(error)
    raise typer.Exit(1)


def refuse_unreadable(ids: Sequence[int], what: str = "case") -> None:
    """Name rows that were left out because they make no sense, and exit 1 where there are any."""
    if ids:
        named = ", ".join(map(str, ids[:_NAMED])) + (", …" if len(ids) > _NAMED else "")
        told = f"{count(len(ids), what)} left out, for what is stored cannot be read: {named}."
        err.print(f"{told} casedial doctor says what to do.", markup=False, soft_wrap=True)
        raise typer.Exit(1)


def error_row(error: CasedialError) -> Row:
    """Return an error as it stands in a JSON document."""
    return {"code": error.code, "message": _told(error)}


def show_error(error: CasedialError) -> None:
    """Write an error to standard error."""
    err.print(f"[red]{error.code}:[/red]", end=" ")
    err.print(_told(error), markup=False, soft_wrap=True)


def _told(error: CasedialError) -> str:
    """Return what an error says, with what the database said where it was the database."""
    if isinstance(error, StorageUnavailable) and error.told != error.detail:
        return f"The database cannot be used: {error.told}"
    cause = error.__cause__
    if isinstance(error, EndedHalfway) and cause is not None:
        first = _told(cause) if isinstance(cause, CasedialError) else f"A fault in casedial: {cause!r}."
        return f"{first} {error.detail}"
    return error.detail


def show_json(document: object) -> None:
    """Write one JSON document to standard output."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    sys.stdout.flush()


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Write a table to standard output, whole even where it is not a terminal."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=240)
    console.print(table)


def _plain(cell: object) -> str:
    if cell is None:
        return ""
    return ("yes" if cell else "no") if isinstance(cell, bool) else str(cell)


def count(number: int, noun: str) -> str:
    """Show a number of things: "1 case", "2 cases"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def show_replies(number: int) -> str:
    """Show a number of replies that are kept to be given again."""
    return f"{number} kept {'reply' if number == 1 else 'replies'}"


def show_timeout(seconds: int) -> str:
    """Show when claims run out."""
    return f"after {count(seconds, 'second')}" if seconds else "never"


def span(text: str) -> timedelta:
    """Read a span of time: a number with s, m, h or d; 0 needs none."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or not (found[2] or int(found[1]) == 0):
        raise typer.BadParameter("a number with s, m, h or d, such as 24h; or 0")
    return timedelta(seconds=int(found[1]) * _SECONDS.get(found[2], 0))


def show_moment(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """Show an instant as the wire does, in the firm's time zone."""
    return show_time(moment, zone) if moment else None


def status_type(text: str) -> StatusType:
    """Read a status type: its whole name, or its first word."""
    wanted = fold(text)
    for kind in StatusType:
        label = fold(kind.label)
        if wanted in (label, label.removesuffix(" status"), label.removeprefix("last dialer ")):
            return kind
    raise typer.BadParameter("one of " + ", ".join(f'"{kind.label}"' for kind in StatusType))


StatusTypeOption = Annotated[
    StatusType,
    typer.Option(
        "--type",
        parser=status_type,
        metavar="TYPE",
        help='"Dialer Status", "Last Dialer Disposition", "Campaign Status" or "Attempts Status".',
        show_default=False,
    ),
]
