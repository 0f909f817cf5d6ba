"""What a change of settings would do, told before it is made. Nothing is written, and nothing is locked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.campaigns import Campaign
from casedial.domain.firms import Firm
from casedial.domain.overrides import RowOverride
from casedial.domain.places import Placed
from casedial.domain.rules import Ban
from casedial.service import campaigns, firms
from casedial.service.campaigns import CampaignChange
from casedial.service.effects import Effect, effect
from casedial.service.firms import FirmChange
from casedial.service.judging import rules_now, rules_of
from casedial.service.operations.opening import read_firm
from casedial.storage import rules as stored
from casedial.storage.rules import InForce

RulesChange = Callable[[InForce], InForce]


async def of_campaign(
    store: Store, actor: Actor, firm_name: str, name: str, wanted: CampaignChange, now: datetime
) -> tuple[Campaign, Effect]:
    """Return what a campaign's settings would be, and what that does. Raises what the change itself would."""

    async def work(tx: Transaction, firm: Firm) -> tuple[Campaign, Effect]:
        campaign, decided = campaigns.wanted(firm, name, wanted)
        after = replace(firm, campaigns={**firm.campaigns, campaign.id: decided})
        rules = await rules_now(tx, now)
        return decided, await effect(tx, now, (firm, rules), (after, rules), campaign.id)

    return await read_firm(store, firm_name, work)


async def of_firm(store: Store, actor: Actor, firm_name: str, wanted: FirmChange, now: datetime) -> Effect:
    """Return what a change of a firm's settings does to its due cases. Raises what the change itself would."""

    async def work(tx: Transaction, firm: Firm) -> Effect:
        values: dict[str, Any] = firms.wanted(wanted)
        rules = await rules_now(tx, now)
        return await effect(tx, now, (firm, rules), (replace(firm, **values), rules))

    return await read_firm(store, firm_name, work)


async def of_rules(store: Store, actor: Actor, firm_name: str, wanted: RulesChange, now: datetime) -> Effect:
    """Return what a decision about the rules does to the due cases of a firm. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Effect:
        found = await stored.in_force(tx, now)
        return await effect(tx, now, (firm, rules_of(found)), (firm, rules_of(wanted(found))))

    return await read_firm(store, firm_name, work)


async def glance(
    store: Store, actor: Actor, firm_name: str, campaign_id: int | None, now: datetime
) -> tuple[Firm, Effect]:
    """Count the first due cases of a firm, or of a campaign, by what holds them back. Raises FirmNotFound."""

    async def work(tx: Transaction, firm: Firm) -> tuple[Firm, Effect]:
        return firm, await effect(tx, now, (firm, await rules_now(tx, now)), None, campaign_id)

    return await read_firm(store, firm_name, work)


def with_ban(ban: Ban) -> RulesChange:
    """Return the decision to ban calls."""
    return lambda found: replace(found, bans={**found.bans, 0: ban})


def with_override(change: RowOverride) -> RulesChange:
    """Return the decision to override a row, in place of an earlier one of the same row."""

    def decide(found: InForce) -> InForce:
        kept = [one for one in found.overrides if (one.state, one.purpose) != (change.state, change.purpose)]
        return replace(found, overrides=(*kept, change))

    return decide


def with_place(placed: Placed) -> RulesChange:
    """Return the decision where a ZIP code is, in place of an earlier one."""

    def decide(found: InForce) -> InForce:
        return replace(found, placed=(*(one for one in found.placed if one.zip_code != placed.zip_code), placed))

    return decide


def without(ban_id: int | None = None, override_id: int | None = None) -> RulesChange:
    """Return the decision to end a ban, or an override of a row or a ZIP code."""

    def decide(found: InForce) -> InForce:
        return replace(
            found,
            bans={id_: ban for id_, ban in found.bans.items() if id_ != ban_id},
            overrides=tuple(one for one in found.overrides if one.id != override_id),
            placed=tuple(one for one in found.placed if one.id != override_id),
        )

    return decide
