"""casedial key: add, import, set, roll, list, revoke."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    Row,
    change,
    count,
    refuse_unreadable,
    run,
    show_json,
    show_moment,
    show_table,
    span,
)
from casedial.domain.cases import Firm, StatusType
from casedial.domain.errors import InvalidSetting
from casedial.domain.keys import ALL_SCOPES, KeyLimits, Scope
from casedial.service import firms as firm_service
from casedial.service import keys as service
from casedial.storage import firms, keys
from casedial.storage.engine import Store, Transaction
from casedial.wire.values import local_time

T = TypeVar("T")

app = typer.Typer(help="ClientKeys: one for each dialer vendor of each firm.", no_args_is_help=True)

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Vendor = Annotated[str, typer.Option(help="The dialer company; it signs notes and history.", show_default=False)]
KeyID = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The key's id, from key list.", show_default=False)
]
Scopes = Annotated[
    list[Scope] | None, typer.Option("--scope", help="What it may do, may repeat; by default all.", show_default=False)
]
Campaigns = Annotated[
    list[str] | None,
    typer.Option("--campaign", help="Limit it to this campaign; may repeat, up to 64 times.", show_default=False),
]
Addresses = Annotated[
    list[str] | None,
    typer.Option("--address", help="Limit it to this address or network; may repeat.", show_default=False),
]
Expires = Annotated[
    str | None,
    typer.Option(help="When it ends, such as 2030-01-31 or 2030-01-31T09:00:00 (the firm's time).", show_default=False),
]
RateLimit = Annotated[
    int | None, typer.Option(min=1, max=service.MAX_RATE_LIMIT, help="Requests a minute.", show_default=False)
]
NoExpiry = Annotated[bool, typer.Option("--no-expiry", help="It does not end by itself.")]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The options that limit a key; None was not given, an empty list takes a limit off."""

    scopes: Sequence[Scope] | None
    campaigns: Sequence[str] | None
    addresses: Sequence[str] | None
    expires: str | None
    rate_limit: int | None
    never_expires: bool = False

    def meant(self, firm: Firm) -> service.LimitChange:
        """Return what it means for a firm. Raises InvalidSetting."""
        expires_at = _instant(self.expires, firm) if self.expires else None
        return service.LimitChange(
            self.scopes, self.campaigns, self.addresses, expires_at, self.never_expires, self.rate_limit
        )


def _instant(text: str, firm: Firm) -> datetime:
    try:
        return local_time(f"{text}T00:00:00" if _DATE.fullmatch(text) else text, firm.zone)
    except ValueError as error:
        raise InvalidSetting(f"--expires {error}, or a date.") from None


def _limits_row(firm: Firm, limits: KeyLimits) -> Row:
    names = [status.name for status in firm.statuses.of(StatusType.CAMPAIGN) if status.id in (limits.campaigns or ())]
    return {
        "scopes": [scope for scope in Scope if scope in limits.scopes],
        "campaigns": None if limits.campaigns is None else names,
        "addresses": None if limits.addresses is None else [str(network) for network in limits.addresses],
        "rate_limit": limits.rate_limit,
        "expires_at": _shown(limits.expires_at),
    }


