"""Which cases a command means: one way to say it for list, export, set and delete, and never more than was said."""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from casedial.cli import app
from casedial.database.engine import Store
from casedial.database.tables import cases as cases_table
from casedial.domain.cases import Phone
from casedial.service import cases as service
from casedial.storage import finding
from tests.cli.test_commands import Casedial
from tests.conftest import Api, Office

CELL = (Phone("Cell", "(402) 555-0100"),)
FAX = (Phone("Fax", "402-555-0177"),)


@pytest.fixture
async def people(casedial: Casedial, office: Office) -> Office:
    """Seven cases, of which each filter means its own."""
    later = datetime.now(UTC) + timedelta(days=30)
    await office.add(1, plaintiff="Änne Smith", phones=CELL, case_group="MVA")
    await office.add(2, plaintiff="Bob Jones", phones=CELL, dial_at=later)
    await office.add(3, plaintiff="Smithers, Cy", campaign="Notification campaign", disposition="Busy")
    await office.add(4, plaintiff="o_Neill", dialer="In the Dialer")
    await office.add(5, plaintiff="ONeill", dialer="Do not Dial", case_group="mva")
    await office.add(6, plaintiff="Łucja Ärger", phones=FAX)
    await office.add(7, phones=())
    run = casedial.run
    await asyncio.to_thread(run, "dnc", "add", "402-555-0003", "--case", 7, "--firm", office.name)
    return office


MEANT: dict[str, tuple[tuple[object, ...], list[int]]] = {
    "every case": ((), [1, 2, 3, 4, 5, 6, 7]),
    "CaseIDs": ((3, 1), [1, 3]),
    "due": (("--due",), [1, 3, 6, 7]),
    "campaign": (("--campaign", "notification CAMPAIGN"), [3]),
    "status": (("--status", "do not dial"), [5]),
    "status by its other name": (("--dialer-status", "In the Dialer"), [4]),
    "disposition": (("--disposition", "busy"), [3]),
    "group": (("--group", "MVA"), [1, 5]),
    "no group": (("--group", "", "--status", "In the Dialer"), [4]),
    "phone": (("--phone", "+1 402.555.0100 ext 5"), [1, 2]),
    "a fax": (("--phone", "4025550177"), []),
    "a name": (("--name", "smi"), [1, 3]),
    "two names": (("--name", "änne  s"), [1]),
    "letters that not every database can fold": (("--name", "ÄRG"), [6]),
    "marks are none of a name": (("--name", "o_n"), [4, 5]),
    "a pattern is no pattern": (("--name", "o%l"), []),
    "without accents, in any order": (("--name", "smi anne"), [1]),
    "do not call": (("--do-not-call",), [3, 7]),
    "who holds it": (("--held-by", "acme DIALER"), [4]),
    "nobody holds": (("--held-by", "Other"), []),
    "all of it": (("--due", "--phone", "4025550100", "--group", "mva", 1, 2, 3), [1]),
}


@pytest.mark.parametrize("what", MEANT)
async def test_each_filter_means_its_cases(casedial: Casedial, people: Office, what: str) -> None:
    given, meant = MEANT[what]
    found = await asyncio.to_thread(casedial.json, "cases", "list", *given, "--firm", people.name)
    assert [case["case_id"] for case in found["cases"]] == meant
    assert found["after"] is None
    path = casedial.folder / "some.csv"
    await asyncio.to_thread(casedial.run, "cases", "export", *given, "--firm", people.name, "-o", path)
    with path.open() as lines:
        assert [int(row["CaseID"]) for row in csv.DictReader(lines)] == meant
    some = given or ("--all",)
    would = await asyncio.to_thread(casedial.json, "cases", "set", *some, "--priority", 2, "--firm", people.name)
    assert would["cases"] == len(meant)
    if given:
        deleted = await asyncio.to_thread(
            casedial.json, "cases", "delete", *given, "--firm", people.name, "--even-in-the-dialer", "--yes"
        )
        assert deleted["cases"] == len(meant)
        left = await asyncio.to_thread(casedial.json, "cases", "list", "--firm", people.name)
        assert [case["case_id"] for case in left["cases"]] == [n for n in range(1, 8) if n not in meant]


