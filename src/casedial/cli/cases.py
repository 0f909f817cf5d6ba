"""casedial cases: import, export, show, set, delete."""

from __future__ import annotations

import asyncio
import getpass
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from casedial.cli import files
from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    Row,
    count,
    err,
    fail,
    refuse_unreadable,
    run,
    show_json,
    show_moment,
    show_replies,
    show_table,
)
from casedial.cli.output import Output, is_standard
from casedial.domain.authors import operator
from casedial.domain.cases import PRIORITIES, Firm, Hold, Phone, StatusType
from casedial.domain.dialing import CaseFilter, Move, OperatorChange, StatusPeriod
from casedial.domain.errors import InvalidSetting
from casedial.domain.phones import is_fax, read
from casedial.service.cases import BulkChange, CaseFile, Changed, show_case
from casedial.service.firms import open_firm
from casedial.service.forgetting import Forgetting, Forgotten, ReplyForm
from casedial.service.imports import ImportOptions
from casedial.storage.engine import Store
from casedial.wire.columns import read_map
from casedial.wire.replies import case_marks, case_reply, without_cases
from casedial.wire.values import MAX_CASE_ID, local_time, show_time

app = typer.Typer(help="Cases: in and out of files, one whole, many at once, gone for good.", no_args_is_help=True)

CaseIDs = Annotated[
    list[int] | None,
    typer.Argument(metavar="[CASEID]...", min=1, max=MAX_CASE_ID, help="These cases.", show_default=False),
]


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV with a header, as spreadsheets write it, or JSON Lines.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    firm: FirmName,
    set_statuses: Annotated[
        bool, typer.Option("--set-statuses", help="Also change dial statuses and times of cases that exist.")
    ] = False,
    add_statuses: Annotated[
        bool, typer.Option("--add-statuses", help="Add statuses that the firm does not have.")
    ] = False,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=NAME",
            help='What a column of the file means, such as "Case Number=CaseID"; may repeat.',
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: say what would be done, and which rows are bad.")
    ] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add cases, and update by CaseID those that exist. Exits 1 when some rows were bad."""
    try:
        how = files.HowToImport(ImportOptions(set_statuses, add_statuses), read_map(columns or ()), dry_run)
    except InvalidSetting as error:
        fail(error, as_json)
    total = run(lambda store: files.import_file(store, firm, file, how), database_url, as_json)
    if as_json:
        show_json(total.document())
    else:
        total.show()
    if total.rejected or total.error:
        raise typer.Exit(1)


@app.command("export")
def export(
    firm: FirmName,
    output: Output = None,
    form: Annotated[
        files.Form | None, typer.Option("--format", help="By default CSV, or what the file's name says.")
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write all cases as a file that import reads. Exits 1 when some cannot be read."""
    chosen = form or files.form_of(output or Path("-"))
    if as_json and is_standard(output):
        fail(InvalidSetting("With --json the cases go to a file: name it with --output."), as_json)
    written = run(lambda store: files.export_file(store, firm, output, chosen), database_url, as_json)
    if as_json:
        left_out = {"unreadable": written.unreadable} if written.unreadable else {}
        show_json({"file": str(output), "cases": written.cases, **left_out})
    elif not is_standard(output):
        typer.echo(f"Wrote {count(written.cases, 'case')} to {output}.")
    refuse_unreadable(written.unreadable)


