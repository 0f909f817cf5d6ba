"""What the audit tells of a firm."""

from __future__ import annotations

from casedial.domain.audit import AuditFilter, Entry
from casedial.service.operations import audit
from tests.conftest import ME, Office


async def audited(office: Office) -> list[Entry]:
    """The firm's entries, oldest first."""
    found = await audit.newest(office.store, ME, office.name, AuditFilter(), None, 100)
    return [kept.entry for kept in reversed(found.entries)]
