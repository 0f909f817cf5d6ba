"""casedial cases set and delete: many cases at once."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from casedial.cli.changes import show_counts, show_left
from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    Row,
    count,
    err,
    listed,
    me,
    moment,
    run,
    show_json,
)
from casedial.cli.which import filtered, refuse_left_out
from casedial.database.engine import Store
from casedial.domain.cases import PRIORITIES
from casedial.domain.changes import ChangeState, Counts, Outcome
from casedial.domain.dialing import CaseFilter, Move, OperatorChange
from casedial.domain.errors import NoteTooLong
from casedial.domain.firms import Firm
from casedial.domain.orders import ChangeKind, Task, Wanted
from casedial.domain.statuses import StatusType
from casedial.service.cases import EVERY_CASE
from casedial.service.operations import changes as operations
from casedial.service.operations.changes import Shown, how_to_go_on
from casedial.service.operations.forgetting import Forgotten, ReplyForm, forget
from casedial.wire import values
from casedial.wire.replies import case_marks, without_cases


@filtered
def set_(
    firm: FirmName,
    which: CaseFilter,
    every: Annotated[bool, typer.Option("--all", help="All cases of the firm.")] = False,
    to_dial: Annotated[bool, typer.Option("--to-dial", help="Set To Dial, now or --at a time.")] = False,
    at: Annotated[
        str | None,
        typer.Option(help="When to dial, such as 2026-05-06T09:00:00 (the firm's time).", show_default=False),
    ] = None,
    do_not_dial: Annotated[bool, typer.Option("--do-not-dial", help="Set Do not Dial.")] = False,
    back_from_dialer: Annotated[
        bool, typer.Option("--back-from-dialer", help="Set cases In the Dialer back to To Dial, at their old time.")
    ] = False,
    into_campaign: Annotated[str | None, typer.Option(help="Move to this campaign.", show_default=False)] = None,
    priority: Annotated[
        int | None,
        typer.Option(
            min=PRIORITIES[0],
            max=PRIORITIES[-1],
            help="1 is dialed first, 9 last; the default is 5.",
            show_default=False,
        ),
    ] = None,
    add_note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Add this note, signed with your user name.", show_default=False)
    ] = None,
    put_on_do_not_call: Annotated[
        bool, typer.Option("--put-on-do-not-call", help="Put the cases on the do-not-call list.")
    ] = False,
    take_off_do_not_call: Annotated[
        bool,
        typer.Option("--take-off-do-not-call", help="Take the cases off it; their numbers and their status stay."),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, to be kept with the change.", show_default=False)] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say how many.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change cases, by CaseID or by filter: without --yes only say how many. In CaseID order.

    Exits 1 when one that was named is not there, or cannot be read.
    """
    chosen = ((Move.TO_DIAL, to_dial), (Move.DO_NOT_DIAL, do_not_dial), (Move.BACK_FROM_DIALER, back_from_dialer))
    moves = [move for move, wanted in chosen if wanted]
    if into_campaign is not None and not into_campaign.strip():
        raise typer.BadParameter("--into-campaign is blank: give a name, or leave the option out")
    task = _task(add_note, put_on_do_not_call, take_off_do_not_call)
    if task and (moves or into_campaign or priority or at):
        raise typer.BadParameter("a note, or the do-not-call list, is a change of its own: give two commands")
    if len(moves) > 1 or not (task or moves or into_campaign or priority):
        raise typer.BadParameter(
            "say one of --to-dial, --do-not-dial, --back-from-dialer, or --into-campaign NAME, or --priority N, or "
            "--add-note TEXT, or --put-on-do-not-call, or --take-off-do-not-call"
        )
    if at and (not moves or moves[0] is Move.DO_NOT_DIAL):
        raise typer.BadParameter("--at goes with --to-dial or --back-from-dialer")
    if (which == EVERY_CASE) is not every:
        raise typer.BadParameter("say which cases: either CaseIDs or filters, or --all")
    order = _Order(moves[0] if moves else None, at, into_campaign, priority, task)
    if yes:
        _do(firm, which, order, reason, database_url, as_json)
        return
    found = run(lambda store: operations.rehearse(store, me(), firm, which, order.read), database_url, as_json)
    if as_json:
        unreadable = {"unreadable": found.unreadable} if found.unreadable else {}
        show_json({**_told(found.counts), **unreadable, "done": False, "unknown": found.unknown})
    else:
        show_counts(found.counts, order.move, "Nothing was changed; add --yes to do it.")
    refuse_left_out(found.unknown, found.unreadable)


