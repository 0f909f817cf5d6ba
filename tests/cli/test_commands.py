"""The command line: every command, its messages, its JSON, its exit status."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from casedial.cli import app
from casedial.domain.cases import Note
from casedial.domain.firms import Caller
from casedial.domain.statuses import Role
from casedial.storage import claims, notes
from casedial.storage.claimants import Claimant
from casedial.storage.queues import DueFilter
from tests.commands import whole
from tests.conftest import NOW, Office, vendor
from tests.servers import CASEDIAL


class Casedial:
    """Runs commands against one database; in this process, for a process of its own costs a second each."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.environment = {"CASEDIAL_DATABASE_URL": database_url, "COLUMNS": "200"}
        self.folder = folder

    def run(self, *arguments: object, status: int = 0) -> Any:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments], env=self.environment)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: object, status: int = 0) -> Any:
        """Run with --json: standard output is one JSON document and nothing else."""
        return json.loads(self.run(*arguments, "--json", status=status).stdout)

    def wrong(self, *arguments: object) -> str:
        """Run what is wrong as a command line, with --json or not; return what it says."""
        return " ".join(self.run(*arguments, status=2).stderr.replace("│", " ").split())


def test_a_firm_its_keys_and_its_statuses(casedial: Casedial) -> None:
    assert casedial.json("firm", "add", "Lex", "--time-zone", "America/Chicago")["time_zone"] == "America/Chicago"
    assert casedial.json("firm", "add", " LEX ", "--time-zone", "UTC", status=1)["error"]["code"] == "FirmExists"
    assert casedial.json("firm", "add", "X", "--time-zone", "Mars", status=1)["error"]["code"] == "InvalidSetting"
    assert casedial.json("firm", "set", "lex", "--default-records", "7")["default_records"] == 7
    assert [firm["name"] for firm in casedial.json("firm", "list")] == ["Lex"]

    new = casedial.json("key", "add", "--firm", "lex", "--vendor", "Acme")
    assert re.fullmatch(r"cdk_[0-9A-Za-z]{38}", new["key"])
    spelled = "0d4852a98cbf4c8csb0cdee1b6f31e95f"  # the specification's own example
    imported = casedial.json("key", "import", "--firm", "Lex", "--vendor", "Old", "--key", spelled)
    again = casedial.json("key", "import", "--firm", "Lex", "--vendor", "Old", "--key", spelled, status=1)
    assert again["error"]["code"] == "KeyExists"
    short = casedial.json("key", "import", "--firm", "Lex", "--vendor", "Old", "--key", "short", status=1)
    assert short["error"]["code"] == "InvalidSetting"
    casedial.run("key", "revoke", imported["id"])
    assert casedial.json("key", "revoke", 999, status=1)["error"]["code"] == "KeyNotFound"
    listed = casedial.run("key", "list", "--json").stdout
    assert new["key"] not in listed
    assert spelled not in listed
    assert [bool(key["revoked_at"]) for key in json.loads(listed)] == [False, True]

    dialer = ("--firm", "Lex", "--type", "Dialer Status")
    names = [status["name"] for status in casedial.json("status", "list", *dialer)]
    assert names == ["To Dial", "In the Dialer", "Do not Dial"]
    renamed = casedial.json("status", "rename", "to dial", "Ready", *dialer)
    assert renamed[0].items() >= {"name": "Ready", "role": "to_dial", "retired": False}.items()
    assert casedial.json("status", "retire", "Ready", *dialer, status=1)["error"]["code"] == "StatusHasRole"
    casedial.run("status", "add", "Paused", *dialer)
    assert casedial.json("status", "add", " paused", *dialer, status=1)["error"]["code"] == "StatusExists"
    assert casedial.json("status", "rename", "Paused", "ready", *dialer, status=1)["error"]["code"] == "StatusExists"
    reordered = casedial.json("status", "reorder", "Paused", "Do not Dial", *dialer)
    assert [status["name"] for status in reordered] == ["Paused", "Do not Dial", "Ready", "In the Dialer"]
    assert casedial.json("status", "retire", "Paused", *dialer)[0]["retired"] is True
    assert casedial.json("status", "restore", "Paused", *dialer)[0]["retired"] is False
    assert casedial.json("status", "retire", "No", *dialer, status=1)["error"]["code"] == "StatusNotFound"
    nobodys = casedial.json("status", "list", "--firm", "Nobody", "--type", "Dialer Status", status=1)
    assert nobodys["error"]["code"] == "FirmNotFound"


