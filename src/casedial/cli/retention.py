"""casedial purge."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    Row,
    count,
    refuse_unreadable,
    run,
    show_json,
    show_replies,
    show_table,
)
from casedial.domain.cases import Firm
from casedial.domain.errors import CasedialError, EndedHalfway
from casedial.domain.retention import LONGEST, SHORTEST, kept_since
from casedial.service.firms import open_firm
from casedial.service.retention import Purge, purge_replies
from casedial.storage import firms
from casedial.storage.engine import Store
from casedial.storage.retention import Kind
from casedial.wire.values import show_instant

_AGE = re.compile(r"([0-9]{1,7})\s*([dwh]?)", re.IGNORECASE)
_UNITS = {"": "days", "d": "days", "w": "weeks", "h": "hours"}


def _age(text: str) -> timedelta:
    """Read an age: a number of days, or of what the letter behind it says."""
    found = _AGE.fullmatch(text.strip())
    age = timedelta(**{_UNITS[found[2].lower()]: int(found[1])}) if found else None
    if age is None or not SHORTEST <= age <= LONGEST:
        raise typer.BadParameter(f"1 to {LONGEST.days} days, such as 90d, 12w or 36h")
    return age


def purge(
    firm: Annotated[str | None, typer.Option("--firm", help="Only this firm.", show_default=False)] = None,
    older_than: Annotated[
        timedelta | None,
        typer.Option(
            parser=_age,
            metavar="AGE",
            help="Such as 90d, 12w or 36h; by default each firm's own retention.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say how much.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove notes, claims, history and refused reports that are over, older than a firm keeps them."""
    total = run(lambda store: _purge(store, firm, older_than, yes), database_url, as_json)
    if as_json:
        shown = [{**row, "before": show_instant(row["before"])} for row in total.firms]
        show_json({"done": yes, "firms": shown, "kept_for_ever": total.kept_for_ever, "replies": total.replies})
    else:
        total.show(yes)
    refuse_unreadable(total.unreadable, "firm")


@dataclass(slots=True)
class _Total:
    """What went, or would go, of each firm."""

    firms: list[Row] = field(default_factory=list)
    kept_for_ever: list[str] = field(default_factory=list)
    replies: int = 0
    unreadable: list[int] = field(default_factory=list)  # firms that were passed over

    def rows(self) -> int:
        """Return how many rows of all firms that is."""
        return sum(row[kind] for row in self.firms for kind in Kind)

    def show(self, done: bool) -> None:
        """Say it."""
        if self.firms:
            columns = ("firm", "before (UTC)", "claims", "history rows", "notes", "refused reports")
            rows = [
                [f"{cell:%Y-%m-%d %H:%M}" if isinstance(cell, datetime) else cell for cell in row.values()]
                for row in self.firms
            ]
            show_table(columns, rows)
        if self.kept_for_ever:
            typer.echo(f"Kept for ever, so left alone: {', '.join(self.kept_for_ever)}.")
        what = f"{count(self.rows(), 'row')} and {show_replies(self.replies)}"
        if done:
            typer.echo(f"Removed {what}.")
        else:
            typer.echo(f"This would remove {what}. Nothing was changed; add --yes to do it.")


async def _purge(store: Store, name: str | None, older_than: timedelta | None, do: bool) -> _Total:
    now = datetime.now(UTC)
    total = _Total()
    found, total.unreadable = await _firms(store, name)
    for firm in found:
        cutoff = kept_since(firm, older_than, now)
        if cutoff is None:
            total.kept_for_ever.append(firm.name)
            continue
        work = Purge(store, firm.id, cutoff, do)
        try:
            await work.run()
        except (CasedialError, OSError) as error:
            removed = total.rows() + sum(work.counts.values())
            if not do or not removed:
                raise
            until = f"Until then {count(removed, 'row')} went."
            raise EndedHalfway(f"{until} Run the same once more: it goes on with what is left.") from error
        counts = {kind.value: number for kind, number in work.counts.items()}
        total.firms.append({"name": firm.name, "before": cutoff, **counts})
    total.replies = await purge_replies(store, now, do)
    return total


async def _firms(store: Store, name: str | None) -> tuple[list[Firm], list[int]]:
    async with store.read() as tx:
        if name is not None:
            return [await open_firm(tx, name)], []
        found, unreadable = await firms.every(tx)
    return [firm for firm, _ in found], unreadable
