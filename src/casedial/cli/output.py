"""Where a command writes a file: to one that is whole at the end, to a device or a pipe, or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from casedial.database.files import written_whole
from casedial.domain.errors import InvalidSetting

_SPREADSHEETS = (".xlsm", ".xlsb", ".xls", ".ods", ".numbers")

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="The file to write; - or nothing means standard output."),
]


def is_standard(path: Path | None) -> bool:
    """Tell whether standard output is meant."""
    return path is None or str(path) == "-"


@contextmanager
def opened(path: Path | None) -> Iterator[IO[bytes]]:
    """Open what was named by --output; a file takes its name only when the block has ended well.

    Raises InvalidSetting where it cannot be written.
    """
    if path is None or is_standard(path):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.suffix.lower() in _SPREADSHEETS:
        names = f"{path.with_suffix('.csv').name} or {path.with_suffix('.xlsx').name}"
        raise InvalidSetting(f"Of workbooks casedial writes .xlsx only: name it {names}, and open that.")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a device, or a pipe
            with path.open("wb") as raw:
                yield raw
        else:
            with written_whole(path) as partial, partial.open("wb") as raw:
                yield raw
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InvalidSetting(f"Cannot write {path}: {error.strerror or error}.") from None
