"""A campaign's settings as JSON, and what a request wants of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from casedial.domain.campaigns import Campaign, Retry
from casedial.domain.errors import InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.limits import Limit, own_limit
from casedial.domain.names import NAME_LIMIT
from casedial.domain.rules import Override, Purpose
from casedial.domain.statuses import Status, StatusType
from casedial.domain.weeks import brief_week, read_week
from casedial.wire import values
from casedial.wire.documents import Parameters, canonical
from casedial.wire.v1.lists import objects

MOST_LIMITS = 20
MOST_RETRIES = 1000
MOST_SECONDS = 366 * 24 * 60 * 60  # that are read; what may be used is less, and the setting's own
MOST_COUNT = 1000


class CampaignHours(msgspec.Struct, frozen=True):
    """A campaign's own hours, in the called person's time: within those of the rules or, with a reason, wider."""

    Week: str
    Wider: bool
    Reason: str


class CampaignLimit(msgspec.Struct, frozen=True):
    """At most so many calls of a number, and of a case, in so many seconds."""

    Calls: int
    Seconds: int


class CampaignRetry(msgspec.Struct, frozen=True):
    """When to try again after a disposition that comes alone, and how often; then Do not Dial."""

    Disposition: str
    AfterSeconds: int
    AtMost: int


class ManagedCampaign(msgspec.Struct, frozen=True):
    """What a firm decided for a campaign.

    ClaimSeconds is after how long a claim runs out: 0 never, null as the firm has it. No Hours are those of the rules;
    RestSeconds is how long after a conversation there is no call, 0 for what the rules say. One that is Unreadable
    is taken for paused until somebody sets it anew.
    """

    CampaignID: int
    Name: str
    Retired: bool
    Paused: bool
    Purpose: Purpose
    ClaimSeconds: int | None
    Abroad: bool
    Hours: list[CampaignHours]
    Limits: list[CampaignLimit]
    RestSeconds: int
    Retries: list[CampaignRetry]
    Unreadable: bool


class CampaignList(msgspec.Struct, frozen=True):
    """All campaigns of a firm, in its order."""

    Campaigns: list[ManagedCampaign]


def campaign_reply(firm: Firm, campaign: Status) -> ManagedCampaign:
    """Show a campaign."""
    decided = firm.campaign(campaign.id)
    rests = [_seconds(one.span) for one in decided.limits if one.conversations]
    return ManagedCampaign(
        campaign.id,
        campaign.name,
        campaign.retired,
        decided.paused,
        decided.purpose,
        decided.claim_timeout,
        decided.abroad,
        [CampaignHours(brief_week(own.windows), own.wider, own.reason) for own in decided.hours],
        [CampaignLimit(one.count, _seconds(one.span)) for one in decided.limits if not one.conversations],
        rests[0] if rests else 0,
        list(_retries(firm, decided)),
        decided.unreadable,
    )


def _retries(firm: Firm, decided: Campaign) -> Iterator[CampaignRetry]:
    for status in firm.statuses.of(StatusType.DISPOSITION):
        if retry := decided.retries.get(status.id):
            yield CampaignRetry(status.name, _seconds(retry.after), retry.at_most)


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


@dataclass(frozen=True, slots=True)
class CampaignPatch:
    """What a request wants of a campaign: None leaves it as it is; lists stand for all there is.

    ``takes_firms_timeout`` says that the claim timeout is to be the firm's.
    """

    claim_seconds: int | None
    takes_firms_timeout: bool
    purpose: Purpose | None
    paused: bool | None
    hours: list[Override] | None
    limits: list[Limit] | None
    rest: timedelta | None
    retries: list[tuple[str, Retry]] | None
    abroad: bool | None


def campaign_patch(given: Parameters) -> CampaignPatch:
    """Read which settings are to be changed, and how."""
    seconds, rest = given.optional("ClaimSeconds", _span), given.optional("RestSeconds", _span)
    for name in ("CampaignID", "Name", "Retired", "Unreadable"):  # of what was read, and is sent back changed
        given.every(name)
    return CampaignPatch(
        seconds,
        seconds is None and _is_null(given, "ClaimSeconds"),
        given.optional("Purpose", _purpose),
        given.optional("Paused", values.boolean),
        objects(given, "Hours", _hours, 1),
        objects(given, "Limits", _limit, MOST_LIMITS),
        None if rest is None else timedelta(seconds=rest),
        objects(given, "Retries", _retry, MOST_RETRIES),
        given.optional("Abroad", values.boolean),
    )


def _is_null(given: Parameters, name: str) -> bool:
    """Tell whether a field was given as null, which is something else than absent here."""
    return any(value is None for sent, value in given.pairs if canonical(sent) == canonical(name))


def _purpose(value: object) -> Purpose:
    try:
        return Purpose(str(value).strip().lower())
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Purpose)}") from None


def _span(value: object) -> int:
    number = values.whole_number(value)
    if not 0 <= number <= MOST_SECONDS:
        raise ValueError(f"must be a whole number of seconds from 0 to {MOST_SECONDS}")
    return number


def _count(value: object) -> int:
    number = values.whole_number(value)
    if not 1 <= number <= MOST_COUNT:
        raise ValueError(f"must be a whole number from 1 to {MOST_COUNT}")
    return number


def _hours(given: Parameters) -> Override:
    week = given.required("Week", values.name)
    wider = given.optional("Wider", values.boolean) or False
    reason = given.optional("Reason", _reason) or ""
    given.finish()
    try:
        return Override(read_week(week), wider, reason)
    except InvalidSetting as error:
        raise ValueError(f"cannot be used: {error.detail.rstrip('.')}") from None


def _reason(value: object) -> str | None:
    text = values.name(value)
    if text and len(text) > NAME_LIMIT:
        raise ValueError(f"must have at most {NAME_LIMIT} characters")
    return text


def _limit(given: Parameters) -> Limit:
    calls, seconds = given.required("Calls", _count), given.required("Seconds", _span)
    given.finish()
    return own_limit(calls, timedelta(seconds=seconds))


def _retry(given: Parameters) -> tuple[str, Retry]:
    name = given.required("Disposition", values.name)
    after, at_most = given.required("AfterSeconds", _span), given.required("AtMost", _count)
    given.finish()
    return name, Retry(timedelta(seconds=after), at_most)