def test_a_new_firm_has_the_typical_statuses(casedial: Casedial) -> None:
    casedial.run("firm", "add", "Lex", "--time-zone", "UTC")
    lists = {
        kind: [s["name"] for s in casedial.json("status", "list", "--firm", "Lex", "--type", kind)]
        for kind in ("Dialer Status", "Last Dialer Disposition", "Campaign Status", "Attempts Status")
    }
    assert lists == {
        "Dialer Status": ["To Dial", "In the Dialer", "Do not Dial"],
        "Last Dialer Disposition": ["Never Dialed", "Busy", "No Answer", "Answering Machine", "Successful"],
        "Campaign Status": [],
        "Attempts Status": [str(count) for count in range(21)],
    }


MESSY = (
    b"\xef\xbb\xbfPlaintiff,caseid,Phone 1,Campaign,DialerStatus,Attempts,Extra\r\n"
    b'"Lee, Ann\r\nEsq.",1,(402) 555-0123,intake follow-up,TO DIAL,1,x\r\n'
    b"Bob,two,,,,,\r\n"
    b"\r\n"
    b"Cy,3,n/a,,,,\r\n"
    b"Di,4\r\n"
    b"\xe9mile,5,,,,,\r\n"
    b"Eve,6,,,,21,\r\n"
    b"Flo,7,4025550199,,,,\r\n"
)


async def test_import_of_a_messy_file(casedial: Casedial, office: Office) -> None:
    file = casedial.folder / "messy.csv"
    file.write_bytes(MESSY)
    done = await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", office.name, status=1)
    assert "3 added, 0 updated, 0 unchanged, 4 rejected." in done.stderr
    assert "Extra" in done.stderr
    assert "line 6: Phone1" in done.stderr  # doubtful, and kept
    with (casedial.folder / "messy.csv.rejects.csv").open(encoding="utf-8", errors="surrogateescape") as stream:
        rejects = list(csv.DictReader(stream))
    assert [(row["RejectLine"], row["RejectColumn"], row["RejectReason"]) for row in rejects] == [
        ("4", "CaseID", "must be a whole number"),
        ("7", "", "has 2 cells where the header has 7 columns"),
        ("8", "Plaintiff", "is not UTF-8; save the file as UTF-8"),
        ("9", "Attempts", "'21' is not one of the firm's Attempts Status names"),
    ]
    assert (await office.case(1)).plaintiff == "Lee, Ann\r\nEsq."
    assert (await office.case(7)).phones[0].number == "4025550199"

    # The file of rejects, mended, is itself a file to import.
    mended = casedial.folder / "mended.csv"
    mended.write_text((casedial.folder / "messy.csv.rejects.csv").read_text(errors="replace").replace("two", "2"))
    report = await asyncio.to_thread(casedial.json, "cases", "import", mended, "--firm", office.name, status=1)
    assert (report["added"], report["rejected"], report["unknown_columns"]) == (2, 2, ["Extra"])

    # Once all is well, the file of rejects of an earlier run is gone.
    file.write_text("CaseID\n1\n")
    await asyncio.to_thread(casedial.run, "cases", "import", file, "--firm", office.name)
    assert not (casedial.folder / "messy.csv.rejects.csv").exists()


async def test_an_unclosed_quote_is_said_and_swallows_nothing_silently(casedial: Casedial, office: Office) -> None:
    file = casedial.folder / "x.csv"
    file.write_text('CaseID,Plaintiff\n6,a\n7,"open\n8,b\n9,c\n')
    report = await asyncio.to_thread(casedial.json, "cases", "import", file, "--firm", office.name, status=1)
    assert (report["added"], report["rejected"]) == (1, 1)
    assert report["rejects"][0]["line"] == 3
    assert "never closed" in report["rejects"][0]["reason"]


@pytest.mark.parametrize("name", ["x", "021", "20+", "-1", "1.0"])
async def test_an_attempts_status_is_a_count(casedial: Casedial, office: Office, name: str) -> None:
    attempts = ("--firm", office.name, "--type", "Attempts Status")
    for change in (("add", "--", name), ("rename", "--", "1", name)):
        done = await asyncio.to_thread(casedial.run, "status", change[0], *attempts, "--json", *change[1:], status=1)
        assert json.loads(done.stdout)["error"]["code"] == "InvalidSetting"


