"""Files that are whole or not there: what was there before stays until the new one is complete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from casedial.domain.errors import InvalidSetting

_NAME = 200  # characters of a name that its partial file shows: 255 bytes are all that it may have


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield an empty file beside ``path``, for its owner's eyes only, which takes its place at the end of the block.

    Where the block fails nothing is left of it; after a kill or a power cut ``.NAME.….partial`` may be. Raises
    InvalidSetting for a folder, OSError where it cannot be written.
    """
    target = path.resolve()  # where a link leads: the link stays
    if target.is_dir():
        raise InvalidSetting(f"{path} is a folder: name a file in it.")
    partial = empty_file(target.parent, f".{target.name[:_NAME]}.", ".partial")
    try:
        yield partial
        take_place(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def empty_file(folder: Path, prefix: str, suffix: str) -> Path:
    """Make an empty file of a new name, for its owner's eyes only. Raises OSError."""
    descriptor, name = tempfile.mkstemp(suffix, prefix, folder)
    os.close(descriptor)
    return Path(name)


def take_place(partial: Path, target: Path) -> None:
    """Put a complete file in the place of another, so that no crash can leave less than one of them. Raises OSError."""
    sync(partial)
    partial.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
