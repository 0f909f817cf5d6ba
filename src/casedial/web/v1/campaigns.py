"""Campaigns: listed, read, changed, paused and resumed."""

from __future__ import annotations

from casedial.database.engine import Store
from casedial.domain.campaigns import Retry
from casedial.domain.errors import ChangedMeanwhile, FieldError, StatusNotFound, UnknownStatus
from casedial.domain.firms import Firm
from casedial.domain.keys import Scope
from casedial.domain.rules import Purpose
from casedial.domain.statuses import Status, StatusType
from casedial.service.campaigns import FIRMS_OWN, CampaignChange
from casedial.service.operations import campaigns, firms
from casedial.service.replies import Reply
from casedial.web.v1.calls import Call, Work, done
from casedial.web.v1.routing import Described, Route, Schema
from casedial.wire import values
from casedial.wire.documents import Parameters
from casedial.wire.v1.campaigns import (
    MOST_COUNT,
    MOST_LIMITS,
    MOST_RETRIES,
    MOST_SECONDS,
    CampaignList,
    CampaignPatch,
    ManagedCampaign,
    campaign_patch,
    campaign_reply,
)
from casedial.wire.v1.reading import object_of

MANAGE = (Scope.MANAGE,)


def _chosen(call: Call) -> Status:
    """Return the campaign of the path. Raises StatusNotFound."""
    wanted = call.place("campaign_id", "CampaignID", values.case_id)
    found = (status for status in call.firm.statuses.of(StatusType.CAMPAIGN) if status.id == wanted)
    campaign = next(found, None)
    if campaign is None:
        raise StatusNotFound(f"The firm has no campaign {wanted}.")
    return campaign


def _list(call: Call) -> Work:
    async def work(store: Store) -> Reply:
        firm = await firms.show(store, call.actor, call.firm.name)
        every = firm.statuses.of(StatusType.CAMPAIGN)
        return done(CampaignList([campaign_reply(firm, campaign) for campaign in every]))

    return Work(work)


def _read(call: Call) -> Work:
    chosen = _chosen(call)

    async def work(store: Store) -> Reply:
        firm = await firms.show(store, call.actor, call.firm.name)
        return done(campaign_reply(firm, firm.statuses.named(StatusType.CAMPAIGN, chosen.name)))

    return Work(work)


def _change(call: Call) -> Work:
    chosen, body = _chosen(call), call.body
    wanted = campaign_patch(body)
    _refuse_unknown(call.firm, wanted, body)
    # A list stands for all there is: what it takes off has to be what the key's firm is known to have.
    seen = call.firm.campaign(chosen.id) if wanted.retries is not None else None

    async def work(store: Store) -> Reply:
        change = _meant(call.firm, chosen, wanted)
        return done(
            campaign_reply(*await campaigns.change(store, call.actor, call.firm.name, chosen.name, change, seen))
        )

    return Work(work)


def _refuse_unknown(firm: Firm, wanted: CampaignPatch, body: Parameters) -> None:
    for place, (name, _) in enumerate(wanted.retries or ()):
        if firm.statuses.find(StatusType.DISPOSITION, name) is None:
            detail = f"{name[:80]!r} is not one of the firm's {StatusType.DISPOSITION.label} names."
            body.refuse(UnknownStatus(detail, [FieldError(f"#/Retries/{place}/Disposition", detail)]))


def _meant(firm: Firm, campaign: Status, wanted: CampaignPatch) -> CampaignChange:
    return CampaignChange(
        claim_timeout=FIRMS_OWN if wanted.takes_firms_timeout else wanted.claim_seconds,
        purpose=wanted.purpose,
        paused=wanted.paused,
        hours=wanted.hours,
        limits=wanted.limits,
        rest=wanted.rest,
        retries=_retries(firm, campaign, wanted),
        abroad=wanted.abroad,
    )


def _retries(firm: Firm, campaign: Status, wanted: CampaignPatch) -> dict[str, Retry | None] | None:
    """Return the retries by disposition: None stands for one that is to be taken off."""
    if wanted.retries is None:
        return None
    there = firm.campaign(campaign.id).retries
    listed = {status.name: None for status in firm.statuses.of(StatusType.DISPOSITION) if status.id in there}
    given = {firm.statuses.named(StatusType.DISPOSITION, name).name: retry for name, retry in wanted.retries}
    return {**listed, **given}


def _pause(call: Call) -> Work:
    return _set_paused(call, True)


def _resume(call: Call) -> Work:
    return _set_paused(call, False)