@pytest.mark.parametrize("header", ["", "Name,Phone1", "CaseID,Phone1,phone_1", "CaseID;Phone1;phone_1"])
async def test_a_header_that_cannot_be_used(casedial: Casedial, office: Office, header: str) -> None:
    file = casedial.folder / "x.csv"
    file.write_text(header + "\n1,2\n")
    report = await asyncio.to_thread(casedial.json, "cases", "import", file, "--firm", office.name, status=1)
    assert report["error"]["code"] == "MalformedDocument"


@pytest.mark.parametrize("name", ["cases.csv", "cases.jsonl"])
async def test_export_and_import_are_a_round_trip(casedial: Casedial, office: Office, name: str) -> None:
    await office.add(1, plaintiff="Zoë", attempts="2", disposition="Busy", closed=True)
    await office.add(2, dialer="In the Dialer")
    before = [await office.case(1), await office.case(2)]

    def there_and_back() -> dict[str, Any]:
        casedial.run("cases", "export", "--firm", office.name, "--output", casedial.folder / name)
        report: dict[str, Any] = casedial.json(
            "cases", "import", casedial.folder / name, "--firm", office.name, "--set-statuses"
        )
        return report

    report = await asyncio.to_thread(there_and_back)
    assert (report["unchanged"], report["updated"], report["in_the_dialer"]) == (2, 0, [])
    assert [await office.case(1), await office.case(2)] == before


async def test_a_full_disk_is_said(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    arguments = ("cases", "export", "--firm", office.name, "--output", "/dev/full")
    report = await asyncio.to_thread(casedial.json, *arguments, status=1)
    assert "No space left" in report["error"]["message"]


async def test_json_lines_tell_unknown_names_and_bad_lines(casedial: Casedial, office: Office) -> None:
    file = casedial.folder / "x.jsonl"
    file.write_text(
        '{"CaseID": 1, "Campagin": "x", "ZipCode": 68046, "Attempts": 2, "Phones": [{"Phone": 4025550123}]}\n'
        "nonsense\n"
        '{"CaseID": 2, "Phones": "no"}\n'
        "[]\n"
    )
    report = await asyncio.to_thread(casedial.json, "cases", "import", file, "--firm", office.name, status=1)
    assert report["unknown_columns"] == ["Campagin"]
    assert [(bad["line"], bad["column"]) for bad in report["rejects"]] == [(2, ""), (3, "Phones"), (4, "")]
    assert "body" not in report["rejects"][0]["reason"]
    case = await office.case(1)
    assert (case.zip_code, case.phones[0].number) == ("68046", "4025550123")

    # The rejects, mended, go in like those of a CSV file.
    rejects = casedial.folder / "x.jsonl.rejects.csv"
    text = rejects.read_text().replace("nonsense", '"{""CaseID"": 3}"')
    mended = casedial.folder / "mended.csv"
    mended.write_text(text)
    report = await asyncio.to_thread(casedial.json, "cases", "import", mended, "--firm", office.name, status=1)
    assert (report["added"], report["rejected"]) == (1, 2)
    assert (casedial.folder / "mended.csv.rejects.csv").read_text().count("Row") == 1


async def test_set_says_how_many_and_does_it_with_yes(casedial: Casedial, office: Office) -> None:
    for case_id in range(1, 6):
        await office.add(case_id, dialer="In the Dialer" if case_id == 5 else "To Dial", case_group="Auto")
    who = ("--firm", office.name)

    def set_(*arguments: object) -> Any:
        return casedial.json("cases", "set", *who, *arguments, status=1 if "99" in arguments else 0)

    left = {"unknown": [99], "in_the_dialer": 1, "from_the_dialer": 0, "do_not_call": 0, "unchanged": 0}  # 5 is left
    to_dial = ("1", "5", "99", "--to-dial", "--at", "2030-01-01T09:00:00")
    assert await asyncio.to_thread(set_, *to_dial) == {"cases": 1, "done": False, **left}
    assert (await office.history(1)) == []
    made = {"change": 1, "not_meant": [], "gone": []}
    assert await asyncio.to_thread(set_, *to_dial, "--yes") == {"cases": 1, "done": True, **left, **made}
    assert (await office.case(1)).dial_at == datetime(2030, 1, 1, 15, tzinfo=UTC)
    assert [(status, by.endswith("(command line)")) for _, status, by in await office.history(1)] == [("To Dial", True)]
    for filters in (("--case-group", " AUTO "), ("--campaign", "intake follow-up"), ("--all",)):
        assert (await asyncio.to_thread(set_, *filters, "--do-not-dial"))["cases"] == 5
    assert (await asyncio.to_thread(set_, "--dialer-status", "In the Dialer", "--do-not-dial"))["cases"] == 1
    moved = ("2", "3", "--into-campaign", "Notification campaign", "--yes")
    assert (await asyncio.to_thread(set_, *moved))["cases"] == 2
    assert (await asyncio.to_thread(set_, "--campaign", "Notification campaign", "--to-dial"))["cases"] == 2


async def test_set_back_from_the_dialer_returns_to_the_old_time(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    await asyncio.to_thread(
        casedial.run, "cases", "set", "1", "--firm", office.name, "--to-dial", "--at", "2025-03-04T05:06:07", "--yes"
    )
    async with office.store.write() as tx:
        caller = Caller(await office.firm(), vendor("Acme"))
        await claims.claim(tx, [Claimant(caller, DueFilter(None, None, 1))], datetime.now(UTC))
    assert await office.role(1) is Role.IN_THE_DIALER
    await asyncio.to_thread(casedial.run, "cases", "set", "--all", "--firm", office.name, "--back-from-dialer", "--yes")
    shown = await asyncio.to_thread(casedial.json, "cases", "show", "1", "--firm", office.name)
    assert (shown["dialer_status"], shown["dial_date_time"]) == ("To Dial", "2025-03-04T11:06:07.000Z")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("1",),
        ("--all",),
        ("--to-dial",),
        ("1", "--to-dial", "--do-not-dial"),
        ("1", "--do-not-dial", "--at", "2030-01-01T09:00:00"),
    ],
)
def test_set_wants_cases_and_one_change(arguments: tuple[str, ...], tmp_path: Path) -> None:
    Casedial(f"sqlite:///{tmp_path / 'x.db'}", tmp_path).run("cases", "set", "--firm", "Lex", *arguments, status=2)


