"""casedial purge."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    count,
    me,
    refuse_unreadable,
    run,
    show_json,
    show_table,
    show_utc,
    span,
)
from casedial.domain.retention import LONGEST, SHORTEST
from casedial.service.operations import retention as operations
from casedial.service.operations.retention import Purged
from casedial.wire.values import show_instant


def _age(text: str) -> timedelta:
    """Read an age; a bare number is of days."""
    age = span(text, "d")
    if not SHORTEST <= age <= LONGEST:
        raise typer.BadParameter(f"{text[:40]!r} is not 1 to {LONGEST.days} days, such as 90d, 12w or 36h")
    return age


def purge(
    firm: Annotated[str | None, typer.Option("--firm", help="Only this firm.", show_default=False)] = None,
    older_than: Annotated[
        timedelta | None,
        typer.Option(
            parser=_age,
            metavar="AGE",
            help="Such as 90d, 12w or 36h; by default the firm's own retention.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say how much.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove notes, claims, history and refused reports that are older than a firm keeps them."""
    total = run(lambda store: operations.purge(store, me(), firm, older_than, yes), database_url, as_json)
    if as_json:
        shown = [{"name": one.name, "before": show_instant(one.cutoff), **one.counts} for one in total.firms]
        show_json({"done": yes, "firms": shown, "kept_forever": total.kept_for_ever, "replies": total.replies})
    else:
        _show(total, yes)
    refuse_unreadable(total.unreadable, "firm")


def _show(total: Purged, done: bool) -> None:
    """Say what went, or would go, of each firm."""
    if total.firms:
        columns = (
            "firm",
            "before",
            "claims",
            "history rows",
            "notes",
            "refused reports",
            "phone changes",
            "priority changes",
            "field changes",
        )
        rows = [(one.name, show_utc(one.cutoff), *one.counts.values()) for one in total.firms]
        show_table(columns, rows)
    if total.kept_for_ever:
        typer.echo(f"These firms keep everything: {', '.join(total.kept_for_ever)}.")
    what = f"{count(total.rows, 'row')} and {count(total.replies, 'kept reply')}"
    if done:
        typer.echo(f"Removed {what}.")
    else:
        typer.echo(f"This would remove {what}. Nothing was changed; add --yes to do it.")