def _set_paused(call: Call, paused: bool) -> Work:
    chosen, change = _chosen(call), CampaignChange(paused=paused)
    if call.document.body is not None:
        call.within(object_of(call.document.body, "The body", "#"), "#")  # which has no fields

    async def work(store: Store) -> Reply:
        return done(campaign_reply(*await campaigns.change(store, call.actor, call.firm.name, chosen.name, change)))

    return Work(work)


CAMPAIGN: Schema = {
    "CampaignID": 31,
    "Name": "Intake follow-up",
    "Retired": False,
    "Paused": False,
    "Purpose": "client",
    "ClaimSeconds": 7200,
    "Abroad": False,
    "Hours": [{"Week": "mon-fri 09:00-18:00, sat-sun none", "Wider": False, "Reason": ""}],
    "Limits": [{"Calls": 3, "Seconds": 86400}],
    "RestSeconds": 0,
    "Retries": [{"Disposition": "No Answer", "AfterSeconds": 14400, "AtMost": 5}],
    "Unreadable": False,
}
_SENT: Schema = {
    "Purpose": "client",
    "ClaimSeconds": 7200,
    "Hours": [{"Week": "mon-fri 09:00-18:00"}],
    "Limits": [{"Calls": 3, "Seconds": 86400}],
    "Retries": [{"Disposition": "No Answer", "AfterSeconds": 14400, "AtMost": 5}],
}
_SPAN: Schema = {"type": "integer", "minimum": 0, "maximum": MOST_SECONDS}
_COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": MOST_COUNT}


def _list_of(properties: dict[str, Schema], required: tuple[str, ...], most: int, description: str) -> Schema:
    item = {"type": "object", "properties": properties, "required": list(required)}
    return {"type": "array", "maxItems": most, "items": item, "description": description}


_BODY: Schema = {
    "type": "object",
    "properties": {
        "Paused": {"type": "boolean", "description": "Whether claims get none of its cases."},
        "Purpose": {"type": "string", "enum": list(Purpose), "description": "Which calling rules apply; none: none."},
        "ClaimSeconds": {
            **_SPAN,
            "type": ["integer", "null"],
            "description": "After how long a claim runs out; 0: never; null: as the firm has it.",
        },
        "Abroad": {"type": "boolean", "description": "Whether numbers of other countries are called."},
        "Hours": _list_of(
            {"Week": {"type": "string"}, "Wider": {"type": "boolean"}, "Reason": {"type": "string"}},
            ("Week",),
            1,
            "Its own hours, within those of the rules or, Wider and with a Reason, in their place; empty: the rules'.",
        ),
        "Limits": _list_of(
            {"Calls": _COUNT, "Seconds": _SPAN}, ("Calls", "Seconds"), MOST_LIMITS, "All its own limits on calls."
        ),
        "RestSeconds": {**_SPAN, "description": "How long after a conversation there is no call; 0: as the rules say."},
        "Retries": _list_of(
            {"Disposition": {"type": "string"}, "AfterSeconds": _SPAN, "AtMost": _COUNT},
            ("Disposition", "AfterSeconds", "AtMost"),
            MOST_RETRIES,
            "What comes after each disposition that comes alone; one that is not listed is the dialer's to decide.",
        ),
    },
}
_PATH = {"campaign_id": {"type": "integer", "minimum": 1, "description": "Its CampaignID, which no rename changes."}}
_ONE = "/v1/campaigns/{campaign_id}"


def _about(summary: str, detail: str = "", **more: object) -> Described:
    known = {"errors": (StatusNotFound,), "path": _PATH, "detail": detail}
    return Described(summary, ManagedCampaign, CAMPAIGN, **{**known, **more})  # type: ignore[arg-type]


ROUTES = (
    Route(
        "GET",
        "/v1/campaigns",
        "ListCampaigns",
        MANAGE,
        _list,
        Described("Lists the campaigns, with their settings", CampaignList, {"Campaigns": [CAMPAIGN]}),
    ),
    Route("GET", _ONE, "ReadCampaign", MANAGE, _read, _about("Returns a campaign, with its settings")),
    Route(
        "PATCH",
        _ONE,
        "ChangeCampaign",
        MANAGE,
        _change,
        _about(
            "Changes settings of a campaign",
            "What is absent stays as it is. It counts from the next claim on, on every server.",
            body=_BODY,
            sent=_SENT,
            errors=(StatusNotFound, UnknownStatus, ChangedMeanwhile),
        ),
    ),
    Route(
        "POST",
        f"{_ONE}/pause",
        "PauseCampaign",
        MANAGE,
        _pause,
        _about("Gives out no cases of a campaign until it is resumed", "Cases that are claimed are not affected."),
    ),
    Route("POST", f"{_ONE}/resume", "ResumeCampaign", MANAGE, _resume, _about("Gives out a campaign's cases again")),
)
