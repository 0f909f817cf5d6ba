"""casedial cases changes, resume and undo: changes of many cases that were made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    count,
    err,
    listed,
    me,
    run,
    show_json,
    show_moment,
    show_table,
)
from casedial.domain.changes import Change, ChangeState, Counts, Outcome, UndoCounts, said
from casedial.domain.dialing import Move
from casedial.service.operations import changes as operations
from casedial.service.operations.changes import Shown, how_to_go_on
from casedial.wire.changes import change_row

ChangeID = Annotated[int, typer.Argument(metavar="ID", min=1, help="The change.", show_default=False)]


def changes(
    firm: FirmName,
    change_id: Annotated[
        int | None, typer.Argument(metavar="[ID]", min=1, help="Show this one whole.", show_default=False)
    ] = None,
    before: Annotated[
        int | None, typer.Option(min=1, metavar="ID", help="Only changes before this one.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Show at most this many changes.")] = 50,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List changes of many cases, the newest first, or show one. Times are the firm's."""
    if change_id is not None:
        shown = run(lambda store: operations.show(store, me(), firm, change_id), database_url, as_json)
        _show_one(shown, as_json)
        return
    found = run(lambda store: operations.every(store, me(), firm, before, limit), database_url, as_json)
    last = found.changes[-1].id if found.more else None
    if as_json:
        show_json({"changes": [change_row(found.firm, one, found.clock) for one in found.changes], "before": last})
    elif found.changes:
        columns = ("id", "when", "by", "what", "cases", "state", "reason")
        rows = [
            (
                one.id,
                show_moment(one.begun_at or one.made_at, found.firm.zone),
                one.actor.name,
                said(found.firm, one),
                one.total,
                state(one, one.is_interrupted(found.clock)),
                one.reason,
            )
            for one in found.changes
        ]
        show_table(columns, rows)
        if last:
            err.print(f"There are more: --before {last} shows the next, --limit more at once.")
    else:
        typer.echo("There are no changes.")


