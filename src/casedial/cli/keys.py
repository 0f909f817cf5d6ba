"""casedial key: add, import, set, roll, list, revoke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from casedial.cli.common import (
    AsJson,
    DatabaseUrl,
    FirmName,
    Row,
    ShowTime,
    count,
    me,
    moment,
    refuse_unreadable,
    run,
    show_json,
    show_moment,
    show_table,
    show_utc,
    span,
)
from casedial.domain.firms import Firm
from casedial.domain.keys import DIALER_SCOPES, KeyLimits, KeyRecord, Scope
from casedial.domain.statuses import StatusType
from casedial.service import keys as service
from casedial.service.operations import keys as operations
from casedial.wire.values import instant

T = TypeVar("T")

app = typer.Typer(help="ClientKeys: one for each dialer vendor of each firm.", no_args_is_help=True)


Vendor = Annotated[str, typer.Option(help="The dialer company, shown with its notes and changes.", show_default=False)]
KeyID = Annotated[
    int, typer.Argument(metavar="ID", min=1, max=2**63 - 1, help="The key's id, from key list.", show_default=False)
]
Scopes = Annotated[
    list[Scope] | None,
    typer.Option(
        "--scope",
        help="What the key may do; may repeat; by default what dialers do: dial, update, note, read. Only for the "
        "firm's own systems: manage (all cases, campaigns and lists, under /v1), feed (read all that happens).",
        show_default=False,
    ),
]
Campaigns = Annotated[
    list[str] | None,
    typer.Option("--campaign", help="Limit the key to this campaign; may repeat, up to 64 times.", show_default=False),
]
Addresses = Annotated[
    list[str] | None,
    typer.Option("--address", help="Limit the key to this address or network; may repeat.", show_default=False),
]
Expires = Annotated[
    str | None,
    typer.Option(
        help="When the key expires, such as 2030-01-31 or 2030-01-31T09:00:00 (the firm's time).", show_default=False
    ),
]
RateLimit = Annotated[
    int | None, typer.Option(min=1, max=service.MAX_RATE_LIMIT, help="Requests per minute.", show_default=False)
]
NoExpiry = Annotated[bool, typer.Option("--no-expiry", help="The key does not expire.")]


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
        """Return what it means for a firm."""
        expires_at = moment(self.expires, firm.zone, "--expires") if self.expires else None
        return service.LimitChange(
            self.scopes, self.campaigns, self.addresses, expires_at, self.never_expires, self.rate_limit
        )


def _limits_row(firm: Firm, limits: KeyLimits, time: ShowTime = instant) -> Row:
    names = [status.name for status in firm.statuses.of(StatusType.CAMPAIGN) if status.id in (limits.campaigns or ())]
    return {
        "scopes": [scope for scope in Scope if scope in limits.scopes],
        "campaigns": None if limits.campaigns is None else names,
        "addresses": None if limits.addresses is None else [str(network) for network in limits.addresses],
        "rate_limit": limits.rate_limit,
        "expires_at": time(limits.expires_at),
    }


def _told(firm: Firm, limits: KeyLimits) -> str:
    """Say in a line what a key is limited to; nothing where it is not."""
    row = _limits_row(firm, limits)
    parts = []
    if limits.scopes != DIALER_SCOPES:
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
    return run(lambda store: operations.add(store, me(), firm, vendor, wanted.meant, key), database_url, as_json)


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
    """Make a key. It is shown only once."""
    wanted = _Wanted(scope, campaign, address, expires, rate_limit)
    opened, new = _add(firm, vendor, None, wanted, database_url, as_json)
    if as_json:
        show_json({"key": new.key, "id": new.id, **_limits_row(opened, new.limits)})
    else:
        typer.echo(f"Key {new.id} of {new.vendor}.{_limited_to(opened, new.limits)}")
        typer.echo(f"It is shown only this once; send it as X-ApiKey:\n{new.key}")


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
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="The key may do all that dialers do.")] = False,
    campaign: Campaigns = None,
    all_campaigns: Annotated[
        bool, typer.Option("--all-campaigns", help="The key may be used for all campaigns.")
    ] = False,
    address: Addresses = None,
    any_address: Annotated[bool, typer.Option("--any-address", help="The key may be used from any address.")] = False,
    expires: Expires = None,
    no_expiry: NoExpiry = False,
    rate_limit: RateLimit = None,
    no_rate_limit: Annotated[
        bool, typer.Option("--no-rate-limit", help="Do not limit the number of requests.")
    ] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change the limits of a key; what you leave out stays as it is. Takes effect with the next request."""
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

    found = run(lambda store: operations.limit(store, me(), key_id, wanted.meant), database_url, as_json)
    if as_json:
        show_json({"id": key_id, **_limits_row(found.firm, found.limits)})
    else:
        typer.echo(
            f"Key {key_id} of {found.key.vendor}.{_limited_to(found.firm, found.limits) or ' It is not limited.'}"
        )


