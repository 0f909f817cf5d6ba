"""What every command shares: its options, how it runs, how it shows what it found."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Annotated, Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console

from casedial.cli.tables import table
from casedial.database import schema
from casedial.database.engine import Store
from casedial.database.standby import standing_by
from casedial.domain.actors import Actor, operator
from casedial.domain.errors import CasedialError, EndedHalfway, InvalidSetting, StorageUnavailable
from casedial.domain.limits import show_span
from casedial.domain.spans import read_span
from casedial.domain.statuses import StatusesStale, StatusType, type_of
from casedial.service.firms import checked_timeout
from casedial.service.operations.opening import stale
from casedial.settings import settings_from
from casedial.wire.dates import DayFirst, Order, written_day, written_time
from casedial.wire.values import show_time

T = TypeVar("T")
Row = dict[str, Any]
ShowTime = Callable[[datetime | None], str | None]

MOST_LISTED = 20  # ids of many
_NAME = re.compile(r"[A-Z][A-Za-z]*")
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_CONSONANT_Y = re.compile(r"(?<=[^aeiou])y$")

DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", help="The database; by default CASEDIAL_DATABASE_URL.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document to standard output.")]
MayMake = Annotated[bool, typer.Option("--yes", help="Put casedial's tables into an empty PostgreSQL database.")]
SheetName = Annotated[
    str | None,
    typer.Option(
        "--sheet", metavar="NAME", help="The sheet of a workbook; by default the first with rows.", show_default=False
    ),
]
DateOrder = Annotated[
    Order | None,
    typer.Option(
        "--dates",
        metavar="ORDER",
        help="Which comes first in dates such as 5/6/2026: month-first or day-first; by default what the file shows.",
        show_default=False,
    ),
]
FirmName = Annotated[str, typer.Option("--firm", help="The firm's name.", show_default=False)]


class _Screen(Console):
    """Standard output. That nobody reads it any more is seen to where a command is run."""

    def on_broken_pipe(self) -> None:
        """Leave it to others."""
        raise BrokenPipeError


# A name or a note may hold what Rich takes for markup, [/x], or an emoji, :phone:.
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def run(
    work: Callable[[Store], Awaitable[T]],
    database_url: str | None,
    as_json: bool = False,
    prepare: Callable[[Store], Awaitable[None]] | None = schema.prepare,
) -> T:
    """Open the database, prepared where that is due, do the work, close it; show an error and exit 1."""

    async def main() -> T:
        settings = settings_from(database_url=database_url)
        store = standing_by(Store(settings.database_url), settings.standby_url)
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


def me() -> Actor:
    """Return who gives the command: the user of the machine, by number where it has no name."""
    machine = socket.gethostname()
    try:
        return operator(getpass.getuser(), machine)
    except (KeyError, OSError):  # in a container, say
        return operator(f"uid {os.getuid()}", machine)


def fail(error: CasedialError, as_json: bool = False) -> NoReturn:
    """Show an error and exit 1."""
    if as_json:
        show_json({"error": error_row(error)})
    show_error(error)
    raise typer.Exit(1)


def refuse_unreadable(ids: Sequence[int], what: str = "case") -> None:
    """Name rows that were left out because they make no sense, and exit 1 where there are any."""
    if ids:
        told = f"{count(len(ids), what)} left out, because what is stored cannot be read: {listed(ids)}."
        err.print(f"{told} casedial doctor says what to do.", soft_wrap=True)
        raise typer.Exit(1)


def listed(ids: Sequence[int]) -> str:
    """Show ids; of many the first."""
    more = f" and {len(ids) - MOST_LISTED:,} more" if ids[MOST_LISTED:] else ""
    return ", ".join(map(str, ids[:MOST_LISTED])) + more


def error_row(error: CasedialError) -> Row:
    """Return an error as it stands in a JSON document."""
    return {"code": error.code, "message": _told(error)}


def show_error(error: CasedialError) -> None:
    """Write an error to standard error."""
    err.print(f"{error.code}:", style="red", end=" ")
    err.print(_told(error), soft_wrap=True)


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


def snake(document: Any) -> Any:
    """Return a document whose names are the wire's, DialDateTime, in the spelling of all others, dial_date_time."""
    if isinstance(document, dict):
        return {_WORD.sub("_", key).lower() if _NAME.fullmatch(key) else key: snake(v) for key, v in document.items()}
    return [snake(item) for item in document] if isinstance(document, list) else document


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Write a table to standard output: folded to a terminal, one line a row where it is none."""
    out = _Screen(highlight=False, markup=False, emoji=False)
    header, *lines = table(columns, [list(map(_plain, row)) for row in rows], out.width if out.is_terminal else None)
    if title:
        out.print(title, style="italic", soft_wrap=True)
    if header:
        out.print(header, style="bold", soft_wrap=True)
    for line in lines:
        out.print(line, soft_wrap=True)


def _plain(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, timedelta):
        return show_span(cell) if cell else "none"
    return ("yes" if cell else "no") if isinstance(cell, bool) else str(cell)


def count(number: int, noun: str) -> str:
    """Show a number of things: "1 case", "2 cases", "2 entries"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {_CONSONANT_Y.sub('ie', noun)}s"


def show_timeout(seconds: int) -> str:
    """Say when claims run out."""
    return f"claims run out after {show_span(timedelta(seconds=seconds))}" if seconds else "claims never run out"


def span(text: str, bare: str = "") -> timedelta:
    """Read a span of time; ``bare`` is the unit of one without."""
    with typed():
        return read_span(text, bare)


def seconds(text: str) -> int:
    """Read a span of time to seconds; a bare number is of these."""
    return int(span(text, "s").total_seconds())


def timeout(text: str) -> int:
    """Read when claims run out, to seconds; a bare number is of these."""
    with typed():
        return checked_timeout(seconds(text))


def days(text: str) -> int:
    """Read a span of time to whole days; a bare number is of these."""
    found = span(text, "d")
    if found % timedelta(days=1):
        raise typer.BadParameter(f"{text[:40]!r} is not whole days: write 90, 90d or 12w, say; or 0")
    return found.days


def day(text: str) -> date:
    """Read a day."""
    try:
        if ":" not in text:
            return written_day(text)
        why = "is not a day: leave the time out"
    except DayFirst as error:
        why = str(error)
    except ValueError:
        why = "is not a day: write it as 2026-05-06 or 5/6/2026"
    raise typer.BadParameter(f"{text[:40]!r} {why}")


def moment(text: str, zone: ZoneInfo, option: str) -> datetime:
    """Read a time that an option was given."""
    try:
        return written_time(text, zone)
    except ValueError as error:
        raise typer.BadParameter(f"{text[:40]!r} {error}", param_hint=option) from None


@contextmanager
def typed() -> Iterator[None]:
    """Read what was typed: what cannot be used of it makes the command line wrong."""
    try:
        yield
    except InvalidSetting as error:
        raise typer.BadParameter(error.detail) from None


def show_moment(moment: datetime | None, zone: ZoneInfo) -> str | None:
    """Show an instant as the wire does, in the firm's time zone."""
    return show_time(moment, zone) if moment else None


def show_utc(moment: datetime | None) -> str | None:
    """Show an instant that is not about one firm, to the second: 2026-05-06T14:00:00Z."""
    return f"{show_time(moment, ZoneInfo('UTC'))}Z" if moment else None


def status_type(text: str) -> StatusType:
    """Read a status type: its whole name, or its first word."""
    if kind := type_of(text):
        return kind
    known = ", ".join(f'"{kind.label}"' for kind in StatusType)
    raise typer.BadParameter(f"{text[:40]!r} is not one of {known}")


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
