"""A firm's statuses: add, rename, reorder, retire, restore [specification: Configuration].

The firm is held against other operators: ``operations/statuses.py`` opens it so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from casedial.database.engine import Transaction
from casedial.domain.errors import InvalidSetting, StatusExists, StatusHasRole
from casedial.domain.firms import Firm
from casedial.domain.statuses import Flag, StatusType, is_count
from casedial.service.firms import checked_name
from casedial.storage import firms, statuses


def checked_status(kind: StatusType, name: str) -> str:
    """Return a status's name trimmed. Raises InvalidSetting, also for Attempts that no dialer could ever send."""
    name = checked_name(name, "A status's name")
    if kind is StatusType.ATTEMPTS and not (is_count(name) and name == str(int(name))):
        raise InvalidSetting("An Attempts status must be a whole number such as 21, because that is what dialers send.")
    return name


async def add_statuses(tx: Transaction, firm: Firm, added: Sequence[tuple[StatusType, str]]) -> Firm:
    """Add statuses at the end of their types' lists. Raises StatusExists or InvalidSetting."""
    for kind, name in added:
        checked_status(kind, name)
        there = firm.statuses.find(kind, name)
        if there:
            hint = " and is retired: restore it instead" if there.retired else ""
            raise StatusExists(f"The firm already has the {kind.label} {there.name!r}{hint}.")
    first = len(firm.statuses.all)
    await statuses.add(tx, firm.id, [(kind, name.strip(), None) for kind, name in added], first)
    return await _changed(tx, firm)


async def rename_status(tx: Transaction, firm: Firm, kind: StatusType, old: str, new: str) -> Firm:
    """Rename a status; its role, its cases and their history stay. Raises StatusNotFound, StatusExists."""
    status = firm.statuses.named(kind, old)
    new = checked_status(kind, new)
    there = firm.statuses.find(kind, new)
    if there and there.id != status.id:
        raise StatusExists(f"The firm already has the {kind.label} {there.name!r}.")
    await statuses.rename(tx, status.id, new)
    return await _changed(tx, firm)


async def reorder_statuses(tx: Transaction, firm: Firm, kind: StatusType, names: Sequence[str]) -> Firm:
    """Put the named statuses first, in this order, the others after them as they were.

    Raises StatusNotFound, or InvalidSetting for a name given twice.
    """
    first = [firm.statuses.named(kind, name) for name in names]
    if len({status.id for status in first}) != len(first):
        raise InvalidSetting("A status is given twice.")
    rest = [status for status in firm.statuses.of(kind) if status not in first]
    await statuses.place(tx, [status.id for status in [*first, *rest]])
    return await _changed(tx, firm)


async def retire_status(tx: Transaction, firm: Firm, kind: StatusType, name: str, retired: bool) -> Firm:
    """Retire a status, or restore it. Raises StatusNotFound, or StatusHasRole for one that must stay."""
    status = firm.statuses.named(kind, name)
    if retired and status.role:
        role = status.role.name.lower().replace("_", " ")
        raise StatusHasRole(f"{status.name!r} has the role {role!r}: it can be renamed, not retired.")
    await statuses.retire(tx, status.id, retired)
    return await _changed(tx, firm)


async def flag_status(tx: Transaction, firm: Firm, name: str, flags: Collection[Flag]) -> Firm:
    """Say what a disposition means; counts for what is reported from then on. Raises StatusNotFound, InvalidSetting."""
    status = firm.statuses.named(StatusType.DISPOSITION, name)
    if Flag.CONVERSATION in flags and Flag.ATTEMPT not in flags:
        raise InvalidSetting("A conversation is also an attempt: give both flags.")
    await statuses.flag(tx, status.id, flags)
    return await _changed(tx, firm)


async def _changed(tx: Transaction, firm: Firm) -> Firm:
    await firms.change(tx, firm.id)
    return (await firms.load(tx, firm.id))[1]
