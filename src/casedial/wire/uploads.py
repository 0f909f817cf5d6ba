"""Files that are sent to be imported: their rows as they are, what columns probably mean, and how to read a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import PurePath
from typing import IO, TextIO
from zoneinfo import ZoneInfo

from casedial.domain.errors import InvalidSetting
from casedial.domain.import_jobs import DateOrder, FileLine, Job, ReadRow
from casedial.wire.columns import DATE_COLUMNS, REJECT, is_known, listed, meant
from casedial.wire.dates import Order, order_of
from casedial.wire.documents import canonical
from casedial.wire.files import Dates, header_of, line_reader, lines_of, row_reader
from casedial.wire.sheets import Form, Header, Sheet, as_text, form_of, open_sheet
from casedial.wire.workbooks import as_csv

# What columns are called elsewhere, in canonical form.
_ELSEWHERE = {
    "CaseID": ("casenumber", "caseno", "casenr", "matterid", "matternumber", "fileid", "filenumber", "recordid", "id"),
    "Plaintiff": ("name", "fullname", "client", "clientname", "contact", "contactname", "plaintiffname"),
    "Phone1": ("phone", "phonenumber", "telephone", "cell", "cellphone", "mobile", "mobilephone", "primaryphone"),
    "Phone2": ("homephone", "home", "phonetwo", "secondaryphone", "workphone", "alternatephone"),
    "ZipCode": ("zip", "postalcode", "postcode", "zippostalcode"),
    "CaseStatus": ("status", "stage", "matterstatus"),
    "CaseGroup": ("group", "casetype", "mattertype", "practicearea"),
    "DialDateTime": ("dialdate", "dialtime", "dialat", "calldate", "callat", "nextcall"),
    "Disposition": ("lastdisposition", "lastdialerdisposition", "result", "lastresult"),
    "Campaign": ("campaignstatus",),
    "Closed": ("closedon", "dateclosed", "closeddate", "closingdate"),
}
_PHONES = [f"Phone{number}{part}" for number in range(1, 7) for part in ("", "Name", "Primary", "Text")]
MEANINGS = (
    *("CaseID", "Plaintiff", "ZipCode", "CaseStatus", "CaseGroup", "Closed", "Priority"),
    *("Campaign", "DialerStatus", "DialDateTime", "Attempts", "Disposition", *_PHONES),
)
_MEANT = {name: column for column, names in _ELSEWHERE.items() for name in names}


def header_key(columns: Sequence[str]) -> str:
    """Return what the next file with this header is known by."""
    return sha256("\0".join(map(canonical, columns)).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def probable(columns: Sequence[str], remembered: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what each column probably means: as the last time, by its name, or by a like one; "" for nothing."""
    known = remembered.get(header_key(columns))
    if known is not None and len(known) == len(columns):
        return list(known)
    own = {canonical(column): column for column in columns if is_known(column)}
    found: list[str] = []
    for column in columns:
        name = canonical(column)
        if name in REJECT or name == "phones":
            found.append("")
            continue
        like = column if name in own else _MEANT.get(name) or (meant(column, columns) if name else None)
        taken = {*own, *map(canonical, found)} - (
            {name} if name in own and name not in map(canonical, found) else set()
        )
        found.append(like if like and canonical(like) not in taken else "")
    return found


def checked_meanings(columns: Sequence[str], meanings: Sequence[str]) -> tuple[str, ...]:
    """Return what columns mean, as it can be used. Raises InvalidSetting."""
    if len(meanings) != len(columns) or any(name and not is_known(name) for name in meanings):
        raise InvalidSetting("Choose again what each column means.")
    names = [canonical(name) for name in meanings]
    if "caseid" not in names:
        raise InvalidSetting("Say which column has the CaseID: without it a row is of no case.")
    if doubled := next((name for name in meanings if name and names.count(canonical(name)) > 1), None):
        two = [column for column, name in zip(columns, names, strict=True) if name == canonical(doubled)]
        raise InvalidSetting(f"Two columns mean {doubled}: {listed(two)}. Choose one of them.")
    return tuple(meanings)


