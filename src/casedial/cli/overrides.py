"""casedial rules: override, place, restore."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from casedial.cli.campaigns import read_calls, read_week
from casedial.cli.common import AsJson, DatabaseUrl, fail, run, show_json, span
from casedial.domain.errors import InvalidSetting
from casedial.domain.overrides import RowOverride
from casedial.domain.places import Placed
from casedial.domain.rules import Attempts, Purpose
from casedial.service import rules as service

FEDERAL_WORD, _NO_LIMIT = "federal", "none"

Reason = Annotated[str, typer.Option(help="Why; it is recorded, and explanations show it.", show_default=False)]
Source = Annotated[str, typer.Option(help="Where it is written.", show_default=False)]
Id = Annotated[int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="From rules list.", show_default=False)]
Hours = Annotated[
    str | None,
    typer.Option(
        help="Its hours: 'mon-sat 08:00-20:00, sun none'; days that are not named have none.", show_default=False
    ),
]
Holidays = Annotated[
    bool | None,
    typer.Option("--holidays/--no-holidays", help="Whether calls are forbidden on holidays.", show_default=False),
]
Calls = Annotated[
    str | None,
    typer.Option(metavar="CALLS/SPAN", help="At most so many calls in a time; none: no limit.", show_default=False),
]
Rest = Annotated[
    timedelta | None,
    typer.Option(
        parser=span, metavar="SPAN", help="No call so long after a conversation; 0: no rest.", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to those of the rules."""
    for command in (override, place, restore):
        app.command()(command)


def override(
    state: Annotated[str, typer.Argument(help="Two letters, or federal: the row of all states.", show_default=False)],
    purpose: Annotated[Purpose, typer.Option(help="The row of this purpose.", show_default=False)],
    reason: Reason,
    hours: Hours = None,
    holidays: Holidays = None,
    calls: Calls = None,
    rest: Rest = None,
    source: Source = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let what you say count in place of a row of the rules, on every server at once; what you leave out stays."""
    now = datetime.now(UTC)
    try:
        change = RowOverride(
            service.state_of(state, FEDERAL_WORD),
            purpose,
            reason.strip(),
            now.date(),
            None if hours is None else read_week(hours),
            holidays,
            None if calls is None else _read_attempts(calls, purpose),
            None if rest is None else _whole_hours(rest),
        )
    except InvalidSetting as error:
        fail(error, as_json)
    made = run(lambda store: service.override(store, change, source, now), database_url, as_json)
    if as_json:
        show_json(override_row(made))
    else:
        row = f"{made.state or FEDERAL_WORD} {made.purpose}"
        typer.echo(f"Override {made.id} of {row}: casedial rules list shows what counts now.")


def _read_attempts(text: str, purpose: Purpose) -> Attempts:
    number, time = (0, timedelta(hours=1)) if text.strip().lower() == _NO_LIMIT else read_calls(text)
    if not number and text.strip().lower() != _NO_LIMIT:
        raise InvalidSetting("A limit allows at least one call; none: no limit.")
    return Attempts(number, _whole_hours(time), "debt" if purpose is Purpose.DEBT else "subject")


def _whole_hours(time: timedelta) -> int:
    hours, left = divmod(time, timedelta(hours=1))
    if left:
        raise InvalidSetting("A limit of the rules is for whole hours, such as 24h or 7d.")
    return hours


def place(
    zip_code: Annotated[str, typer.Argument(metavar="ZIP", help="Five digits.", show_default=False)],
    state: Annotated[
        list[str], typer.Option(help="A state whose rules count there; once for each.", show_default=False)
    ],
    zone: Annotated[
        list[str], typer.Option(help="A time zone, such as Europe/Berlin; once for each.", show_default=False)
    ],
    reason: Reason,
    source: Source = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say where a ZIP code is, such as one of military mail, on every server at once. Without that it is closed."""
    now = datetime.now(UTC)
    try:
        wanted = service.read_place(zip_code, state, zone, reason)
    except InvalidSetting as error:
        fail(error, as_json)
    made = run(lambda store: service.place(store, wanted, source, now), database_url, as_json)
    if as_json:
        show_json(place_row(made))
    else:
        where = f"{', '.join(sorted(made.place.states))} by the clock of {', '.join(sorted(made.place.zones))}"
        typer.echo(f"Override {made.id}: ZIP code {made.zip_code} is in {where}.")


def restore(override_id: Id, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """End an override of a row, or what was said of a ZIP code: what casedial ships counts again."""
    run(lambda store: service.restore(store, override_id, datetime.now(UTC)), database_url, as_json)
    if as_json:
        show_json({"id": override_id, "restored": True})
    else:
        typer.echo(f"Override {override_id} is over: what casedial ships counts again.")


def override_row(change: RowOverride) -> dict[str, object]:
    """Return an override of a row as --json shows it."""
    state = change.state or FEDERAL_WORD
    said = {"reason": change.reason, "source": change.source}
    return {"id": change.id, "state": state, "purpose": change.purpose.value, **said}


def place_row(placed: Placed) -> dict[str, object]:
    """Return where a ZIP code was said to be as --json shows it."""
    where = placed.place
    return {
        "id": placed.id,
        "zip": placed.zip_code,
        "states": sorted(where.states),
        "zones": sorted(where.zones),
        "reason": where.placed,
        "source": placed.source,
    }
