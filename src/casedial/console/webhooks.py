"""Webhooks of the firm: list with how they stand, add, test, roll, replay, remove."""

from __future__ import annotations

from datetime import timedelta

from casedial.console.answers import Answer, Page, Redirect
from casedial.console.forms import FormErrors
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.errors import PathNotFound
from casedial.domain.feed import EventKind
from casedial.domain.spans import read_span
from casedial.domain.users import UserRole
from casedial.domain.webhooks import Webhook
from casedial.service.operations import webhooks as operations
from casedial.service.operations.feed import Feed
from casedial.service.webhooks import Listed
from casedial.wire.webhooks import trial_body

KINDS = {
    EventKind.ADDED: "a case was added",
    EventKind.CLAIMED: "a dialer claimed it",
    EventKind.UPDATED: "a dialer reported, or the firm's own file or system",
    EventKind.RETURNED: "it was released, or its claim ran out",
    EventKind.MOVED: "a policy or a person moved it",
    EventKind.NOTED: "a note was added",
    EventKind.CHANGED: "its fields, a phone or its priority changed",
    EventKind.DELETED: "it was deleted",
    EventKind.LISTED: "somebody came on the do-not-call list",
    EventKind.UNLISTED: "somebody was taken off that list",
}
_MARKS = {"active": "good", "failing": "bad", "gone": "idle"}


def _state(webhook: Webhook) -> tuple[str, str]:
    """Return how an endpoint stands: a kind of mark, and a word."""
    return _MARKS[webhook.state], webhook.state


def _wanted(webhook: Webhook) -> str:
    return "all" if webhook.kinds is None else ", ".join(sorted(webhook.kinds))


async def _list(visit: Visit, errors: FormErrors | None = None) -> Page:
    found = await operations.every(visit.store, visit.actor, visit.firm.name)
    rows = [(one.webhook, one.standing, _state(one.webhook), _wanted(one.webhook)) for one in found.webhooks]
    kinds = [(kind.value, word) for kind, word in KINDS.items()]
    return Page("webhooks.html", {"rows": rows, "unreadable": found.unreadable, "kinds": kinds}, errors or FormErrors())


async def webhooks(visit: Visit) -> Answer:
    """List the endpoints."""
    return await _list(visit)


async def add(visit: Visit) -> Answer:
    """Add an endpoint, and show its secret once."""
    errors = FormErrors()
    kinds = [kind.value for kind in KINDS if visit.form.has(f"event-{kind.value}")]
    with errors.at("url"):
        _, new = await operations.add(
            visit.store, visit.actor, Feed(visit.store), visit.firm.name, visit.form.text("url"), kinds or None
        )
        return Page("webhook_secret.html", {"new": new, "is_new": True})
    return await _list(visit, errors)


async def _chosen(visit: Visit) -> Listed:
    """Return the endpoint of the path. Raises PathNotFound."""
    wanted = visit.number("webhook_id")
    found = await operations.every(visit.store, visit.actor, visit.firm.name)
    chosen = next((one for one in found.webhooks if one.webhook.id == wanted), None)
    if chosen is None:
        raise PathNotFound("There is no such webhook.")
    return chosen


async def _shown(visit: Visit, errors: FormErrors | None = None) -> Page:
    chosen = await _chosen(visit)
    values = {
        "webhook": chosen.webhook,
        "standing": chosen.standing,
        "state": _state(chosen.webhook),
        "wanted": _wanted(chosen.webhook),
        "signs_too": chosen.webhook.old_until if len(chosen.webhook.signing(visit.now)) > 1 else None,
        "failures": await operations.failures(visit.store, visit.actor, chosen.webhook.id),
    }
    return Page("webhook.html", values, errors or FormErrors())


async def webhook(visit: Visit) -> Answer:
    """Show an endpoint with what it did not take."""
    return await _shown(visit)


async def try_out(visit: Visit) -> Answer:
    """Send a message that tells of nothing, and say what came of it."""
    wanted = visit.number("webhook_id")
    _, answer = await operations.try_out(visit.store, visit.actor, wanted, visit.post, trial_body, visit.firm.id)
    came = "The test message is delivered" if answer.is_taken else "The test message is not delivered"
    return Redirect(visit.to("webhooks", wanted), said=f"{came}: {answer.told}.")


async def roll(visit: Visit) -> Answer:
    """Make a new secret, beside which the one before it signs for a while; show it once."""
    errors, overlap = FormErrors(), timedelta(0)
    with errors.at("overlap"):
        overlap = read_span(visit.form.text("overlap"))
    if not errors:
        with errors.at("overlap"):
            new = await operations.roll(visit.store, visit.actor, visit.number("webhook_id"), overlap, visit.firm.id)
            return Page("webhook_secret.html", {"new": new, "is_new": False})
    return await _shown(visit, errors)


async def replay(visit: Visit) -> Answer:
    """Send again what was laid aside and what waits."""
    wanted = visit.number("webhook_id")
    found = await operations.replay(visit.store, visit.actor, wanted, visit.firm.id)
    enabled = "It is enabled again. " if found.webhook.disabled_at else ""
    said = f"{enabled}Laid aside {found.dead:,}, waiting {found.waiting:,}: all are sent now."
    return Redirect(visit.to("webhooks", wanted), said=said)


async def remove(visit: Visit) -> Answer:
    """Remove an endpoint."""
    gone = await operations.remove(visit.store, visit.actor, visit.number("webhook_id"), visit.firm.id)
    return Redirect(visit.to("webhooks"), said=f"Webhook {gone.id} is removed.")


_HERE = "/{firm}/webhooks"
ROUTES = (
    Route("GET", _HERE, webhooks, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/add", add, UserRole.ADMINISTRATOR),
    Route("GET", f"{_HERE}/{{webhook_id}}", webhook, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/{{webhook_id}}/test", try_out, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/{{webhook_id}}/roll", roll, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/{{webhook_id}}/replay", replay, UserRole.ADMINISTRATOR),
    Route("POST", f"{_HERE}/{{webhook_id}}/remove", remove, UserRole.ADMINISTRATOR),
)
