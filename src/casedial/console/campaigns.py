"""Campaigns: what a firm decided for each, what a change of it would do, and what holds its cases back."""

from __future__ import annotations

from datetime import timedelta

from casedial.console import editing
from casedial.console.answers import Answer, Page, Redirect
from casedial.console.campaign_forms import fields_of, meant, told
from casedial.console.editing import DO, EDIT, SAVE, Draft
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.campaigns import Campaign
from casedial.domain.errors import ChangedMeanwhile, PathNotFound
from casedial.domain.limits import show_span
from casedial.domain.rules import FEDERAL, Purpose, RuleBook
from casedial.domain.statuses import Flag, Status, StatusType
from casedial.domain.users import UserRole
from casedial.rules import load
from casedial.service.campaigns import CampaignChange
from casedial.service.operations import campaigns as operations
from casedial.service.operations import firms, rehearsals

PURPOSES = {
    Purpose.NONE: "None: no calling rules apply, at any hour",
    Purpose.SOLICITATION: "Solicitation: people who are no clients yet",
    Purpose.CLIENT: "Client: people who are clients",
    Purpose.DEBT: "Debt: people who owe money",
    Purpose.CONSENTED: "Consented: people who agreed to be called",
}


def _chosen(visit: Visit) -> Status:
    """Return the campaign of the path. Raises PathNotFound."""
    wanted = visit.number("campaign_id")
    found = (status for status in visit.firm.statuses.of(StatusType.CAMPAIGN) if status.id == wanted)
    campaign = next(found, None)
    if campaign is None:
        raise PathNotFound("There is no such campaign.")
    return campaign


async def campaigns(visit: Visit) -> Answer:
    """List the campaigns."""
    firm = visit.firm
    decided = [(status, firm.campaign(status.id)) for status in firm.statuses.of(StatusType.CAMPAIGN)]
    rows = [(status, one, told(firm, one)) for status, one in decided if not status.retired]
    return Page("campaigns.html", {"rows": rows, "retired": [status for status, _ in decided if status.retired]})


def _week_layers(book: RuleBook, decided: Campaign) -> list[tuple[str, object, str]]:
    """Return what is drawn as a week: the federal hours of the purpose, and the campaign's own within or above."""
    federal = [
        ("idle", row.windows, "federal hours")
        for row in book.rows
        if row.state == FEDERAL and decided.purpose in row.purposes and row.windows
    ]
    return [*federal, *(("good", own.windows, "its own, wider" if own.wider else "its own") for own in decided.hours)]


def _shown(visit: Visit, campaign: Status, draft: Draft, errors: FormErrors | None = None) -> Page:
    firm, decided = visit.firm, visit.firm.campaign(campaign.id)
    dispositions = [
        status
        for status in firm.statuses.of(StatusType.DISPOSITION)
        if not status.retired and not status.flags & {Flag.FINAL, Flag.OPT_OUT}
    ]
    values = {
        "campaign": campaign,
        "decided": decided,
        "draft": draft,
        "told": told(firm, decided),
        "layers": _week_layers(load(), decided),
        "purposes": [(purpose.value, word) for purpose, word in PURPOSES.items()],
        "dispositions": dispositions,
        "firms_timeout": show_span(timedelta(seconds=firm.claim_timeout)) if firm.claim_timeout else "never",
        "may": visit.may(UserRole.MANAGER),
    }
    return Page("campaign.html", values, errors or FormErrors())


async def campaign(visit: Visit) -> Answer:
    """Show a campaign, with the form of its settings."""
    chosen = _chosen(visit)
    return _shown(visit, chosen, editing.opened(fields_of(visit.firm, visit.firm.campaign(chosen.id))))


async def change(visit: Visit) -> Answer:
    """Tell what a change of a campaign does, and make it where it was looked over."""
    chosen, errors = _chosen(visit), FormErrors()
    firm, seen = visit.firm, visit.firm.campaign(chosen.id)
    draft = editing.sent(visit, fields_of(firm, seen))
    draft.tell(errors)
    wanted = meant(firm, seen, draft.shown, errors)
    if errors or visit.form.text(DO) == EDIT:
        return _shown(visit, chosen, draft, errors)
    with errors.at(""):
        decided, effect = await rehearsals.of_campaign(
            visit.store, visit.actor, firm.name, chosen.name, wanted, visit.now
        )
        changes = editing.differences(told(firm, seen), told(firm, decided))
        if not changes:
            return Redirect(visit.path, said="Nothing was changed: the form was as it is stored.")
        if visit.form.text(DO) != SAVE:
            return _review(visit, chosen, changes, effect, draft)
        return await _save(visit, chosen, wanted, seen, [name for name, _, _ in changes])
    return _shown(visit, chosen, draft, errors)


def _review(visit: Visit, chosen: Status, changes: list[tuple[str, str, str]], effect: object, draft: Draft) -> Page:
    changed, notes = {name for name, _, _ in changes}, ["It counts from the next claim on, on every server."]
    if "Claims run out" in changed:
        notes.append("Claims that are open keep the time they were made with.")
    if "Purpose" in changed and draft.shown["purpose"] == Purpose.NONE.value:
        notes.append("Without a purpose no calling rules apply: due cases are given out at any hour.")
    judged = changed & {"Purpose", "Numbers abroad", "Own hours", "Limits", "Rest after a conversation"}
    return editing.review(visit, f"Change {chosen.name}?", changes, effect if judged else None, notes, draft=draft)


async def _save(visit: Visit, chosen: Status, wanted: CampaignChange, seen: Campaign, changed: list[str]) -> Answer:
    try:
        await operations.change(visit.store, visit.actor, visit.firm.name, chosen.name, wanted, seen)
    except ChangedMeanwhile:  # in this very moment: it is told as what was changed before
        visit.opened = await firms.show(visit.store, visit.actor, visit.firm.name)
        return await change(visit)
    return Redirect(visit.path, said=f"Saved: {', '.join(changed).lower()}. It counts from the next claim on.")


async def pause(visit: Visit) -> Answer:
    """Give out no cases of a campaign until it is resumed, or give them out again."""
    chosen, paused = _chosen(visit), visit.path.endswith("/pause")
    await operations.change(visit.store, visit.actor, visit.firm.name, chosen.name, CampaignChange(paused=paused))
    said = f"{chosen.name} is paused: claims get none of its cases." if paused else f"{chosen.name} runs again."
    return Redirect(visit.to("campaigns") if visit.form.has("list") else visit.to("campaigns", chosen.id), said=said)


async def preflight(visit: Visit) -> Answer:
    """Count the due cases of a campaign by what holds them back, and by the hour in which they may be called."""
    chosen = _chosen(visit)
    _, found = await rehearsals.glance(visit.store, visit.actor, visit.firm.name, chosen.id, visit.now)
    return Page(
        "preflight.html", {"campaign": chosen, "found": found, "hours": list(found.before.by_hour.items())[:24]}
    )


ROUTES = (
    Route("GET", "/{firm}/campaigns", campaigns, UserRole.VIEWER),
    Route("GET", "/{firm}/campaigns/{campaign_id}", campaign, UserRole.VIEWER),
    Route("POST", "/{firm}/campaigns/{campaign_id}", change, UserRole.MANAGER),
    Route("POST", "/{firm}/campaigns/{campaign_id}/pause", pause, UserRole.MANAGER),
    Route("POST", "/{firm}/campaigns/{campaign_id}/resume", pause, UserRole.MANAGER),
    Route("GET", "/{firm}/campaigns/{campaign_id}/preflight", preflight, UserRole.VIEWER),
)
