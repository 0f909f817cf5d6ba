"""A firm as JSON, as far as a dialer needs to know it, and what its key may do."""

from __future__ import annotations

import msgspec

from casedial.domain.firms import Caller, Firm
from casedial.domain.keys import Scope
from casedial.domain.statuses import Role, StatusType
from casedial.wire.values import instant


class DialerStatusesReply(msgspec.Struct, frozen=True):
    """What the firm calls the Dialer Statuses that have a role; it may rename them."""

    ToDial: str
    InTheDialer: str
    DoNotDial: str


class KeyReply(msgspec.Struct, frozen=True):
    """What the key may do; null does not limit. RateLimit is in requests a minute."""

    Vendor: str
    Scopes: list[Scope]
    Campaigns: list[str] | None
    RateLimit: int | None
    ExpiresAt: str | None


class FirmReply(msgspec.Struct, frozen=True):
    """The firm: its time zone, and the names that may be set now.

    Campaigns are those of the key. Records is what a caller gets who names no number, ClaimSeconds after how long a
    claim runs out where its campaign has no time of its own; null is never.
    """

    Name: str
    TimeZone: str
    Campaigns: list[str]
    DialerStatuses: DialerStatusesReply
    Dispositions: list[str]
    Attempts: list[str]
    Records: int
    ClaimSeconds: int | None
    Key: KeyReply


def firm_reply(caller: Caller) -> FirmReply:
    """Show a caller its firm. Nothing here tells of campaigns that its key may not be used for."""
    firm = caller.firm
    roles = (firm.statuses.with_role(role).name for role in (Role.TO_DIAL, Role.IN_THE_DIALER, Role.DO_NOT_DIAL))
    return FirmReply(
        firm.name,
        firm.time_zone,
        _campaigns(caller),
        DialerStatusesReply(*roles),
        _names(firm, StatusType.DISPOSITION),
        _names(firm, StatusType.ATTEMPTS),
        firm.default_records,
        firm.claim_timeout or None,
        _key_reply(caller),
    )


def _key_reply(caller: Caller) -> KeyReply:
    limits = caller.limits
    return KeyReply(
        caller.actor.name,
        [scope for scope in Scope if scope in limits.scopes],
        None if limits.campaigns is None else _campaigns(caller),
        limits.rate_limit,
        instant(limits.expires_at),
    )


def _campaigns(caller: Caller) -> list[str]:
    every = caller.firm.statuses.of(StatusType.CAMPAIGN)
    return [campaign.name for campaign in every if not campaign.retired and caller.may_dial(campaign.id)]


def _names(firm: Firm, kind: StatusType) -> list[str]:
    return [status.name for status in firm.statuses.of(kind) if not status.retired]
