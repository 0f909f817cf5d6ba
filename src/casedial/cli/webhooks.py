"""casedial webhook: add, list, test, roll, replay, remove."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    Row,
    ShowTime,
    count,
    me,
    refuse_unreadable,
    run,
    show_json,
    show_table,
    show_utc,
    span,
)
from casedial.domain.feed import EventKind
from casedial.service.operations import webhooks as operations
from casedial.service.operations.feed import Feed
from casedial.service.webhooks import Listed
from casedial.settings import settings_from
from casedial.wire.posting import Poster
from casedial.wire.values import instant
from casedial.wire.webhooks import trial_body

app = typer.Typer(help="Webhooks: where a firm's own systems are told of what happened.", no_args_is_help=True)

WebhookID = Annotated[
    int,
    typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The webhook's id, from webhook list.", show_default=False),
]


@app.command()
def add(
    firm: FirmName,
    url: Annotated[str, typer.Option(metavar="URL", help="Where to send messages: https://….", show_default=False)],
    event: Annotated[
        list[EventKind] | None,
        typer.Option(help="Send only events of this type; may repeat; by default all.", show_default=False),
    ] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add an endpoint, which is sent what happens from now on. Its secret is shown only once."""
    _, new = run(
        lambda store: operations.add(store, me(), Feed(store), firm, url, [kind.value for kind in event or ()] or None),
        database_url,
        as_json,
    )
    webhook = new.webhook
    if as_json:
        kinds = None if webhook.kinds is None else sorted(webhook.kinds)
        show_json({"id": webhook.id, "url": webhook.url, "events": kinds, "secret": new.secret})
        return
    typer.echo(f"Webhook {webhook.id} to {webhook.url}. Its secret is shown only this once:\n{new.secret}")
    typer.echo(f"Give it to the program that gets the messages, then try: casedial webhook test {webhook.id}")


@app.command("list")
def list_(
    firm: Annotated[str | None, typer.Option("--firm", help="Only this firm's.", show_default=False)] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List webhooks with what they do not have yet. Times are UTC. Exits with 1 if some cannot be read."""
    found = run(lambda store: operations.every(store, me(), firm), database_url, as_json)
    rows = [_row(one, instant if as_json else show_utc) for one in found.webhooks]
    if as_json:
        show_json(rows)
    else:
        columns = ("id", "firm", "url", "events", "state", "waiting", "oldest", "laid aside", "delivered", "last")
        cells = [[", ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows]
        show_table((*columns, "last error", "at"), cells)
    refuse_unreadable(found.unreadable, "webhook")


def _row(one: Listed, time: ShowTime) -> Row:
    webhook, standing = one.webhook, one.standing
    return {
        "id": webhook.id,
        "firm": one.firm_name,
        "url": webhook.url,
        "events": None if webhook.kinds is None else sorted(webhook.kinds),
        "state": webhook.state,
        "waiting": standing.waiting,
        "oldest_at": time(standing.oldest),
        "dead": standing.dead,
        "delivered": webhook.delivered,
        "delivered_at": time(webhook.delivered_at),
        "error": webhook.error or None,
        "error_at": time(webhook.error_at),
    }


@app.command("test")
def try_out(webhook_id: WebhookID, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Send a message of the type webhook.test from this machine, and say what came of it. Exits with 1 if it failed."""
    post = Poster(settings_from().webhooks_inside)
    webhook, answer = run(
        lambda store: operations.try_out(store, me(), webhook_id, post, trial_body), database_url, as_json
    )
    seconds = round(answer.seconds, 3)
    if as_json:
        row = {"delivered": answer.is_taken, "status": answer.status, "told": answer.told, "seconds": seconds}
        show_json({"id": webhook.id, **row})
    else:
        came = "It is delivered" if answer.is_taken else "It is not delivered"
        typer.echo(f"{came}: {answer.told} ({seconds:.3f} s).")
    if not answer.is_taken:
        raise typer.Exit(1)


@app.command()
def roll(
    webhook_id: WebhookID,
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="How long the secret before it signs, too, such as 24h (s, m, h, d or w); 0: not at all.",
            show_default=False,
        ),
    ],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a new secret, shown only once. For the overlap messages are signed with both."""
    new = run(lambda store: operations.roll(store, me(), webhook_id, overlap), database_url, as_json)
    if as_json:
        show_json({"id": webhook_id, "secret": new.secret, "old_until": instant(new.old_until)})
        return
    until = f"signs, too, until {show_utc(new.old_until)}" if new.old_until else "does not sign any more"
    typer.echo(f"The secret before it {until}. The new one of webhook {webhook_id} is shown only this once:")
    typer.echo(new.secret)


@app.command()
def replay(webhook_id: WebhookID, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Send again what was laid aside and what waits, at once; a webhook whose endpoint was gone is enabled again."""
    found = run(lambda store: operations.replay(store, me(), webhook_id), database_url, as_json)
    enabled = found.webhook.disabled_at is not None
    if as_json:
        show_json({"id": webhook_id, "dead": found.dead, "waiting": found.waiting, "enabled": enabled})
        return
    if enabled:
        typer.echo(f"Webhook {webhook_id} is enabled again.")
    typer.echo(f"{count(found.dead, 'message')} that was laid aside and {found.waiting} that waited are sent now.")


@app.command()
def remove(webhook_id: WebhookID, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Remove a webhook, with all messages that it does not have yet."""
    run(lambda store: operations.remove(store, me(), webhook_id), database_url, as_json)
    if as_json:
        show_json({"id": webhook_id, "removed": True})
    else:
        typer.echo(f"Webhook {webhook_id} is removed.")