class Upload:
    """A file that was sent, opened: its rows come once, in order."""

    def __init__(
        self, file_name: str, form: Form, told: Sequence[str], columns: Sequence[str], lines: Iterator[FileLine]
    ):
        self.file_name, self.form, self.told, self.columns, self._lines = file_name, form.value, told, columns, lines

    def read(self, rows: int, size: int) -> list[FileLine]:
        """Return the next rows, at most so many, and of about so many characters; none at its end."""
        found: list[FileLine] = []
        while len(found) < rows and size > 0 and (line := next(self._lines, None)):
            found.append(line)
            size -= sum(map(len, line.cells))
        return found


@contextmanager
def opened_upload(
    raw: IO[bytes], name: str, remembered: Mapping[str, Sequence[str]], tab: str | None = None
) -> Iterator[Upload]:
    """Open a file that was sent. Raises MalformedDocument or InvalidSetting for what cannot be used."""
    shown = "".join(char for char in PurePath(name.replace("\\", "/")).name if char.isprintable())[-120:] or "a file"
    with as_csv(raw, tab) as (plain, told):
        plain.seek(0)
        stream, unusual = as_text(plain)
        try:
            if form_of(PurePath(shown)) is Form.JSONL and not told:
                yield Upload(shown, Form.JSONL, unusual, ("Row",), _json_lines(stream))
            else:
                sheet = open_sheet(stream, _header(remembered), guesses=True)
                every = [*told, *unusual, *sheet.told]
                yield Upload(shown, Form.CSV, every, sheet.columns, _csv_lines(sheet))
        finally:
            stream.detach()


def _header(remembered: Mapping[str, Sequence[str]]) -> Header:
    usual = header_of({})
    return Header(usual.lacks, lambda columns: usual.asks(columns) or header_key(columns) in remembered)


def _json_lines(stream: TextIO) -> Iterator[FileLine]:
    for line, text in enumerate(stream, 1):
        if text.strip():
            yield _storable(line, [text.rstrip("\r\n")])


def _csv_lines(sheet: Sheet) -> Iterator[FileLine]:
    for line in lines_of(sheet):
        yield line if line.fault else _storable(line.line, line.cells)


def _storable(line: int, cells: Sequence[str]) -> FileLine:
    """Return a row as every database keeps it; one that is not UTF-8 is a bad row."""
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        shown = [cell.encode("utf-8", "replace").decode() for cell in cells]
        return FileLine(line, shown, "is not UTF-8; save the file as UTF-8")
    return FileLine(line, [cell.replace("\0", "\N{REPLACEMENT CHARACTER}") for cell in cells])


class Reading:
    """How rows of files of cases are read; what a file's rows have in common is worked out once."""

    def __init__(self) -> None:
        self._known: tuple[object, ReadRow] | None = None

    def rows(self, job: Job, zone: ZoneInfo) -> ReadRow:
        """Return what reads a row of an import."""
        key = job.plan.meanings, job.plan.order, job.form, zone
        if self._known is None or self._known[0] != key:
            dates = Dates(zone, Order(job.plan.order or Order.MONTH_FIRST))
            names = [canonical(name) for name in job.plan.meanings]
            read = line_reader(dates) if job.form == Form.JSONL else row_reader(names, dates)
            self._known = key, read
        return self._known[1]

    def order(self, meanings: Sequence[str], lines: Sequence[FileLine]) -> DateOrder:
        """Return what the dates of some rows say of their order."""
        names = list(map(canonical, meanings))
        places = [names.index(canonical(column)) for column in DATE_COLUMNS if canonical(column) in names]
        dates = ((line.line, line.cells[at]) for line in lines for at in places if at < len(line.cells))
        found = order_of(dates)
        return DateOrder(found.order or "", found.line, found.text)
