"""What the audit tells of a firm, and a case that a claim passed over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from casedial.domain.audit import AuditFilter, Entry
from casedial.service.operations import audit
from casedial.storage import held_back
from tests.conftest import ME, Office


async def audited(office: Office) -> list[Entry]:
    """The firm's entries, oldest first."""
    found = await audit.newest(office.store, ME, office.name, AuditFilter(), None, 100)
    return [kept.entry for kept in reversed(found.entries)]


async def hold_back(office: Office, case_id: int) -> None:
    """Have a case looked at again tomorrow, as one that a claim has met and may not give out."""
    async with office.store.write() as tx:
        await held_back.hold_back(tx, await office.firm(), {case_id: datetime.now(UTC) + timedelta(days=1)})
