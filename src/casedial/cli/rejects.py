"""The file of rejects: made before anything goes in, beside the file that is imported, or where it can be."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from casedial.database.files import empty_file, take_place
from casedial.domain.errors import InvalidSetting
from casedial.domain.importing import BadRow, FileRow
from casedial.service.operations.imports import ImportTotal
from casedial.wire.columns import REJECT_COLUMNS
from casedial.wire.formulas import guarded, unguarded


class Rejects:
    """The rejected rows of one import, as they were, each with its line and why.

    They are written to a file of a new name, which at the end takes the place of an earlier run's. Where the folder of
    the imported file is closed to us, they are in the working folder, or in that for temporary files.
    """

    def __init__(self, imported: Path, columns: Sequence[str]) -> None:
        """Raise InvalidSetting where no file can be made anywhere."""
        # A file of rejects imported again brings these columns itself, in front.
        self._own = len(REJECT_COLUMNS) if tuple(columns[:3]) == REJECT_COLUMNS else 0
        self._target: Path | None = imported.with_name(imported.name + ".rejects.csv")
        self.path = self._target
        try:
            self._made = empty_file(imported.parent, f".{imported.name[:200]}.", ".partial")
        except OSError as error:
            self._made = self.path = _elsewhere(imported, error)
            self._target = None
        self._stream = self._made.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        self._rows = csv.writer(self._stream)
        self._rows.writerow([*REJECT_COLUMNS, *columns[self._own :]])
        self._any = False

    def write(self, row: FileRow, error: BadRow) -> None:
        """Write a row as it was, and why it did not go in. Raises OSError."""
        self._any = True
        self._rows.writerow(
            [row.line, error.column, error.reason, *(guarded(unguarded(cell)) for cell in row.cells[self._own :])]
        )

    def close(self, total: ImportTotal) -> None:
        """End the file, and tell in the total where it is; where nothing was rejected there is none, nor an old one."""
        try:
            self._stream.close()
            if self._any and self._target:
                take_place(self._made, self._target)
            total.rejects_file = self.path if self._any else None
        except OSError as error:
            total.rejects_file = self._made if self._any else None
            reason = f"Cannot write {self.path}: {error.strerror or error}; some rejected rows may be missing."
            total.error = total.error or InvalidSetting(reason)
        if not self._any:
            self._made.unlink(missing_ok=True)
            if self._target and total.error is None:
                with suppress(OSError):
                    self._target.unlink(missing_ok=True)


def _elsewhere(imported: Path, reason: OSError) -> Path:
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        with suppress(OSError):
            return empty_file(folder, f"{imported.name[:200]}.rejects.", ".csv")
    raise InvalidSetting(
        f"Nothing was imported, because there is no place to write rejected rows: neither next to {imported} "
        f"({reason.strerror or reason}) nor here nor in {tempfile.gettempdir()}."
    )
