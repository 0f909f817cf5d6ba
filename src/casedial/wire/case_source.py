"""An open file of cases, as an import takes it."""

from __future__ import annotations

from collections.abc import Sequence
from io import TextIOWrapper
from typing import IO
from zoneinfo import ZoneInfo

from casedial.domain.importing import ImportFile
from casedial.wire.columns import DATE_COLUMNS, NO_NAMES, Names, renamed
from casedial.wire.dates import Order
from casedial.wire.files import Dates, header_of, read_csv, read_json_lines
from casedial.wire.ordering import order_of_columns
from casedial.wire.sheets import Form, as_text, open_sheet


class CaseSource:
    """An open file of cases, read from its beginning whenever it is asked for.

    ``order`` is that of its dates; None: what they say themselves, and where they do not, it has to be asked for.
    ``told`` is what is to be said of it already.
    """

    def __init__(
        self,
        raw: IO[bytes],
        form: Form,
        names: Names = NO_NAMES,
        order: Order | None = None,
        told: Sequence[str] = (),
    ) -> None:
        self._raw, self._form, self._names, self._order = raw, form, names, order
        self._told = list(told)
        self._stream: TextIOWrapper | None = None

    def read(self, zone: ZoneInfo) -> ImportFile:
        """Return its columns and rows. Raises MalformedDocument or InvalidSetting for one that cannot be used."""
        if self._order is None:
            self._order, told = self._told_order()
            self._told += told
        stream, unusual = self._open()
        read = read_json_lines if self._form is Form.JSONL else read_csv
        source = read(stream, Dates(zone, self._order), self._names)
        source.told[:0] = self._told + unusual
        return source

    def _told_order(self) -> tuple[Order, list[str]]:
        """Return the order of the dates, and what is to be said of it. Raises InvalidSetting where it must be asked."""
        if self._form is Form.JSONL:  # which programs write
            return Order.MONTH_FIRST, []
        sheet = open_sheet(self._open()[0], header_of(self._names))
        found = order_of_columns(sheet, renamed(sheet.columns, self._names), DATE_COLUMNS)
        return found.order or Order.MONTH_FIRST, found.told

    def _open(self) -> tuple[TextIOWrapper, list[str]]:
        self.close()
        self._raw.seek(0)
        self._stream, told = as_text(self._raw)
        return self._stream, told

    def position(self) -> int:
        """Return how many of its bytes were read."""
        return self._raw.tell()

    def close(self) -> None:
        """End the reading; the file below stays open."""
        if self._stream:
            self._stream.detach()
            self._stream = None
