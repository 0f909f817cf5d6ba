"""What a first user of casedial meets: files as people have them, and messages that say what to do."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from casedial.cli import app
from casedial.database.hosts import advice
from casedial.service.do_not_call import ON_THE_LIST
from casedial.service.firms import MAX_CLAIM_TIMEOUT
from tests.cli.test_commands import Casedial
from tests.conftest import Api, Office
from tests.servers import CASEDIAL
from tests.waiting import PATIENCE

FIRM = ("--firm", "Lex & Partners")
CAMPAIGN = ("Intake follow-up", *FIRM)


async def run(command: Callable[..., Any], *given: object, **how: Any) -> Any:
    return await asyncio.to_thread(command, *given, *FIRM, **how)


# The do-not-call list.


async def test_what_is_not_on_the_list_is_named(casedial: Casedial, office: Office) -> None:
    await office.add(7)
    await run(casedial.run, "dnc", "add", "4025550101")
    given = ("dnc", "remove", "(402) 555-0101", "402 555 0102", "--case", 7)
    done = await run(casedial.run, *given, status=1)
    assert done.stdout.startswith("1 removed.")
    assert done.stderr == "Not on the list: 4025550102, case 7.\n"
    again = await run(casedial.json, *given, status=1)
    assert again["removed"] == 0
    assert again["not_listed"] == {"numbers": ["4025550101", "4025550102"], "case_ids": [7]}


async def test_removing_tells_who_set_it_do_not_dial(casedial: Casedial, api: Api, office: Office) -> None:
    await office.add(1)
    await office.add(2)
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial"})
    await run(casedial.run, "dnc", "add", "--case", 1, "--case", 2)
    await run(casedial.run, "cases", "set", 2, "--to-dial", "--yes")
    told = await run(casedial.json, "dnc", "remove", "--case", 1, "--case", 2)
    first, second = told["do_not_dial"]
    assert (first["case_id"], first["by"], first["reason"]) == (1, "Acme Dialer", None)
    assert (second["case_id"], second["by"], second["reason"]) == (2, "casedial", ON_THE_LIST.text)
    assert first["since"].endswith("Z")
    assert told["set_back"].startswith("casedial cases set 1 2 --to-dial")


async def test_a_move_into_a_campaign_says_what_it_set_do_not_dial(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    await office.add(2)
    await run(casedial.run, "dnc", "add", "--case", 1)
    given = ("cases", "set", 1, 2, "--into-campaign", "Notification campaign")
    counted = await run(casedial.json, *given)
    assert (counted["cases"], counted["do_not_call"]) == (2, 1)
    said = (await run(casedial.run, *given, "--yes")).stdout
    assert "Changed 2 cases." in said
    assert "Of these, on the do-not-call list and so also set Do not Dial: 1 case." in said
    again = await run(casedial.json, "cases", "set", 1, "--into-campaign", "Intake follow-up")
    assert (again["cases"], again["do_not_call"]) == (1, 0)  # it was Do not Dial before


# Files of CaseIDs.

FILES = {
    "lines": b"1\r\n3\r\n",
    "several in a line": b"1, 3\n",
    "a header": b"CaseID\n1 3\n",
    "a byte order mark": b"\xef\xbb\xbf1\n3\n",
    "UTF-16": "CaseID\n1\n3\n".encode("utf-16"),
    "UTF-16 without a header": "1\n3\n".encode("utf-16"),
    "another spelling": b"Case ID\n1\n3\n",
    "more columns": b'Plaintiff,CaseID,Phone\n"Lee, Ann",1,4025550100\nBob,3,\n',
    "a title": b"Cases of May\n\nPlaintiff;Case ID\nAnn;1\nBob;3\n",
}


@pytest.mark.parametrize("name", FILES)
async def test_a_file_of_case_ids(casedial: Casedial, office: Office, tmp_path: Path, name: str) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    file = tmp_path / "ids.txt"
    file.write_bytes(FILES[name])
    listed = await run(casedial.json, "cases", "list", "--ids-from", file)
    assert [case["case_id"] for case in listed["cases"]] == [1, 3]


NO_FILES = {
    "empty": (b"", "{file} has no CaseIDs."),
    "blank": (b" \n\n", "{file} has no CaseIDs."),
    "only a header": (b"CaseID\n", "{file} has no CaseIDs."),
    "a workbook": (b"PK\x03\x04rest", "{file}: The file is an Excel workbook"),
    "a word": (b"1\nx\n", "{file}, line 2: 'x' is not a CaseID"),
    "a cell": (b"CaseID,Name\n1,Ann\nx,Bob\n", "{file}, line 3: 'x' is not a CaseID"),
    "a missing cell": (b"Name,CaseID\nAnn,1\nBob,\n", "{file}, line 3: CaseID is missing."),
    "no such column": (b"Name,Case Number\nAnn,1\n", "no column CaseID in the first 20 lines. Line 1 has 'Name'"),
}


@pytest.mark.parametrize("name", NO_FILES)
def test_a_file_without_case_ids(casedial: Casedial, office: Office, tmp_path: Path, name: str) -> None:
    content, said = NO_FILES[name]
    file = tmp_path / "ids.txt"
    file.write_bytes(content)
    error = casedial.json("cases", "list", "--ids-from", file, *FIRM, status=1)["error"]
    assert said.replace("{file}", str(file)) in error["message"]


def test_standard_input_has_a_name(casedial: Casedial, office: Office) -> None:
    given = ["cases", "list", "--ids-from", "-", *FIRM]
    done = CliRunner().invoke(app, given, env=casedial.environment, input="1\nx\n")
    assert "standard input, line 2: 'x' is not a CaseID" in done.stderr


def test_of_many_unknown_cases_some_are_shown(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("\n".join(map(str, range(1, 1022))))
    said = casedial.run("cases", "list", "--ids-from", file, *FIRM, status=1).stderr
    assert said.startswith("The firm does not have 1,021 of these cases: 1, 2, ")
    assert said.endswith("20 and 1,001 more.\n")


def test_the_hint_is_about_the_header(casedial: Casedial, office: Office, tmp_path: Path) -> None:
    file = tmp_path / "cases.csv"
    file.write_text("Case list of May\nCase Number,Plaintiff,Phone1\n1,Ann Lee,4025550100\n")
    error = casedial.json("cases", "import", file, *FIRM, status=1)["error"]
    assert "Line 2 has 'Case Number', 'Plaintiff', 'Phone1'" in error["message"]
    assert '--map "Case Number=CaseID"' in error["message"]


# The command line itself.

WRONG: dict[str, tuple[tuple[object, ...], str]] = {
    "a day": (("report", "--since", "7d", *FIRM), "'7d' is not a day: write it as 2026-05-06 or 5/6/2026"),
    "a day with a time": (("report", "--since", "2026-05-06T09:00", *FIRM), "leave the time out"),
    "a day first": (("cases", "set", 1, "--to-dial", "--at", "28/7/2027", *FIRM), "write 2027-07-28"),
    "no time": (("cases", "set", 1, "--to-dial", "--at", "soon", *FIRM), "--at: 'soon' must be a time"),
    "an end": (("key", "add", *FIRM, "--vendor", "X", "--expires", "soon"), "--expires: 'soon' must be a time"),
    "a ban": (("rules", "ban", "la", "--until", "soon", "--reason", "x"), "'soon' is not a day"),
    "a state": (("rules", "override", "XX", "--purpose", "debt", "--reason", "x", "--rest", "7d"), "XX"),
    "a limit": (("campaign", "limit", *CAMPAIGN, "--calls", "3/24"), "'3/24' is not a limit: write"),
    "a span": (("campaign", "set", *CAMPAIGN, "--claim-timeout", "1.5h"), "'1.5h' is not a span: write a number with"),
    "a long span": (("campaign", "set", *CAMPAIGN, "--claim-timeout", "400d"), "0 (never) to 365d"),
    "a gap": (("firm", "set", "Lex & Partners", "--min-gap", "400d"), "A minimum gap is 0 (none) to "),
    "an age": (("purge", "--older-than", "1h"), "'1h' is not 1 to 36500 days"),
    "days": (("firm", "set", "Lex & Partners", "--retention-days", "36h"), "'36h' is not whole days"),
    "hours": (("campaign", "set", *CAMPAIGN, "--hours", "9-17"), "'9-17' is not a list of hours"),
    "options that do not go together": (("campaign", "set", *CAMPAIGN, "--wider"), "--wider and --reason go with"),
    "nothing to set": (("campaign", "set", *CAMPAIGN), "say what to set"),
    "no limit": (("campaign", "limit", *CAMPAIGN), "give --calls"),
    "no retry": (("campaign", "retry", *CAMPAIGN, "--disposition", "Busy"), "give --after"),
    "no number": (("dnc", "add", *FIRM), "give numbers"),
    "a bad number": (("dnc", "add", "555", *FIRM), "ten digits"),
    "a blank filter": (("cases", "list", "--campaign", " ", *FIRM), "--campaign is blank"),
    "a blank campaign": (("cases", "set", "--all", "--into-campaign", "", *FIRM), "--into-campaign is blank"),
    "a phone": (("cases", "list", "--phone", "x", *FIRM), "--phone"),
    "a meaning": (("cases", "import", __file__, "--map", "x", *FIRM), "--map 'x'"),
    "an export of JSON": (("cases", "export", "--json", *FIRM), "name it with --output"),
    "a list of JSON": (("dnc", "export", "--json", *FIRM), "name it with --output"),
    "the same file twice": (("cases", "export", "-o", "x", "--notes", "x", *FIRM), "the same name"),
    "a type": (("status", "list", "--type", "colour", *FIRM), "'colour' is not one of"),
    "no whole number": (("cases", "list", "--limit", "abc", *FIRM), "'abc' is not a valid whole number"),
    "a CaseID": (("cases", "show", "abc", *FIRM), "'abc' is not a valid whole number"),
    "too low": (("cases", "list", "--limit", 0, *FIRM), "0 is not in the range 1 to 1000000."),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_with_the_command_line_itself(casedial: Casedial, office: Office, name: str) -> None:
    await office.add(1)
    command, said = WRONG[name]
    words = await asyncio.to_thread(casedial.wrong, *command)
    assert said in words
    assert "every row" not in words


def test_limits_are_spans() -> None:
    assert timedelta(seconds=MAX_CLAIM_TIMEOUT) == timedelta(days=365)


@pytest.mark.parametrize(
    "url", ["postgresql://u:top@hush#er@db/x", "postgresql://hush#er@db/x", "postgresql://u:a@hush/er@db"]
)
def test_no_part_of_a_password_is_shown(url: str) -> None:
    assert "%40" in advice(url)
    assert "hush" not in advice(url)


# One spelling in --json.


def test_preflight_and_rules_are_spelled_as_all_else(casedial: Casedial, office: Office) -> None:
    held = casedial.json("preflight", *FIRM)["held_back"]
    assert held.keys() == {"paused", "no_phone", "abroad", "do_not_call", "in_use", "how_often", "hours"}
    rows = {(row["state"], *row["purposes"]): row for row in casedial.json("rules", "list")["rows"]}
    week = 7 * 86400
    assert rows["federal", "debt"]["limits"] == [
        {"calls": 7, "seconds": week, "conversations": False, "per": "debt"},
        {"calls": 1, "seconds": week, "conversations": True, "per": None},
    ]


# A case that is held.


async def test_a_held_case_was_claimed(casedial: Casedial, api: Api, office: Office) -> None:
    await office.add(1)
    await api.post("GetCasesToDial", {"Auto-change": True})
    checks = (await run(casedial.json, "explain", 1))["checks"]
    [due] = [check["found"] for check in checks if check["name"] == "due"]
    assert due.startswith("claimed at ")


async def test_one_dialer_loses_its_claim_and_two_lose_theirs(casedial: Casedial, api: Api, office: Office) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    await api.post("GetCasesToDial", {"Auto-change": True})
    one = (await run(casedial.run, "cases", "set", 1, "--do-not-dial")).stdout
    assert "Of these, 1 is In the Dialer: the dialer that has it would lose its claim." in one
    two = (await run(casedial.run, "cases", "set", 1, 2, "--do-not-dial", "--yes")).stdout
    assert "Of these, 2 were In the Dialer: the dialers that had them lost their claims." in two


# A pipe that is closed, help.


async def test_head_is_no_failure(casedial: Casedial, office: Office) -> None:
    for case_id in range(1, 4):
        await office.add(case_id, plaintiff="x" * 200)
    for command in (("list",), ("export",), ("list", "--json")):
        with subprocess.Popen(
            [CASEDIAL, "cases", *command, *FIRM],
            env=casedial.environment | {"PATH": "/usr/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout
            assert process.stderr
            process.stdout.close()
            said = await asyncio.to_thread(process.stderr.read)
            assert (await asyncio.to_thread(process.wait, 2 * PATIENCE), said) == (0, b""), command


def test_help_names_what_is_given(casedial: Casedial) -> None:
    show = casedial.run("cases", "show", "--help").stdout
    assert "cases show [OPTIONS] CASEID" in show
    wide = casedial.run("cases", "set", "--help").stdout + casedial.run("status", "reorder", "--help").stdout
    assert "NAME..." in wide
    assert "1 to 9" in wide
    for odd in ("<int", "<str>", "{", "<=", "whole number>"):
        assert odd not in show + wide, odd


def test_json_errors_are_documents(database_url: str, office: Office) -> None:
    done = subprocess.run(
        [CASEDIAL, "cases", "list", "--campaign", "", *FIRM, "--json"],
        env={"CASEDIAL_DATABASE_URL": database_url, "PATH": "/usr/bin"},
        capture_output=True,
        timeout=2 * PATIENCE,
    )
    assert done.returncode == 2
    assert "--campaign is blank" in json.loads(done.stdout)["error"]["message"]


# Sentences, and times on the screen.


async def test_what_is_said_reads_as_english(casedial: Casedial, api: Api, office: Office) -> None:
    await office.add(1)
    said = (await asyncio.to_thread(casedial.run, "firm", "set", office.name, "--claim-timeout", 0)).stdout
    assert ", claims never run out, " in said
    said = (await asyncio.to_thread(casedial.run, "firm", "set", office.name, "--retention-days", "12w")).stdout
    assert "old data is kept for 84d" in said
    said = (await asyncio.to_thread(casedial.run, "firm", "delete", office.name)).stdout
    assert "and everything else the firm has. Nothing was changed" in said
    await api.post("GetCasesToDial", {"Auto-change": True})
    assert "never runs out" in (await run(casedial.run, "cases", "show", 1)).stdout
    await run(casedial.run, "dnc", "add", "--case", 1, "--source", "letter")
    assert "the case has been on the do-not-call list since 20" in (await run(casedial.run, "explain", 1)).stdout


def test_times_of_no_one_firm_are_told_with_their_zone(casedial: Casedial, office: Office) -> None:
    casedial.run("firm", "set", office.name, "--retention-days", 30)
    assert re.search(r" \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", casedial.run("purge").stdout)
    banned = casedial.run("rules", "ban", "la", "--until", "2078-12-01", "--reason", "emergency").stdout
    assert banned.endswith("no calls to LA until 2078-12-02T06:00:00Z.\n")
    assert " 2078-12-02T06:00:00Z " in casedial.run("rules", "list").stdout
