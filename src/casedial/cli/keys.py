"""casedial key: add, import, list, revoke."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, FirmName, Row, run, show_json, show_table
from casedial.service import firms as firm_service
from casedial.service import keys as service
from casedial.storage import keys
from casedial.storage.engine import Store

app = typer.Typer(help="ClientKeys: one for each dialer vendor of each firm.", no_args_is_help=True)

Vendor = Annotated[str, typer.Option(help="The dialer company; it signs notes and history.", show_default=False)]


def _add(firm: str, vendor: str, key: str | None, database_url: str | None, as_json: bool) -> service.NewKey:
    async def work(store: Store) -> service.NewKey:
        async with store.write() as tx:
            opened = await firm_service.open_firm(tx, firm)
            return await service.add_key(tx, opened, vendor, datetime.now(UTC), key)

    return run(work, database_url, as_json)


@app.command()
def add(firm: FirmName, vendor: Vendor, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Make a key. It is shown now and never again."""
    new = _add(firm, vendor, None, database_url, as_json)
    if as_json:
        show_json({"key": new.key, "id": new.id})
    else:
        typer.echo(f"Key {new.id} of {new.vendor}, shown only now; send it as X-ApiKey:\n{new.key}")


@app.command("import")
def import_(
    firm: FirmName,
    vendor: Vendor,
    key: Annotated[str, typer.Option(help="A key from elsewhere: 16 to 256 visible ASCII characters.")],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take over a key that a vendor already uses."""
    new = _add(firm, vendor, key, database_url, as_json)
    if as_json:
        show_json({"id": new.id})
    else:
        typer.echo(f"Imported as key {new.id} of {new.vendor}.")


@app.command("list")
def list_(
    firm: Annotated[str | None, typer.Option("--firm", help="Only this firm's.", show_default=False)] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List keys: never the keys themselves, which are not stored. Times are UTC."""

    async def work(store: Store) -> list[keys.KeyRecord]:
        async with store.read() as tx:
            opened = await firm_service.open_firm(tx, firm) if firm else None
            return await keys.every(tx, opened.id if opened else None)

    def shown(moment: datetime | None) -> str | None:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None

    rows: list[Row] = [
        {
            "id": key.id,
            "firm": key.firm_name,
            "vendor": key.vendor,
            "starts_with": key.hint,
            "created_at": shown(key.created_at),
            "last_used_at": shown(key.last_used_at),
            "revoked_at": shown(key.revoked_at),
        }
        for key in run(work, database_url, as_json)
    ]
    if as_json:
        show_json(rows)
    else:
        columns = ("id", "firm", "vendor", "starts with", "created", "last used", "revoked")
        show_table(columns, [list(row.values()) for row in rows])


@app.command()
def revoke(
    key_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The key's id, from key list.", show_default=False)
    ],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a key from now on; every server does so at once."""

    async def work(store: Store) -> None:
        await store.transact(lambda tx: service.revoke_key(tx, key_id, datetime.now(UTC)))

    run(work, database_url, as_json)
    if as_json:
        show_json({"id": key_id, "revoked": True})
    else:
        typer.echo(f"Key {key_id} is revoked.")
