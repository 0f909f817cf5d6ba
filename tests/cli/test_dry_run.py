"""``cases import --dry-run``: the same summary, the same rejects, the same exit status, and nothing written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.indexes import metadata
from casedial.service.operations import imports
from tests.cli.test_commands import Casedial
from tests.conftest import Office

HEADER = "CaseID;Plaintiff;Campaign;DialerStatus;Disposition;Attempts;DialDateTime;Priority;Phone1;Phne2\n"
ROWS = [
    "1;Ann;Intake follow-up;To Dial;Busy;1;7/28/20 11:02 PM;2;4025550101;",  # there already: statuses kept
    "2;Bob;New campaign;To Dial;;;;;4025550102;x",  # a status to be added
    "3;Cy;;Later;;;;;4025550103;",  # and another, which is never dialed
    "4;Di;Intake follow-up;To Dial;;;28/7/2020;;4025550104;",  # bad
    "5;Eve;new campaign;to dial;;30;;;402-55;",  # an Attempts status to be added; a doubtful number
    "6;Flo;;To Dial;;;;;4025550106;",  # on the do-not-call list
    "2;Bob;New campaign;To Dial;;;;;4025550102;x",  # again: unchanged
    "3;Cyrus;;Later;;;;;4025550103;",  # again: updated
    "7;Gus;Intake follow-up;In the Dialer;;;;;4025550107;",
    "8;Hal;Intake follow up;To Dial;;;;;;",  # spelled otherwise: bad
    "7;Gus;Intake follow-up;To Dial;;;;;4025550107;",  # it would be in the dialer
    "9;Ida;;;;;;;4025550109;",
    "99999999999999999999;Jo;;;;;;;;",  # bad
]


async def contents(office: Office) -> dict[str, list[Any]]:
    """All that the database holds."""
    async with office.store.read() as tx:
        return {
            table.name: sorted(repr(tuple(row)) for row in await tx.execute(sa.select(table)))
            for table in metadata.sorted_tables
        }


@pytest.mark.parametrize("batch", [3, 5000])
@pytest.mark.parametrize("options", [(), ("--add-statuses",), ("--add-statuses", "--set-statuses")])
async def test_it_says_what_the_import_would(
    casedial: Casedial,
    office: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    options: tuple[str, ...],
) -> None:
    monkeypatch.setattr(imports, "BATCH", batch)
    await office.add(1, campaign="Intake follow-up")
    await asyncio.to_thread(casedial.run, "dnc", "add", "4025550106", "--firm", office.name)
    file, rejects = tmp_path / "cases.csv", tmp_path / "cases.csv.rejects.csv"
    file.write_text(HEADER + "\n".join(ROWS))
    given = ("cases", "import", file, "--firm", office.name, *options)
    before = await contents(office)
    told = (await asyncio.to_thread(casedial.run, *given, "--dry-run", status=1)).stderr
    document = await asyncio.to_thread(casedial.json, *given, "--dry-run", status=1)
    rejected = rejects.read_text()
    assert await contents(office) == before
    really = await asyncio.to_thread(casedial.json, *given, status=1)
    assert document.pop("dry_run") is True
    assert really.pop("dry_run") is False
    assert document == really
    assert rejects.read_text() == rejected
    assert told.startswith("Dry run: nothing was changed.")
    assert "did you mean Phone2?" in told.replace("\n", " ")
    assert really["rejected"] >= 3
    assert really["added"] >= 3


async def test_a_good_file_exits_0_and_leaves_no_rejects(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("Case Number,Name\n1,Ann\n2,Bob\n")
    given = ("cases", "import", file, "--firm", office.name, "--map", "Case Number=CaseID", "--map", "Name=Plaintiff")
    document = await asyncio.to_thread(casedial.json, *given, "--dry-run")
    assert (document["added"], document["rejects_file"]) == (2, None)
    document = await asyncio.to_thread(casedial.json, *given)
    assert (document["added"], document["unknown_columns"]) == (2, [])
    assert (await office.case(2)).plaintiff == "Bob"
    assert sorted(tmp_path.glob("*.csv*")) == [file]


async def test_rejects_of_a_mapped_file_go_in_as_they_are(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_bytes("Export of 11/28/2026\r\n\r\nCase Number\tName\r\n1\tAnn\r\nx2\tZoë\r\n".encode("utf-16"))
    given = ("--firm", office.name, "--map", "Case Number=CaseID", "--map", "Name=Plaintiff")
    report = await asyncio.to_thread(casedial.json, "cases", "import", file, *given, status=1)
    assert [bad["line"] for bad in report["rejects"]] == [5]
    rejects = Path(report["rejects_file"])
    rejects.write_text(rejects.read_text(encoding="utf-8").replace("x2", "2"), encoding="utf-8")
    await asyncio.to_thread(casedial.run, "cases", "import", rejects, "--firm", office.name)
    assert (await office.case(2)).plaintiff == "Zoë"


async def test_a_map_that_fits_nothing_is_said_before_anything(
    casedial: Casedial, office: Office, tmp_path: Path
) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("CaseID,Name\n1,Ann\n")
    given = ("cases", "import", file, "--firm", office.name, "--map")
    assert "did you mean Plaintiff?" in await asyncio.to_thread(casedial.wrong, *given, "Name=Plantiff")
    report = await asyncio.to_thread(casedial.json, *given, "Nme=Plaintiff", status=1)
    assert "Did you mean 'Name'?" in report["error"]["message"]