def undo(change_id: ChangeID, firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Put back the cases that a change has changed. Those that somebody has changed since are left, and named."""
    run(lambda store: operations.undo(store, me(), firm, change_id), database_url, as_json)
    _show_one(run(lambda store: operations.show(store, me(), firm, change_id), database_url, as_json), as_json)


def resume(change_id: ChangeID, firm: FirmName, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Go on with a change, or its undo, that was interrupted, and wait until it is done."""
    run(lambda store: operations.resume(store, me(), firm, change_id), database_url, as_json)
    _show_one(run(lambda store: operations.show(store, me(), firm, change_id), database_url, as_json), as_json)


def state(change: Change, is_interrupted: bool) -> str:
    """Say how far a change is."""
    done = change.undo_counts.of_all() if change.state is ChangeState.UNDOING else change.counts.of_all(change.has_move)
    of = change.counts.changed(change.has_move) if change.state is ChangeState.UNDOING else change.total
    far = f"{done:,} of {of:,}" if change.state.is_at_work else ""
    words = {
        ChangeState.PREPARING: "being prepared",
        ChangeState.PREVIEWED: "not run",
        ChangeState.RUNNING: f"running: {far}",
        ChangeState.DONE: "done",
        ChangeState.UNDOING: f"being undone: {far}",
        ChangeState.UNDONE: "undone",
    }[change.state]
    return f"interrupted: {words}" if is_interrupted else words


def _show_one(shown: Shown, as_json: bool) -> None:
    if as_json:
        left = {why.name.lower(): case_ids for why, case_ids in shown.left.items()}
        by_undo = {why.name.lower(): case_ids for why, case_ids in shown.left_by_undo.items()}
        row = change_row(shown.firm, shown.change, shown.clock)
        show_json({**row, "first": shown.examples, "left": left, "left_by_undo": by_undo})
        return
    change, firm = shown.change, shown.firm
    is_interrupted = change.is_interrupted(shown.clock)
    typer.echo(f"Change {change.id}: {said(firm, change)}; {count(change.total, 'case')}; by {change.actor.name}.")
    if change.reason:
        typer.echo(f"Reason: {change.reason}")
    typer.echo(f"State: {state(change, is_interrupted)}.")
    if is_interrupted:
        typer.echo(how_to_go_on(change.id))
    if change.begun_at:
        show_counts(change.counts, _move(change))
        show_left(shown.left, change.counts)
    else:
        show_counts(change.expected, _move(change), "It was not run: nothing was changed.")
    if change.state in (ChangeState.UNDOING, ChangeState.UNDONE):
        _show_undo(change.undo_counts, shown.left_by_undo)
    elif change.can_be_undone(shown.clock):
        until = f" until {firm.local(change.keep_until)}" if change.keep_until else ""
        typer.echo(f"casedial cases undo {change.id} puts them back{until}.")


def _move(change: Change) -> Move | None:
    """Return the move that a change makes."""
    return Move[change.order["move"]] if change.has_move else None


def show_counts(counts: Counts, move: Move | None, not_done: str = "") -> None:
    """Say what became of cases, or would, by reason; ``not_done`` says that nothing was changed, and what to do."""
    done, number = not not_done, count(counts.cases, "case")
    typer.echo(f"Changed {number}." if done else f"This would change {number}. {not_done}")
    if counts.from_the_dialer:
        typer.echo(_from_the_dialer(counts.from_the_dialer, done))
    if counts.in_the_dialer:
        left = count(counts.in_the_dialer, "case")
        typer.echo(f"Left in the dialer: {left}; --back-from-dialer takes them back.")
    if counts.do_not_call:
        which = "On the do-not-call list, so" if move else "Of these, on the do-not-call list and so also set"
        typer.echo(f"{which} Do not Dial: {count(counts.do_not_call, 'case')}.")
    if counts.unchanged:
        why = "Not in the dialer" if move is Move.BACK_FROM_DIALER else "Already as wanted"
        typer.echo(f"{why}: {count(counts.unchanged, 'case')}.")


def _from_the_dialer(number: int, done: bool) -> str:
    if number == 1:
        which, loses = ("was", "had it lost its") if done else ("is", "has it would lose its")
        return f"Of these, 1 {which} In the Dialer: the dialer that {loses} claim."
    which, loses = ("were", "had them lost their") if done else ("are", "have them would lose their")
    return f"Of these, {number} {which} In the Dialer: the dialers that {loses} claims."


def show_left(left: Mapping[Outcome, list[int]], counts: Counts) -> None:
    """Name the cases that no longer were what was asked for when their turn came."""
    _show_named("Changed by somebody else meanwhile, so left", counts.not_meant, left[Outcome.NOT_MEANT])
    _show_named("Deleted meanwhile", counts.gone, left[Outcome.GONE])


def _show_undo(counts: UndoCounts, left: Mapping[Outcome, list[int]]) -> None:
    typer.echo(f"Put back {count(counts.cases, 'case')}.")
    if counts.do_not_call:
        typer.echo(f"Of these, on the do-not-call list by now and so Do not Dial: {count(counts.do_not_call, 'case')}.")
    _show_named("Changed since, so left", counts.changed_since, left[Outcome.CHANGED_SINCE])
    _show_named("In the dialer now, so left", counts.in_the_dialer, left[Outcome.IN_THE_DIALER])
    _show_named("Deleted since", counts.gone, left[Outcome.GONE])
    _show_named("Left, because what is stored cannot be read", counts.unreadable, left[Outcome.UNREADABLE])


def _show_named(why: str, number: int, case_ids: list[int]) -> None:
    """Say how many cases were left, and which: nobody knows of those that were deleted with all that was kept."""
    if number:
        which = f" ({listed(case_ids)})" if case_ids else ""
        typer.echo(f"{why}: {count(number, 'case')}{which}.")
