"""Campaigns: what a firm decides for one that differs from the firm as a whole.

A campaign is a status of the type Campaign Status; ``casedial status`` adds, renames and retires it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from casedial.database.engine import Transaction
from casedial.domain.campaigns import Campaign, Retry
from casedial.domain.errors import InvalidSetting
from casedial.domain.firms import Firm
from casedial.domain.limits import LOOK_BACK, Limit, own_limit
from casedial.domain.rules import Override, Purpose
from casedial.domain.statuses import Status, StatusType
from casedial.service.firms import checked_timeout
from casedial.storage import campaigns, firms

FIRMS_OWN = -1  # a claim timeout that is the firm's
_LONGEST_LIMIT = LOOK_BACK - timedelta(days=1)
_LONGEST_RETRY = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """What an operator wants of a campaign: None leaves it as it is.

    ``claim_timeout`` is in seconds, 0 for never, FIRMS_OWN for the firm's own; no ``hours`` are those of the rules.
    ``limits`` count besides those of the rules, and ``rest`` is how long after a conversation there is no call, 0 for
    what the rules say. ``retries`` are by the name of a disposition; None takes one off.
    """

    claim_timeout: int | None = None
    purpose: Purpose | None = None
    paused: bool | None = None
    hours: Sequence[Override] | None = None
    limits: Sequence[Limit] | None = None
    rest: timedelta | None = None
    retries: Mapping[str, Retry | None] | None = None
    abroad: bool | None = None

    @property
    def lets_through(self) -> bool:
        """Tell whether it may let through what is held back."""
        widened = (self.purpose, self.hours, self.limits, self.rest)
        return self.paused is False or bool(self.abroad) or any(value is not None for value in widened)


async def set_campaign(tx: Transaction, firm: Firm, name: str, change: CampaignChange) -> tuple[Firm, Status]:
    """Change a campaign; every server knows it from the commit on. Return the firm after it, and the campaign.

    The firm is held. Raises StatusNotFound or InvalidSetting.
    """
    campaign, decided = wanted(firm, name, change)
    await campaigns.change(tx, campaign.id, decided)
    await firms.change(tx, firm.id)
    return (await firms.load(tx, firm.id))[1], campaign


def wanted(firm: Firm, name: str, change: CampaignChange) -> tuple[Status, Campaign]:
    """Return a campaign, and its settings after a change. Raises StatusNotFound or InvalidSetting."""
    campaign = firm.statuses.named(StatusType.CAMPAIGN, name)
    decided = firm.campaign(campaign.id)
    if change.claim_timeout is not None:
        seconds = None if change.claim_timeout == FIRMS_OWN else checked_timeout(change.claim_timeout)
        decided = replace(decided, claim_timeout=seconds)
    if change.purpose is not None:
        wider = [own for own in decided.hours if own.wider]
        if wider and change.hours is None and change.purpose != decided.purpose:
            detail = (
                f"Its hours are wider than the rules for the purpose {decided.purpose}: give the hours to use with "
                "--hours."
            )
            raise InvalidSetting(detail)
        decided = replace(decided, purpose=change.purpose)
    if change.paused is not None:
        decided = replace(decided, paused=change.paused)
    if change.hours is not None:
        decided = replace(decided, hours=tuple(change.hours))
    if change.abroad is not None:
        decided = replace(decided, abroad=change.abroad)
    return campaign, replace(
        decided, limits=_limits(decided, change), retries=_retries(firm, decided, change), unreadable=False
    )


def _limits(decided: Campaign, change: CampaignChange) -> tuple[Limit, ...]:
    counts: Sequence[Limit] = [limit for limit in decided.limits if not limit.conversations]
    rests: Sequence[Limit] = [limit for limit in decided.limits if limit.conversations]
    if change.limits is not None:
        counts = change.limits
    if change.rest is not None:
        rests = [own_limit(1, change.rest, conversations=True)] if change.rest else []
    return tuple(map(checked_limit, (*counts, *rests)))


def checked_limit(limit: Limit) -> Limit:
    """Return a limit of a campaign. Raises InvalidSetting."""
    if not timedelta(0) < limit.span <= _LONGEST_LIMIT or not 1 <= limit.count <= 1000:
        raise InvalidSetting(f"A limit is 1 to 1000 calls in at most {_LONGEST_LIMIT.days} days.")
    return limit


def checked_retry(retry: Retry) -> Retry:
    """Return when to try again. Raises InvalidSetting."""
    if not timedelta(0) < retry.after <= _LONGEST_RETRY:
        raise InvalidSetting(
            f"The time until the next try must be more than 0, and at most {_LONGEST_RETRY.days} days."
        )
    return retry


def _retries(firm: Firm, decided: Campaign, change: CampaignChange) -> Mapping[int, Retry]:
    found = dict(decided.retries)
    for name, retry in (change.retries or {}).items():
        disposition = firm.statuses.named(StatusType.DISPOSITION, name)
        if retry is None:
            found.pop(disposition.id, None)
        else:
            found[disposition.id] = checked_retry(retry)
    return found
