"""Entries of the audit, as they are written to files and documents."""

from __future__ import annotations

import json
from typing import Any

from casedial.domain.audit import NO_FIRM, KeptEntry
from casedial.wire.values import show_instant

AUDIT_COLUMNS = ("id", "at", "firm", "by", "kind", "origin", "action", "subject", "before", "after", "previous")


def audit_row(kept: KeptEntry, firms: dict[int, str]) -> dict[str, Any]:
    """Return an entry under ``AUDIT_COLUMNS``; its firm is null where it concerns none."""
    entry = kept.entry
    firm = None if kept.firm_id == NO_FIRM else firms.get(kept.firm_id, str(kept.firm_id))
    return {
        "id": kept.id,
        "at": show_instant(entry.at),
        "firm": firm,
        "by": entry.actor.name,
        "kind": entry.actor.kind.name.lower(),
        "origin": entry.actor.origin,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
        "previous": kept.previous.hex(),
    }


def audit_cells(kept: KeptEntry, firms: dict[int, str]) -> list[object]:
    """Return an entry as cells of CSV."""
    row = audit_row(kept, firms)
    return [json.dumps(row[name]) if isinstance(row[name], dict) else row[name] for name in AUDIT_COLUMNS]
