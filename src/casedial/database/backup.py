"""A consistent copy of the database while servers write to it."""

from __future__ import annotations

from pathlib import Path

from casedial.database.engine import Store
from casedial.database.files import written_whole
from casedial.domain.errors import InvalidSetting


async def write(store: Store, target: Path) -> int:
    """Write a copy to ``target`` and return its size in bytes; nothing is left of one that failed.

    Raises InvalidSetting where the file exists or cannot be made, StorageUnavailable where the copy failed.
    """
    if target.exists():
        raise InvalidSetting(f"{target} already exists, and a backup never overwrites a file: choose another name.")
    try:
        with written_whole(target) as partial:
            await store.dialect.copy(store, partial)
    except OSError as error:
        raise InvalidSetting(f"Cannot write {target}: {error.strerror or error}.") from error
    return target.stat().st_size
