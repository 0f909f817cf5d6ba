"""casedial dnc."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cli.test_commands import Casedial
from tests.conftest import Office

FIRM = ("--firm", "Lex & Partners")


async def test_a_list_by_hand(casedial: Casedial, office: Office) -> None:
    await office.add(7)
    await asyncio.to_thread(a_list_by_hand, casedial)


def a_list_by_hand(casedial: Casedial) -> None:
    added = casedial.json("dnc", "add", "(402) 555-0101", "+1 402 555 0102", *FIRM, "--case", 7, "--source", "letter")
    assert added == {"added": 3, "known": 0}
    assert casedial.json("dnc", "add", "4025550101", *FIRM) == {"added": 0, "known": 1}
    assert casedial.json("dnc", "remove", "402.555.0101", *FIRM, "--case", 8, status=1)["removed"] == 1
    assert "ten digits" in casedial.run("dnc", "add", "555", *FIRM, status=2).stderr
    assert "give numbers" in casedial.run("dnc", "remove", *FIRM, status=2).stderr


def test_a_file_goes_in_and_out(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        "\ufeffnumber,Case ID,Date,Source,Remark\n"
        "(402) 555-0101,,2026-11-01,letter,x\n"
        ",7,,,\n"
        "402-555-0101,,,,twice\n"
        "555-0101,,,,\n"
        "4025550103,8,,,\n"
        "4025550104,,yesterday,,\n"
        ",many,,,\n",
        encoding="utf-8",
    )
    found = casedial.json("dnc", "import", file, *FIRM, "--source", "old system", status=1)
    assert (found["added"], found["known"]) == (2, 1)
    assert [line.partition(":")[0] for line in found["bad"]] == ["line 5", "line 6", "line 7", "line 8"]
    out = tmp_path / "out.csv"
    assert casedial.json("dnc", "export", *FIRM, "-o", out)["entries"] == 2
    first, *lines = out.read_text().splitlines()
    assert first == "Number,CaseID,Date,Source"
    assert lines[0] == "4025550101,,2026-11-01,letter"
    assert lines[1].startswith(",7,20")
    assert lines[1].endswith(",old system")
    assert casedial.json("dnc", "import", out, *FIRM) == {"added": 0, "known": 2, "bad": [], "unknown": [7], "told": []}


def test_a_file_without_the_columns(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("Telephone\n4025550101\n")
    assert "no column Number" in casedial.json("dnc", "import", file, *FIRM, status=1)["error"]["message"]


def test_a_file_of_another_kind(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(",Number\n0,4025550101\n")  # with a column that has no name
    assert casedial.json("dnc", "import", file, *FIRM)["added"] == 1
    file.write_bytes("Number;Source\n4025550102;caf\u00e9\n".encode("cp1252"))
    assert "Windows-1252" in casedial.json("dnc", "import", file, *FIRM)["told"][0]
    file.write_bytes(b"PK\x03\x04")
    assert "Excel" in casedial.json("dnc", "import", file, *FIRM, status=1)["error"]["message"]
    file.write_text('Number\n4025550103\n"402')
    assert "line 3 is not CSV" in casedial.json("dnc", "import", file, *FIRM, status=1)["error"]["message"]
