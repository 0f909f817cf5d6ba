"""The quick reader reads a row as the general one does, or not at all."""

from __future__ import annotations

from contextlib import suppress
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.importing import CaseRow
from casedial.wire import exports, files, quick

ZONE = ZoneInfo("America/Chicago")
HEADER = exports.csv_header(3)
NAMES = [files.canonical(column) for column in HEADER]
CELLS = st.sampled_from(
    [
        *(
            "",
            " ",
            "7",
            "007",
            "0",
            "-1",
            "9223372036854775807",
            "9223372036854775808",
            "\u0667",
            "1e3",
            "true",
            " No ",
        ),
        *("2026-05-06T09:00:00", "2026-05-06", "5/6/2026 9:00 AM", "1899-01-01", "To Dial", "Ann \u00e9 Lee", "a\0b"),
        *("\udcff", "x" * 255, "x" * 256, "4" * 65, "(402) 555-0123", "+44 20 7946 0958", "Fax", "none"),
        *("'=1+1", "'+44 20 7946 0958", "''=x", "O'Brien", "'", "=1", "46148.375", "6.5.2026", "28-Jul-20"),
    ]
)


def read(names: list[str], cells: list[str]) -> CaseRow | None:
    with suppress(ValueError):
        return quick.reader(files._layout(names, files.Dates(ZONE)))(cells)
    return None


GOOD = [
    *(
        "7",
        "LIT 03",
        "Auto",
        "2026-05-06",
        "07030",
        "Ann Lee",
        "Spring",
        "To Dial",
        "2026-12-01T09:00:00",
        "3",
        "1",
        "",
    ),
    *("Cell", "4025550123", "true", "1", "Home", "(402) 555-0199", "", "no", "", "", "", ""),
]


def test_a_good_row_is_read_alike() -> None:
    assert read(NAMES, GOOD) is not None
    assert read(NAMES, GOOD) == files._build_csv(GOOD, NAMES, files.Dates(ZONE))


@given(st.dictionaries(st.integers(0, len(HEADER) - 1), CELLS, max_size=4))
def test_any_row_is_read_alike_or_left(cells: dict[int, str]) -> None:
    row = [cells.get(place, cell) for place, cell in enumerate(GOOD)]
    general = files._build_csv(row, NAMES, files.Dates(ZONE))
    assert read(NAMES, row) == (general if isinstance(general, CaseRow) else None)


@pytest.mark.parametrize(
    "columns", [["CaseID"], ["Phone2", "CaseID"], ["Closed", "", "CaseID", "Nothing", "Phone1Text"]]
)
def test_whatever_columns_there_are(columns: list[str]) -> None:
    names = [files.canonical(column) for column in columns]
    cells = ["7" if name == "caseid" else "1" for name in names]
    assert read(names, cells) == files._build_csv(cells, names, files.Dates(ZONE))


def test_a_memo_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "_KEPT", 3)
    memo = quick.Memo(int)
    assert [memo[str(n)] for n in range(10)] == list(range(10))
    assert len(memo) <= 3