def _either(name: str, given: Sequence[T] | None, off: str, taken_off: bool) -> Sequence[T] | None:
    """Return what was given for a limit, nothing in it where the limit is taken off."""
    _refuse_both(name, given, off, taken_off)
    return [] if taken_off else (given or None)


def _refuse_both(name: str, given: object, off: str, taken_off: bool) -> None:
    if given and taken_off:
        raise typer.BadParameter(f"--{name} and --{off} cannot be used together")


@app.command()
def roll(
    key_id: KeyID,
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=span,
            metavar="SPAN",
            help="How long the old key still works, such as 24h (s, m, h, d or w); 0: not at all.",
            show_default=False,
        ),
    ],
    expires: Expires = None,
    no_expiry: NoExpiry = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key with a new one of the same vendor and limits, shown only once."""
    _refuse_both("expires", expires, "no-expiry", no_expiry)
    wanted = _Wanted(None, None, None, expires, None, no_expiry)

    rolled = run(lambda store: operations.roll(store, me(), key_id, overlap, wanted.meant), database_url, as_json)
    firm, new, ends = rolled.firm, rolled.new, rolled.old_ends
    if as_json:
        row = {"key": new.key, "id": new.id, **_limits_row(firm, new.limits)}
        show_json({**row, "old_id": key_id, "old_expires_at": instant(ends)})
        return
    until = f"works until {show_moment(ends, firm.zone)} ({firm.time_zone})" if overlap else "is refused from now on"
    typer.echo(f"Key {key_id} {until}.")
    typer.echo(f"Key {new.id} of {new.vendor} takes its place.{_limited_to(firm, new.limits)}")
    typer.echo(f"It is shown only this once; send it as X-ApiKey:\n{new.key}")


@app.command("list")
def list_(
    firm: Annotated[str | None, typer.Option("--firm", help="Only this firm's.", show_default=False)] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List keys, but not their text, which is not stored. Times are UTC. Exits with 1 if some cannot be read."""
    found = run(lambda store: operations.every(store, me(), firm), database_url, as_json)
    rows = [_row(key, its_firm, instant if as_json else show_utc) for key, its_firm in found.keys]
    if as_json:
        show_json(rows)
        refuse_unreadable(found.unreadable, "key")
        return
    columns = ("id", "firm", "vendor", "starts with", "created", "last used", "revoked")
    limits = ("scopes", "campaigns", "addresses", "requests a minute", "expires")
    cells = [[", ".join(cell) if isinstance(cell, list) else cell for cell in row.values()] for row in rows]
    show_table((*columns, *limits), cells)
    refuse_unreadable(found.unreadable, "key")


def _row(key: KeyRecord, firm: Firm, time: ShowTime) -> Row:
    return {
        "id": key.id,
        "firm": key.firm_name,
        "vendor": key.vendor,
        "starts_with": key.hint,
        "created_at": time(key.created_at),
        "last_used_at": time(key.last_used_at),
        "revoked_at": time(key.revoked_at),
        **_limits_row(firm, key.limits, time),
    }


@app.command()
def revoke(key_id: KeyID, database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Refuse a key from now on; every server does so at once."""
    run(lambda store: operations.revoke(store, me(), key_id), database_url, as_json)
    if as_json:
        show_json({"id": key_id, "revoked": True})
    else:
        typer.echo(f"Key {key_id} is revoked.")
