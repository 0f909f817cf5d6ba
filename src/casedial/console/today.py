"""Today: the live picture of the list, and a campaign's pause."""

from __future__ import annotations

from functools import partial

from casedial.console.answers import Answer, Fragment, Page, Redirect
from casedial.console.routing import Route
from casedial.console.visits import Visit
from casedial.domain.errors import PathNotFound
from casedial.domain.today import Alert, AlertKind, Band, Board
from casedial.domain.users import UserRole
from casedial.service.campaigns import CampaignChange
from casedial.service.operations import campaigns
from casedial.service.operations import today as operations

# What holds cases back, as a manager says it, behind their number.
REASONS = {
    "paused": "in a paused campaign",
    "no phone": "without a number that may be dialed",
    "abroad": "abroad only, and the campaign calls the US",
    "do not call": "on the do-not-call list",
    "in use": "whose number is being dialed for another case",
    "how often": "called often enough",
    "hours": "outside calling hours",
}


def _shown(visit: Visit, board: Board) -> dict[str, object]:
    visit.now = board.at  # "12 s ago" is of the moment at which it was looked
    most = max((hour.cases.number for hour in board.hours), default=0)
    shown = [_alert(visit, board, alert) for alert in board.alerts]
    return {"board": board, "alerts": shown, "most": most, "reasons": REASONS, "parts": _parts, "marks": _marks}


def _parts(band: Band, due: str) -> list[tuple[int, str, str]]:
    """Return the parts of a campaign's bar; ``due`` is what is said of the cases that are due."""
    return [
        (band.callable.number, "good", due),
        (band.held_back.number, "warn", "held back"),
        (band.waiting.later.number, "held", "later today"),
        (band.waiting.dialing.number, "idle", "in the dialer"),
    ]


def _marks(band: Band, board: Board) -> list[tuple[str, int, int]]:
    """Return dispositions of a campaign with their numbers, and how long each one's bar is, of a hundred."""
    counts = sorted(band.reports.dispositions.items(), key=lambda one: -one[1])
    most = counts[0][1] if counts else 1
    return [(board.names.get(id_, "?"), number, round(100 * number / most)) for id_, number in counts]


def _alert(visit: Visit, board: Board, alert: Alert) -> tuple[Alert, str, str, str]:
    """Return an alert with what it says, where it is mended, and how that page is called."""
    number = f"{alert.number:,}"
    cases = f"{number} case{'' if alert.number == 1 else 's'}"
    match alert.kind:
        case AlertKind.IDLE:
            where = alert.subject or "no campaign"
            told = f"{cases} in {where} may be called, and nothing was claimed for ten minutes."
            return alert, told, visit.to("cases", campaign=alert.subject, due="yes", order="dialing"), "See the cases"
        case AlertKind.ANSWERED:
            told = f"{cases} were dialed more than an hour ago, and nobody has said what comes next."
            return alert, told.replace("1 cases were", "1 case was"), visit.to("cases", answered="yes"), "See the cases"
        case AlertKind.RAN_OUT:
            told = f"{number} claims ran out today: a dialer took cases and did not report them."
            return alert, told, visit.to("keys"), "See the keys"
        case AlertKind.REFUSED:
            return alert, f"{alert.subject}.", visit.to("keys"), "See the keys"
        case AlertKind.KEY_ENDS:
            return (
                alert,
                f"A key of {alert.subject} ends soon: its dialer will be refused.",
                visit.to("keys"),
                "Roll it",
            )
        case AlertKind.RULES:
            told = f"The calling rules are {number} days old: install a newer casedial."
            return alert, told, visit.to("setup"), "See the rules"
        case AlertKind.SERVER:
            told = f"casedial doctor finds something about {alert.subject}: ask who runs the server."
            return alert, told, "", ""


async def today(visit: Visit) -> Answer:
    """Show the live picture."""
    board = await operations.look(visit.store, visit.actor, visit.firm.name, visit.firm.version)
    return Page("today.html", _shown(visit, board))


async def live(visit: Visit) -> Answer:
    """Give the part of it that changes."""
    board = await operations.look(visit.store, visit.actor, visit.firm.name, visit.firm.version)
    same = (board.firm.id, board.firm.version, board.at, visit.may(UserRole.MANAGER), visit.zone.key)
    return Fragment("today_live.html", partial(_shown, visit, board), shared=same)


async def pause(visit: Visit) -> Answer:
    """Pause a campaign, or let it run again: every server knows with the next claim."""
    wanted, _, id_ = visit.form.text("do").partition(" ")
    chosen = next((one for one in visit.firm.statuses.all if str(one.id) == id_), None)
    if chosen is None or wanted not in ("pause", "resume"):
        raise PathNotFound("There is no such campaign any more.")
    change = CampaignChange(paused=wanted == "pause")
    await campaigns.change(visit.store, visit.actor, visit.firm.name, chosen.name, change)
    told = "is paused: no case of it is given out." if change.paused else "runs."
    return Redirect(visit.to(""), said=f"{chosen.name} {told}")


ROUTES = (
    Route("GET", "/{firm}/", today, UserRole.VIEWER),
    Route("GET", "/{firm}/live", live, UserRole.VIEWER, live=True),
    Route("POST", "/{firm}/pause", pause, UserRole.MANAGER),
)