async def test_a_list_shows_so_many_and_says_how_to_go_on(
    casedial: Casedial, people: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PAGE", 2)
    after, seen = 0, []
    while after is not None:
        given = ("cases", "list", "--firm", people.name, "--limit", 3, "--after", after)
        page = await asyncio.to_thread(casedial.json, *given)
        assert len(page["cases"]) <= 3
        seen += [case["case_id"] for case in page["cases"]]
        after = page["after"]
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    said = await asyncio.to_thread(casedial.run, "cases", "list", "--firm", people.name, "--limit", 3)
    assert "--after 3" in said.stderr
    held = await asyncio.to_thread(casedial.json, "cases", "list", 4, "--firm", people.name)
    assert held["cases"][0]["held_by"] == "Acme Dialer"


async def test_ids_from_a_file_or_standard_input(casedial: Casedial, people: Office, subtests: pytest.Subtests) -> None:
    path = casedial.folder / "ids.txt"
    for text in ("CaseID\n1\n3\n99\n", "\ufeff1, 3;99", '"CaseID"\r\n"1"\r\n"3"\r\n"99"\r\n'):
        path.write_text(text, encoding="utf-8")
        with subtests.test(text):
            given = ("cases", "list", "--ids-from", path, "--firm", people.name)
            found = await asyncio.to_thread(casedial.json, *given, status=1)
            assert ([case["case_id"] for case in found["cases"]], found["unknown"]) == ([1, 3], [99])
    arguments = ["cases", "set", "--ids-from", "-", "--firm", people.name, "--do-not-dial", "--yes", "--json"]
    done = await asyncio.to_thread(CliRunner().invoke, _command(), arguments, input="2\n3\n", env=casedial.environment)
    told = json.loads(done.stdout)
    assert (told["cases"], told["do_not_call"], told["unknown"], done.exit_code) == (2, 0, [], 0)
    path.write_text("1\nseven\n")
    for command in (("list",), ("export",), ("delete",), ("set", "--do-not-dial")):
        given = ("cases", *command, "--ids-from", path, "--firm", people.name)
        error = (await asyncio.to_thread(casedial.run, *given, status=1)).stderr
        assert "line 2: 'seven' is not a CaseID" in " ".join(error.split())
    path.write_text("")
    for command in (("set", "--do-not-dial", "--yes"), ("delete", "--yes")):
        given = ("cases", *command, "--ids-from", path, "--firm", people.name)
        error = (await asyncio.to_thread(casedial.json, *given, status=1))["error"]
        assert error["message"] == f"{path} has no CaseIDs."


def _command() -> Any:
    from typer.main import get_command

    return get_command(app)


async def test_more_ids_than_a_statement_takes(casedial: Casedial, people: Office) -> None:
    path = casedial.folder / "ids.txt"
    path.write_text("\n".join(map(str, range(3, 60_000))))
    given = ("cases", "set", "--ids-from", path, "--do-not-dial", "--firm", people.name)
    told = await asyncio.to_thread(casedial.json, *given, status=1)
    assert told["cases"] == 4
    assert len(told["unknown"]) == 59_997 - 5


@pytest.mark.parametrize("option", ["--campaign", "--status", "--disposition", "--name", "--held-by", "--phone"])
async def test_a_blank_filter_means_not_all(casedial: Casedial, people: Office, option: str) -> None:
    """As when a variable of the shell is not set."""
    for command in (("set", "--do-not-dial", "--yes"), ("delete", "--yes"), ("export",), ("list",)):
        given = ("cases", *command, option, " ", "--firm", people.name)
        said = await asyncio.to_thread(casedial.wrong, *given, *_to_a_file(command, casedial.folder))
        assert option in said
    assert len((await asyncio.to_thread(casedial.json, "cases", "list", "--firm", people.name))["cases"]) == 7


def _to_a_file(command: tuple[str, ...], folder: Path) -> tuple[object, ...]:
    return ("-o", folder / "all.csv") if command == ("export",) else ()


async def test_what_changes_meanwhile_is_not_meant_any_more(
    casedial: Casedial, people: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dialer reports on a case between the look for it and the hold on it."""
    matching, looks = finding.matching, 0

    async def then_reported(tx: Any, firm: Any, *given: Any) -> Any:
        nonlocal looks
        looks += 1
        found = await matching(tx, firm, *given)
        if looks == 1:
            busy = cases_table.update().where(cases_table.c.case_id == 3).values(disposition_id=None)
            await tx.execute(busy)
        return found

    monkeypatch.setattr(finding, "matching", then_reported)
    given = ("--disposition", "Busy", "--firm", people.name, "--yes")
    told = await asyncio.to_thread(casedial.json, "cases", "set", "--do-not-dial", *given)
    assert told["cases"] == 0


async def test_notes_history_and_calls_are_written_whole_or_not_at_all(
    casedial: Casedial, people: Office, api: Api
) -> None:
    report = {"CaseID": 1, "Disposition": "No Answer", "Status": "Do not Dial"}
    await api.post("UpdateCaseStatus", {"Cases": [report]})
    await api.post("AddCaseNote", {"CaseID": 1, "Note": "Two lines,\none note"})
    await api.post("AddCaseNote", {"CaseID": 2, "Note": "not meant"})
    await asyncio.to_thread(casedial.run, "cases", "phone", "add", 1, "4025550111", "--firm", people.name)
    names = {"notes": "n.csv", "history": "h.csv", "calls": "c.jsonl"}
    files = {what: casedial.folder / name for what, name in names.items()}
    further = [word for what, path in files.items() for word in (f"--{what}", path)]
    given = ("cases", "export", "--firm", people.name, "--group", "mva", "-o", casedial.folder / "cases.csv")
    assert (await asyncio.to_thread(casedial.json, *given, *further))["cases"] == 2
    with files["notes"].open(newline="") as lines:
        [note] = list(csv.DictReader(lines))
    assert (note["CaseID"], note["Author"], note["Note"]) == ("1", "Acme Dialer", "Two lines,\none note")
    with files["history"].open(newline="") as lines:
        rows = [(row["CaseID"], row["Type"], row["Status"]) for row in csv.DictReader(lines)]
    assert rows == [
        ("1", "Dialer Status", "Do not Dial"),
        ("1", "Last Dialer Disposition", "No Answer"),
        ("1", "Phone", "4025550111"),
    ]
    [call] = [json.loads(line) for line in files["calls"].read_text().splitlines()]
    assert (call["CaseID"], call["Phone"], call["Conversation"]) == (1, "4025550100", False)

    before = {path: path.read_text() for path in casedial.folder.iterdir() if path.suffix in (".csv", ".jsonl")}
    bad = [*further[:-1], casedial.folder / "no folder" / "c.csv"]
    await asyncio.to_thread(casedial.run, *given[:4], "-o", casedial.folder / "cases.csv", *bad, status=1)
    for other in (("--notes", casedial.folder / "cases.csv"), ("--notes", "-")):
        await asyncio.to_thread(casedial.run, *given[:4], "-o", casedial.folder / "cases.csv", *other, status=2)
    after = {path: path.read_text() for path in casedial.folder.iterdir() if path.suffix in (".csv", ".jsonl")}
    assert after == before


async def test_the_list_of_numbers_can_be_read(casedial: Casedial, people: Office, store: Store) -> None:
    run = casedial.json
    found = await asyncio.to_thread(run, "dnc", "list", "--firm", people.name)
    assert [(one["number"], one["case_id"]) for one in found["entries"]] == [("4025550003", None), (None, 7)]
    first = await asyncio.to_thread(run, "dnc", "list", "--firm", people.name, "--limit", 1)
    rest = await asyncio.to_thread(run, "dnc", "list", "--firm", people.name, "--after", first["after"])
    assert [*first["entries"], *rest["entries"]] == found["entries"]
    one = await asyncio.to_thread(run, "dnc", "list", "+1 (402) 555-0003", "--case", 6, "--firm", people.name)
    assert [entry["number"] for entry in one["entries"]] == ["4025550003"]
    shown = await asyncio.to_thread(run, "cases", "show", 3, "--firm", people.name)
    assert shown["do_not_call"] is None
    assert shown["phones"][0]["do_not_call"]["source"] == ""
    assert (await asyncio.to_thread(run, "cases", "show", 7, "--firm", people.name))["do_not_call"]
    async with store.read() as tx:
        assert (await tx.execute(sa.text("SELECT count(*) FROM do_not_call"))).scalar_one() == 2