def _shown(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _told(firm: Firm, limits: KeyLimits) -> str:
    """Say in a line what a key is limited to; nothing where it is not."""
    row = _limits_row(firm, limits)
    parts = []
    if limits.scopes != ALL_SCOPES:
        parts.append(f"scopes {', '.join(row['scopes'])}")
    for name in ("campaigns", "addresses"):
        if row[name] is not None:
            parts.append(f"{name} {', '.join(row[name])}")
    if limits.rate_limit:
        parts.append(f"{count(limits.rate_limit, 'request')} a minute")
    if limits.expires_at:
        parts.append(f"until {show_moment(limits.expires_at, firm.zone)} ({firm.time_zone})")
    return "; ".join(parts)


def _limited_to(firm: Firm, limits: KeyLimits) -> str:
    told = _told(firm, limits)
    return f" Limited to: {told}." if told else ""


def _add(
    firm: str, vendor: str, key: str | None, wanted: _Wanted, database_url: str | None, as_json: bool
) -> tuple[Firm, service.NewKey]:
    async def work(tx: Transaction) -> tuple[Firm, service.NewKey]:
        opened = await firm_service.open_firm(tx, firm)
        return opened, await service.add_key(tx, opened, vendor, datetime.now(UTC), key, wanted.meant(opened))

    return change(work, database_url, as_json)


@app.command()
def add(
    firm: FirmName,
    vendor: Vendor,
    scope: Scopes = None,
    campaign: Campaigns = None,
    address: Addresses = None,
    expires: Expires = None,
    rate_limit: RateLimit = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown now and never again."""
    wanted = _Wanted(scope, campaign, address, expires, rate_limit)
    opened, new = _add(firm, vendor, None, wanted, database_url, as_json)
    if as_json:
        show_json({"key": new.key, "id": new.id, **_limits_row(opened, new.limits)})
    else:
        typer.echo(f"Key {new.id} of {new.vendor}.{_limited_to(opened, new.limits)}")
        typer.echo(f"Shown only now; send it as X-ApiKey:\n{new.key}")


@app.command("import")
def import_(
    firm: FirmName,
    vendor: Vendor,
    key: Annotated[str, typer.Option(help="A key from elsewhere: 16 to 256 visible ASCII characters.")],
    scope: Scopes = None,
    campaign: Campaigns = None,
    address: Addresses = None,
    expires: Expires = None,
    rate_limit: RateLimit = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Take over a key that a vendor already uses."""
    wanted = _Wanted(scope, campaign, address, expires, rate_limit)
    opened, new = _add(firm, vendor, key, wanted, database_url, as_json)
    if as_json:
        show_json({"id": new.id, **_limits_row(opened, new.limits)})
    else:
        typer.echo(f"Imported as key {new.id} of {new.vendor}.{_limited_to(opened, new.limits)}")


@app.command("set")
def set_(
    key_id: KeyID,
    scope: Scopes = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="It may do everything.")] = False,
    campaign: Campaigns = None,
    all_campaigns: Annotated[bool, typer.Option("--all-campaigns", help="It may be used for all campaigns.")] = False,
    address: Addresses = None,
    any_address: Annotated[bool, typer.Option("--any-address", help="It may be used from anywhere.")] = False,
    expires: Expires = None,
    no_expiry: NoExpiry = False,
    rate_limit: RateLimit = None,
    no_rate_limit: Annotated[bool, typer.Option("--no-rate-limit", help="As many requests as it likes.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change what a key is limited to; what is not named stays. Takes effect with the next request."""
    wanted = _Wanted(
        _either("scope", scope, "all-scopes", all_scopes),
        _either("campaign", campaign, "all-campaigns", all_campaigns),
        _either("address", address, "any-address", any_address),
        expires,
        0 if no_rate_limit else rate_limit,
        no_expiry,
    )
    _refuse_both("rate-limit", rate_limit, "no-rate-limit", no_rate_limit)
    _refuse_both("expires", expires, "no-expiry", no_expiry)

    async def work(tx: Transaction) -> tuple[Firm, keys.KeyRecord, KeyLimits]:
        key, firm = await service.open_key(tx, key_id)
        return firm, key, await service.limit_key(tx, key, firm, wanted.meant(firm), datetime.now(UTC))

    firm, key, limits = change(work, database_url, as_json)
    if as_json:
        show_json({"id": key_id, **_limits_row(firm, limits)})
    else:
        typer.echo(f"Key {key_id} of {key.vendor}.{_limited_to(firm, limits) or ' It is not limited.'}")


def _either(name: str, given: Sequence[T] | None, off: str, taken_off: bool) -> Sequence[T] | None:
    """Return what was given for a limit, nothing in it where the limit is taken off."""
    _refuse_both(name, given, off, taken_off)
    return [] if taken_off else (given or None)


def _refuse_both(name: str, given: object, off: str, taken_off: bool) -> None:
    if given and taken_off:
        raise typer.BadParameter(f"--{name} and --{off} exclude each other")


@app.command()
def roll(
    key_id: KeyID,
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="How long the old key still works, such as 24h (s, m, h or d); 0: not at all.",
            show_default=False,
        ),
    ],
    expires: Expires = None,
    no_expiry: NoExpiry = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key by a new one of the same vendor and limits, shown now and never again."""
    _refuse_both("expires", expires, "no-expiry", no_expiry)
    wanted = _Wanted(None, None, None, expires, None, no_expiry)

    async def work(tx: Transaction) -> tuple[Firm, service.NewKey, datetime]:
        key, firm = await service.open_key(tx, key_id)
        new, ends = await service.roll_key(tx, key, firm, overlap, datetime.now(UTC), wanted.meant(firm))
        return firm, new, ends

    firm, new, ends = change(work, database_url, as_json)
    if as_json:
        row = {"key": new.key, "id": new.id, **_limits_row(firm, new.limits)}
        show_json({**row, "old_id": key_id, "old_expires_at": _shown(ends)})
        return
    until = f"works until {show_moment(ends, firm.zone)} ({firm.time_zone})" if overlap else "is refused from now on"
    typer.echo(f"Key {key_id} {until}.")
    typer.echo(f"Key {new.id} of {new.vendor} takes its place.{_limited_to(firm, new.limits)}")
    typer.echo(f"Shown only now; send it as X-ApiKey:\n{new.key}")


@app.command("list")
def list_(
    firm: Annotated[str | None, typer.Option("--firm", help="Only this firm's.", show_default=False)] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List keys: never the keys themselves, which are not stored. Times are UTC. Exits 1 when some cannot be read."""

    async def work(store: Store) -> tuple[list[Row], list[int]]:
        async with store.read() as tx:
            opened = await firm_service.open_firm(tx, firm) if firm else None
            found, unreadable = await keys.every(tx, opened.id if opened else None)
            loaded = {id_: await firms.load_or_damage(tx, id_) for id_ in {key.firm_id for key in found}}
        theirs = {id_: firm for id_, firm in loaded.items() if isinstance(firm, Firm)}
        rows = [_row(key, theirs[key.firm_id]) for key in found if key.firm_id in theirs]
        return rows, unreadable + [key.id for key in found if key.firm_id not in theirs]

    rows, unreadable = run(work, database_url, as_json)
    if as_json:
        show_json(rows)
        refuse_unreadable(unreadable, "key")
        return
    columns = ("id", "firm", "vendor", "starts with", "created", "last used", "revoked")
    limits = ("scopes", "campaigns", "addresses", "requests a minute", "expires")
    cells = [[", ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows]
    show_table((*columns, *limits), cells)
    refuse_unreadable(unreadable, "key")


def _row(key: keys.KeyRecord, firm: Firm) -> Row:
    return {
        "id": key.id,
        "firm": key.firm_name,
        "vendor": key.vendor,
        "starts_with": key.hint,
        "created_at": _shown(key.created_at),
        "last_used_at": _shown(key.last_used_at),
        "revoked_at": _shown(key.revoked_at),
        **_limits_row(firm, key.limits),
    }


@app.command()
def revoke(key_id: KeyID, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Refuse a key from now on; every server does so at once."""
    change(lambda tx: service.revoke_key(tx, key_id, datetime.now(UTC)), database_url, as_json)
    if as_json:
        show_json({"id": key_id, "revoked": True})
    else:
        typer.echo(f"Key {key_id} is revoked.")