@app.command()
def show(
    case_id: Annotated[
        int, typer.Argument(metavar="CASEID", min=1, max=MAX_CASE_ID, help="The case.", show_default=False)
    ],
    firm: FirmName,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show all there is of a case. Times are the firm's."""

    async def work(store: Store) -> tuple[Firm, CaseFile]:
        async with store.read() as tx:
            opened = await open_firm(tx, firm)
            return opened, await show_case(tx, opened, case_id)

    document = _document(*run(work, database_url, as_json))
    if as_json:
        show_json(document)
    else:
        _show(document)


def _document(firm: Firm, found: CaseFile) -> Row:
    case = found.case
    reply = case_reply(case, firm.zone)
    disposition = case.statuses.get(StatusType.DISPOSITION)
    return {
        "CaseID": case.case_id,
        "Plaintiff": case.plaintiff,
        "CaseStatus": case.case_status,
        "CaseGroup": case.case_group,
        "Closed": case.closed_on.isoformat() if case.closed_on else case.closed,
        "ZipCode": case.zip_code,
        "DialerStatus": reply.DialerStatus,
        "DialDateTime": reply.DialDateTime,
        "Priority": case.priority,
        "Campaign": reply.Campaign,
        "Attempts": reply.Attempts,
        "Disposition": disposition.name if disposition else "",
        "Claim": _hold(firm, case.hold),
        "Phones": [
            {"PhoneName": p.name, "Phone": p.number, "Primary": p.primary, "Text": p.text, "Kind": _kind(p)}
            for p in case.each_phone()
        ],
        "History": [_period(firm, period) for period in found.history],
        "Notes": [
            {"Time": show_moment(note.created_at, firm.zone), "Author": note.author, "Note": note.text}
            for note in found.notes
        ],
    }


def _kind(phone: Phone) -> str:
    """Say what a phone is, and of one that is never dialed why."""
    number = read(phone.number)
    return "fax" if is_fax(phone.name) else f"{number.kind}: it {number.why}" if number.why else number.kind


def _hold(firm: Firm, hold: Hold | None) -> str:
    """Say who holds a case that is In the Dialer, and for how long."""
    if hold is None:
        return ""
    if hold.answered_at:
        return f"{hold.claim_id}, answered at {show_moment(hold.answered_at, firm.zone)}"
    return f"{hold.claim_id}, runs out {'at ' + show_time(hold.until, firm.zone) if hold.until else 'never'}"


def _period(firm: Firm, period: StatusPeriod) -> Row:
    change = period.change
    return {
        "Type": change.type.label,
        "Status": change.status.name if change.status else "",
        "DialDateTime": show_moment(change.dial_at, firm.zone),
        "From": show_moment(change.changed_at, firm.zone),
        "Until": show_moment(period.until, firm.zone),
        "By": change.changed_by,
        "Why": change.reason or "",
    }


def _show(document: Row) -> None:
    lists = {name: document.pop(name) for name in ("Phones", "History", "Notes")}
    show_table(("Case", str(document.pop("CaseID"))), document.items())
    for name, rows in lists.items():
        typer.echo()
        if rows:
            show_table(list(rows[0]), [list(row.values()) for row in rows], title=name)
        else:
            typer.echo(f"{name}: none")


@app.command("set")
def set_(
    firm: FirmName,
    case_ids: CaseIDs = None,
    every: Annotated[bool, typer.Option("--all", help="All cases of the firm.")] = False,
    campaign: Annotated[str | None, typer.Option(help="Cases in this campaign.", show_default=False)] = None,
    case_group: Annotated[str | None, typer.Option(help="Cases of this group.", show_default=False)] = None,
    dialer_status: Annotated[str | None, typer.Option(help="Cases of this Dialer Status.", show_default=False)] = None,
    disposition: Annotated[str | None, typer.Option(help="Cases of this disposition.", show_default=False)] = None,
    to_dial: Annotated[bool, typer.Option("--to-dial", help="Set To Dial, now or --at a time.")] = False,
    at: Annotated[
        str | None,
        typer.Option(help="When to dial, such as 2026-05-06T09:00:00 (the firm's time).", show_default=False),
    ] = None,
    do_not_dial: Annotated[bool, typer.Option("--do-not-dial", help="Set Do not Dial.")] = False,
    back_from_dialer: Annotated[
        bool, typer.Option("--back-from-dialer", help="Set those In the Dialer To Dial again, at their old time.")
    ] = False,
    into_campaign: Annotated[str | None, typer.Option(help="Put in this campaign.", show_default=False)] = None,
    priority: Annotated[
        int | None,
        typer.Option(
            min=PRIORITIES[0],
            max=PRIORITIES[-1],
            help="1 is dialed first, 9 last; at first each has 5.",
            show_default=False,
        ),
    ] = None,
    after: Annotated[
        int, typer.Option(min=0, help="Only cases of a higher CaseID: goes on where it ended half-way.")
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say how many.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change many cases, by CaseID or by filter: say how many first, do it with --yes. In CaseID order.

    Exits 1 when some cannot be read.
    """
    chosen = ((Move.TO_DIAL, to_dial), (Move.DO_NOT_DIAL, do_not_dial), (Move.BACK_FROM_DIALER, back_from_dialer))
    moves = [move for move, wanted in chosen if wanted]
    if len(moves) > 1 or not (moves or into_campaign or priority):
        raise typer.BadParameter(
            "say one of --to-dial, --do-not-dial, --back-from-dialer, or --into-campaign NAME, or --priority N"
        )
    if at and (not moves or moves[0] is Move.DO_NOT_DIAL):
        raise typer.BadParameter("--at goes with --to-dial or --back-from-dialer")
    which = CaseFilter(tuple(case_ids) if case_ids else None, dialer_status, campaign, disposition, case_group)
    if (which == CaseFilter()) is not every:
        raise typer.BadParameter("say which cases: either CaseIDs or filters, or --all")
    order = _Order(moves[0] if moves else None, at, into_campaign, priority)
    by = operator(getpass.getuser())
    found = run(
        lambda store: _change(BulkChange(store, firm, which, order.read, by, yes, Changed(last=after))),
        database_url,
        as_json,
    )
    unknown = sorted(case_id for case_id in {*(which.case_ids or ())} - found.known if case_id > after)
    if as_json:
        hidden = ("known", "last", *(() if found.unreadable else ("unreadable",)))
        told = {name: number for name, number in asdict(found).items() if name not in hidden}
        show_json({**told, "done": yes, "unknown": unknown})
    else:
        _show_changed(found, order.move, unknown, yes)
    refuse_unreadable(found.unreadable)


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for, as it was typed."""

    move: Move | None
    at: str | None
    campaign: str | None
    priority: int | None

    def read(self, firm: Firm) -> OperatorChange:
        """Return what it means for a firm. Raises InvalidSetting, UnknownStatus or RetiredStatus."""
        try:
            dial_at = local_time(self.at, firm.zone) if self.at else None
        except ValueError as error:
            raise InvalidSetting(f"--at {error}.") from None
        into = firm.statuses.to_set(StatusType.CAMPAIGN, self.campaign, "--into-campaign") if self.campaign else None
        return OperatorChange(self.move, dial_at, into, self.priority)


async def _change(bulk: BulkChange) -> Changed:
    try:
        await bulk.run()
    except asyncio.CancelledError:  # by Ctrl-C
        if bulk.do and bulk.changed.cases + bulk.changed.do_not_call:
            err.print(bulk.halfway)
        raise
    return bulk.changed


def _show_changed(found: Changed, move: Move | None, unknown: list[int], done: bool) -> None:
    """Say what became of the cases, or would, by reason."""
    if done:
        typer.echo(f"Changed {count(found.cases, 'case')}.")
    else:
        typer.echo(f"This would change {count(found.cases, 'case')}. Nothing was changed; add --yes to do it.")
    if found.from_the_dialer:
        loses = "whoever dials them lost the claim" if done else "whoever dials them would lose the claim"
        typer.echo(f"Of these {found.from_the_dialer} {'were' if done else 'are'} In the Dialer: {loses}.")
    if found.in_the_dialer:
        left = count(found.in_the_dialer, "case")
        typer.echo(f"Left in the dialer: {left}; --back-from-dialer takes them back.")
    if found.do_not_call:
        typer.echo(f"On the do-not-call list, so Do not Dial: {count(found.do_not_call, 'case')}.")
    if found.unchanged:
        why = "Not in the dialer" if move is Move.BACK_FROM_DIALER else "As wanted already"
        typer.echo(f"{why}: {count(found.unchanged, 'case')}.")
    if unknown:
        typer.echo(f"The firm does not have: {', '.join(map(str, unknown))}.")


@app.command()
def delete(
    case_ids: Annotated[
        list[int],
        typer.Argument(metavar="CASEID...", min=1, max=MAX_CASE_ID, help="These cases.", show_default=False),
    ],
    firm: FirmName,
    even_in_the_dialer: Annotated[
        bool, typer.Option("--even-in-the-dialer", help="Also those In the Dialer, which are left otherwise.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would go.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Delete cases and all that is kept of them: nothing of the person is left. Exits 1 when some are not gone."""
    form = ReplyForm(case_marks, without_cases)
    found = run(
        lambda store: Forgetting(store, firm, case_ids, even_in_the_dialer, form, yes).run(), database_url, as_json
    )
    if as_json:
        show_json({"done": yes, **asdict(found)})
    else:
        _show_forgotten(found, yes)
    if yes and (found.unknown or found.in_the_dialer or found.wiped is False):
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
    also = f"and took them out of {count(found.claims, 'claim')} and {show_replies(found.replies)}"
    if done:
        typer.echo(f"Deleted {what}, {also}.")
    else:
        also = also.replace("took", "take")
        typer.echo(f"This would delete {what}, {also}. Nothing was changed; add --yes to do it.")
    if found.unknown:
        typer.echo(f"The firm does not have: {', '.join(map(str, found.unknown))}.")
    if found.in_the_dialer:
        left = ", ".join(map(str, found.in_the_dialer))
        typer.echo(f"In the dialer, so left: {left}; --even-in-the-dialer deletes them, too.")
    if found.wiped is False:
        typer.echo("Traces may be left on the disk: somebody reads the database for long. Run this again later.")