async def test_show_is_all_there_is(casedial: Casedial, office: Office) -> None:
    await office.add(7, plaintiff="Ann Lee", case_status="LIT 03", zip_code="68046")
    async with office.store.write() as tx:
        await notes.add(tx, await office.firm(), [Note(7, "Call <b>later</b>", vendor(), NOW)])
    change = ("cases", "set", "7", "--firm", office.name, "--do-not-dial", "--yes")
    await asyncio.to_thread(casedial.run, *change)
    await asyncio.to_thread(casedial.run, "cases", "set", "7", "--firm", office.name, "--to-dial", "--yes")
    shown = await asyncio.to_thread(casedial.json, "cases", "show", "7", "--firm", office.name)
    [note] = shown["notes"]
    assert note == {"time": "2026-11-23T15:00:00.000Z", "author": "Acme Dialer", "note": "Call <b>later</b>"}
    first, second = shown["history"]
    assert (first["type"], first["status"], second["status"]) == ("Dialer Status", "Do not Dial", "To Dial")
    assert first["until"] == second["from"]
    assert second["until"] is None
    text = (await asyncio.to_thread(casedial.run, "cases", "show", "7", "--firm", office.name)).stdout
    for expected in ("Ann Lee", "LIT 03", "68046", "Call <b>later</b>", "Acme Dialer", "(command line)", "4025550007"):
        assert expected in text
    assert "2026-11-23T09:00:00" in text
    missing = await asyncio.to_thread(casedial.json, "cases", "show", "8", "--firm", office.name, status=1)
    assert missing["error"]["code"] == "CaseNotFound"


@pytest.mark.parametrize(
    "arguments", [("cases", "import", "no.csv", "--firm", "L"), ("key", "revoke", "9" * 20), ("firm", "add", "X")]
)
def test_wrong_usage_is_a_json_document_too(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run([CASEDIAL, *arguments, "--json"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "UsageError"
    assert "Error" in done.stderr


@pytest.mark.parametrize("url", ["postgresql://u@127.0.0.1:notaport/x", "postgresql://u@[::1/x", "mysql://x"])
def test_a_database_url_that_cannot_be_used(url: str) -> None:
    report = Casedial(url, Path()).json("firm", "list", status=1)
    assert report["error"]["code"] in ("InvalidSetting", "StorageUnavailable")


def test_every_command_has_help() -> None:
    def leaves(group: Any, path: str) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from leaves(command, f"{path} {name}")
            else:
                yield f"{path} {name}", command

    commands = dict(leaves(whole(), "casedial"))
    assert len(commands) >= 18
    for path, command in commands.items():
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{path} {parameter.name}"
