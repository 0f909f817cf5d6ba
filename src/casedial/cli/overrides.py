"""casedial rules: override, place, restore."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, me, run, show_json, span, typed
from casedial.domain.overrides import RowOverride, read_attempts, whole_hours
from casedial.domain.places import Placed
from casedial.domain.rules import Purpose
from casedial.domain.weeks import read_week
from casedial.service.operations import rules as operations

FEDERAL_WORD = "federal"

Reason = Annotated[str, typer.Option(help="Why; this is recorded, and explanations show it.", show_default=False)]
Source = Annotated[str, typer.Option(help="The source, such as a statute.", show_default=False)]
Id = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The id that rules list shows.", show_default=False)
]
Hours = Annotated[
    str | None,
    typer.Option(
        help="Its hours: 'mon-sat 08:00-20:00, sun none'; no calls on days that are not named.", show_default=False
    ),
]
Holidays = Annotated[
    bool | None,
    typer.Option("--holidays/--no-holidays", help="Whether calls are forbidden on holidays.", show_default=False),
]
Calls = Annotated[
    str | None,
    typer.Option(
        metavar="CALLS/SPAN",
        help="At most this many calls in a time, such as 3/24h; none: no limit.",
        show_default=False,
    ),
]
Rest = Annotated[
    timedelta | None,
    typer.Option(
        parser=span, metavar="SPAN", help="No call for this long after a conversation; 0: no rest.", show_default=False
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
    """Replace parts of one row of the rules, on every server at once; what you leave out stays as it is."""
    now = datetime.now(UTC)
    with typed():
        change = RowOverride(
            operations.state_of(state, FEDERAL_WORD),
            purpose,
            reason.strip(),
            now.date(),
            None if hours is None else read_week(hours),
            holidays,
            None if calls is None else read_attempts(calls, purpose),
            None if rest is None else whole_hours(rest),
        )
    made = run(lambda store: operations.override(store, me(), change, source, now), database_url, as_json)
    if as_json:
        show_json(override_row(made))
    else:
        row = f"{made.state or FEDERAL_WORD} {made.purpose}"
        typer.echo(f"Override {made.id} of {row}: casedial rules list shows the rules now in force.")


def place(
    zip_code: Annotated[str, typer.Argument(metavar="ZIP", help="Five digits.", show_default=False)],
    state: Annotated[list[str], typer.Option(help="A state whose rules apply there; may repeat.", show_default=False)],
    zone: Annotated[
        list[str], typer.Option(help="A time zone, such as Europe/Berlin; may repeat.", show_default=False)
    ],
    reason: Reason,
    source: Source = "",
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say where a ZIP code is, such as one of military mail: until then there are no calls to it."""
    now = datetime.now(UTC)
    with typed():
        wanted = operations.read_place(zip_code, state, zone, reason)
    made = run(lambda store: operations.place(store, me(), wanted, source, now), database_url, as_json)
    if as_json:
        show_json(place_row(made))
    else:
        where = f"{', '.join(sorted(made.place.states))} by the clock of {', '.join(sorted(made.place.zones))}"
        typer.echo(f"Override {made.id}: ZIP code {made.zip_code} is in {where}.")


def restore(override_id: Id, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """End an override of a row or of a ZIP code: the rules that ship with casedial apply again."""
    run(lambda store: operations.restore(store, me(), override_id, datetime.now(UTC)), database_url, as_json)
    if as_json:
        show_json({"id": override_id, "restored": True})
    else:
        typer.echo(f"Override {override_id} has ended: the rules that ship with casedial apply again.")


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
