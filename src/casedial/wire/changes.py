"""Changes of many cases, as they are written to documents."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from casedial.domain.actors import Actor
from casedial.domain.changes import Change
from casedial.domain.firms import Firm
from casedial.domain.orders import read_order
from casedial.wire.values import instant


def change_row(firm: Firm, change: Change, clock: datetime) -> dict[str, Any]:
    """Return a change: who wanted what of how many cases, when, and what became of them. Times are UTC."""
    wanted, which = read_order(firm, change.order)
    return {
        "id": change.id,
        "kind": change.kind.name.lower(),
        "state": change.state.name.lower(),
        "interrupted": change.is_interrupted(clock),
        "made_at": instant(change.made_at),
        "by": _actor(change.actor),
        "reason": change.reason,
        "move": wanted.move.name.lower() if wanted.move else None,
        "dial_at": instant(wanted.dial_at),
        "campaign": wanted.campaign.name if wanted.campaign else None,
        "priority": wanted.priority,
        "note": change.order.get("note"),
        "which": {
            "status": which.dialer_status,
            "campaign": which.campaign,
            "disposition": which.disposition,
            "group": which.case_group,
            "due_at": instant(which.due_at),
            "do_not_call": which.do_not_call,
            "held_by": which.held_by,
        },
        "total": change.total,
        "expected": asdict(change.expected),
        "begun_at": instant(change.begun_at),
        "finished_at": instant(change.finished_at),
        "counts": asdict(change.counts),
        "undo_until": instant(change.keep_until) if change.can_be_undone(clock) else None,
        "undone_by": _actor(change.undone_by) if change.undone_by else None,
        "undone_at": instant(change.undone_at),
        "undo_counts": asdict(change.undo_counts),
    }


def _actor(actor: Actor) -> dict[str, Any]:
    return {"name": actor.name, "kind": actor.kind.name.lower(), "origin": actor.origin}