def _task(text: str | None, put_on: bool, take_off: bool) -> Task | None:
    """Return what else than to set cases is wanted, if anything is."""
    wanted = [kind for kind, is_wanted in ((ChangeKind.LIST, put_on), (ChangeKind.UNLIST, take_off)) if is_wanted]
    if len(wanted) + (text is not None) > 1:
        raise typer.BadParameter("say one of --add-note, --put-on-do-not-call and --take-off-do-not-call")
    if text is None:
        return Task(wanted[0]) if wanted else None
    try:
        return Task(ChangeKind.NOTE, values.note(text))
    except ValueError as error:
        raise typer.BadParameter(f"a note {error}") from None
    except NoteTooLong as error:
        raise typer.BadParameter(error.detail) from None


def _do(firm: str, which: CaseFilter, order: _Order, reason: str, database_url: str | None, as_json: bool) -> None:
    """Preview a change and run it at once; where that is interrupted say what becomes of it."""

    async def work(store: Store) -> tuple[Shown, list[int]]:
        previewed = await operations.preview(store, me(), firm, which, order.read, reason)
        change_id = previewed.change.id
        try:
            await operations.run(store, me(), firm, change_id)
        except asyncio.CancelledError:  # by Ctrl-C
            err.print(how_to_go_on(change_id), soft_wrap=True)
            raise
        return await operations.show(store, me(), firm, change_id), previewed.unknown

    shown, unknown = run(work, database_url, as_json)
    change, left = shown.change, shown.left
    unreadable = left[Outcome.UNREADABLE]
    if as_json:
        named = {"not_meant": left[Outcome.NOT_MEANT], "gone": left[Outcome.GONE]}
        named |= {"unreadable": unreadable} if unreadable else {}
        show_json({"change": change.id, **_told(change.counts), **named, "done": True, "unknown": unknown})
    else:
        show_counts(change.counts, order.move)
        show_left(left, change.counts)
        if change.state is ChangeState.DONE:
            typer.echo(f"This is change {change.id}: casedial cases undo {change.id} puts them back, for 24 hours.")
        else:
            typer.echo(f"Change {change.id} was undone by {change.undone_by.name if change.undone_by else 'somebody'}.")
    refuse_left_out(unknown, unreadable)


def _told(counts: Counts) -> Row:
    hidden = ("not_meant", "gone", "unreadable")
    return {name: number for name, number in asdict(counts).items() if name not in hidden}


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for, as it was typed."""

    move: Move | None
    at: str | None
    campaign: str | None
    priority: int | None
    task: Task | None = None

    def read(self, firm: Firm) -> Wanted:
        """Return what it means for a firm. Raises StatusNotFound or RetiredStatus."""
        if self.task:
            return self.task
        dial_at = moment(self.at, firm.zone, "--at") if self.at else None
        into = None
        if self.campaign is not None:
            named = firm.statuses.named(StatusType.CAMPAIGN, self.campaign)
            into = firm.statuses.to_set(StatusType.CAMPAIGN, named.name, "--into-campaign")
        return OperatorChange(self.move, dial_at, into, self.priority)


@filtered
def delete(
    firm: FirmName,
    which: CaseFilter,
    even_in_the_dialer: Annotated[
        bool, typer.Option("--even-in-the-dialer", help="Also delete cases In the Dialer, which are otherwise left.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would be deleted.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete cases and everything kept about them. Exits with 1 if some are not deleted."""
    if which == EVERY_CASE:
        raise typer.BadParameter("say which cases: CaseIDs, --ids-from or filters; casedial firm delete removes all")
    form = ReplyForm(case_marks, without_cases)
    found = run(lambda store: forget(store, me(), firm, which, even_in_the_dialer, form, do=yes), database_url, as_json)
    if as_json:
        told = {name: number for name, number in asdict(found).items() if name != "unreadable"}
        show_json({"done": yes, **told})
    else:
        _show_forgotten(found, yes)
    refuse_left_out(found.unknown, found.unreadable)
    if yes and (found.in_the_dialer or found.wiped is False):
        raise typer.Exit(1)


def _show_forgotten(found: Forgotten, done: bool) -> None:
    what = ", ".join(
        count(number, noun)
        for number, noun in (
            (found.cases, "case"),
            (found.phones, "phone"),
            (found.history, "history row"),
            (found.notes, "note"),
        )
    )
    also = f"and took them out of {count(found.claims, 'claim')} and {count(found.replies, 'kept reply')}"
    if done:
        typer.echo(f"Deleted {what}, {also}.")
    else:
        also = also.replace("took", "take")
        typer.echo(f"This would delete {what}, {also}. Nothing was changed; add --yes to do it.")
    if found.in_the_dialer:
        typer.echo(f"In the dialer, so left: {listed(found.in_the_dialer)}; --even-in-the-dialer also deletes them.")
    if found.wiped is False:
        typer.echo(
            "Traces may be left on the disk, because somebody has been reading the database for a long time. Run this "
            "again later."
        )
