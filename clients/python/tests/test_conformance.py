"""The suite itself: a right server holds every check, and each wrong one fails that of its sentence and no other."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import httpx
import pytest
from clients.python.tests import published
from clients.python.tests.plain import CAMPAIGN, GROUP, KEY, ZONE, Held, Plain, Refused, Silent, cases
from clients.python.tests.wrong import IgnoresTheDueTime, Wrong, every
from tests.postgres import free_port
from tests.waiting import PATIENCE

from casedial_client.conformance import CHECKS, SENTENCES, BadOptions, Options, Report, Verdict, conform
from casedial_client.conformance.judging import BEYOND
from casedial_client.conformance.options import read_options
from casedial_client.conformance.reading import is_one_moment
from casedial_client.conformance.trial import Unusable

CASES = "101-112"
NAMED = {"campaign": CAMPAIGN, "cases": CASES, "closed": "108-110", "case_group": GROUP, "disposition": "Never Dialed"}


def tried(server: Plain, folder: Path, **options: Any) -> Report:
    given = {"write": True, "time_zone": ZONE.key, "timeout": int(PATIENCE), **NAMED} | options
    key = folder / "key"
    key.write_text(KEY)
    where = {"url": server.base, "key_from": str(key), "put_back": str(folder / "put-back.json")}
    return conform(read_options(Options(**where, **given)))


def verdicts(report: Report, verdict: Verdict) -> set[str]:
    return {outcome.check.name for outcome in report.outcomes if outcome.verdict is verdict}


def as_before(server: Plain) -> bool:
    return [_standing(case) for case in server.cases.values()] == [_standing(case) for case in cases()]


def _standing(case: Held) -> tuple[Any, ...]:
    return case.case_id, case.status, case.at, case.attempts, case.disposition


def of_the_text(names: Iterable[str]) -> set[str]:
    return {name for name in names if CHECKS[name].section != BEYOND}


def test_a_server_that_knows_only_the_published_text_holds_every_check(tmp_path: Path) -> None:
    with Plain() as server:
        report = tried(server, tmp_path)
    assert [(o.check.name, o.why) for o in report.outcomes if o.verdict is not Verdict.HOLDS] == []
    assert {outcome.check.name for outcome in report.outcomes} == of_the_text(CHECKS)
    assert (report.is_good, report.is_casedial, report.lost) == (True, False, [])
    assert as_before(server)
    assert not (tmp_path / "put-back.json").exists()


def test_where_replies_say_nothing_of_notes_nobody_can_tell(tmp_path: Path) -> None:
    with Silent() as server:
        report = tried(server, tmp_path)
    assert verdicts(report, Verdict.FAILS) == set()
    assert verdicts(report, Verdict.NOT_TRIED) == {
        "note-by-phone-goes-to-all-open-cases",
        "note-by-phone-spares-closed-cases",
        "note-by-phone-goes-to-all-closed-cases",
    }
    assert as_before(server)


@pytest.mark.parametrize("wrong", every(), ids=lambda wrong: wrong.__name__)
def test_a_wrong_server_fails_exactly_the_right_check(wrong: type[Wrong], tmp_path: Path) -> None:
    with wrong() as server:
        report = tried(server, tmp_path)
    failed = [outcome for outcome in report.outcomes if outcome.verdict is Verdict.FAILS]
    assert [outcome.check.name for outcome in failed] == [wrong.fails], [(o.check.name, o.why) for o in failed]
    assert failed[0].exchange
    assert failed[0].why


def test_every_check_has_a_wrong_server() -> None:
    assert {wrong.fails for wrong in every()} == of_the_text(CHECKS)


def test_the_list_of_sentences_is_whole() -> None:
    assert [sentence.section for sentence in SENTENCES] == published.kept()
    for sentence in SENTENCES:
        assert bool(sentence.checks) != bool(sentence.untried), sentence
        assert set(sentence.checks) <= CHECKS.keys(), sentence
    assert {name for sentence in SENTENCES for name in sentence.checks} == of_the_text(CHECKS)


def test_a_text_is_split_into_its_sentences() -> None:
    lines = ["Header", "One. Two:", "This", "That", "GetCaseInfo", "Parameters", "CaseID- a case id."]
    text = "\n".join([*lines, "[", "{", '"CaseID": 7', "}", "]", "Note - text"])
    assert list(published.sentences(text)) == [
        ("Header", "One."),
        ("Header", "Two: This That"),
        ("GetCaseInfo", "CaseID- a case id."),
        ("GetCaseInfo", '[{"CaseID": 7}]'),
        ("GetCaseInfo", "Note - text"),
    ]


@pytest.mark.parametrize(
    ("local", "is_one"),
    [
        ((2026, 11, 1, 0, 59), True),
        ((2026, 11, 1, 1, 0), False),  # shown twice
        ((2026, 11, 1, 2, 0), True),
        ((2027, 3, 14, 2, 30), False),  # left out
        ((2027, 3, 14, 3, 0), True),
    ],
)
def test_a_time_at_which_clocks_change_is_not_one_moment(local: tuple[int, ...], is_one: bool) -> None:
    at = datetime(*local)  # type: ignore[arg-type]
    assert is_one_moment(at, ZoneInfo("America/Chicago")) is is_one
    assert is_one_moment(at, ZONE)


def test_needs_are_tried_before() -> None:
    seen: set[str] = set()
    for name, one in CHECKS.items():
        assert seen.issuperset(one.needs), name
        seen.add(name)


def test_without_write_nothing_is_changed_and_what_is_there_is_looked_at(tmp_path: Path) -> None:
    alone = dict.fromkeys(NAMED) | {"write": False}
    with Plain() as server:
        report = tried(server, tmp_path, **alone)
        assert verdicts(report, Verdict.FAILS) == set()
        assert {"only-to-dial", "future-is-not-returned", "attempts-are-text"} <= verdicts(report, Verdict.HOLDS)
        assert server.wrote == []
        server.cases[7].at += timedelta(days=36500)
        report = tried(server, tmp_path, **alone)
    assert "no case is due" in next(o.why for o in report.outcomes if o.check.name == "only-to-dial")
    with IgnoresTheDueTime() as server:
        server.cases[7].at += timedelta(days=3650)
        assert verdicts(tried(server, tmp_path, **alone), Verdict.FAILS) == {"future-is-not-returned"}


def test_paths_verbs_and_names_are_options(tmp_path: Path) -> None:
    class Renamed(Plain):
        def reply(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
            assert "UpdateCaseStatus" not in request.path
            request.path = request.path.replace("/cases/update", "/api/UpdateCaseStatus")
            if "GetCaseInfo" in request.path:
                assert request.command == "POST"
            status, document = super().reply(request, body.replace(b"Ready", b"To Dial"))
            return status, json.loads(json.dumps(document).replace("To Dial", "Ready"))

    options = {"path": ["UpdateCaseStatus=/cases/update"], "verb": ["GetCaseInfo=post"], "status": ["to dial=Ready"]}
    with Renamed() as server:
        report = tried(server, tmp_path, **options)
    assert verdicts(report, Verdict.HOLDS) == of_the_text(CHECKS)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"status": "In the Dialer"}, "case 102 is In the Dialer: it has to be To Dial or Do not Dial"),
        ({"campaign": "Intake"}, "case 102 is in the campaign 'Intake'"),
        ({"attempts": ""}, "case 102 has no Attempts, which no call can give back"),
        ({"case_id": None}, "GetCaseInfo does not show case 112: 404"),
    ],
)
def test_a_case_that_could_not_be_put_back_is_refused(spoil: dict[str, Any], words: str, tmp_path: Path) -> None:
    with Plain() as server:
        if "case_id" in spoil:
            del server.cases[112]
        else:
            vars(server.cases[102]).update(spoil)
        with pytest.raises(Unusable, match=re.escape(words)):
            tried(server, tmp_path)
        assert server.wrote == []


def test_a_claim_takes_no_case_that_was_not_named(tmp_path: Path) -> None:
    with Plain() as server:
        server.cases[7].campaign = CAMPAIGN
        report = tried(server, tmp_path)
        assert server.cases[7].status == "To Dial"
    assert verdicts(report, Verdict.FAILS) == set()
    why = next(outcome.why for outcome in report.outcomes if outcome.check.name == "auto-change-claims")
    assert why == "a claim would also take cases that were not named, such as 7"


def test_what_a_killed_run_left_is_said_and_puts_everything_back(tmp_path: Path) -> None:
    class Kills(Plain):
        def claim(self, found: Sequence[Held], asked: dict[str, Any]) -> None:
            super().claim(found, asked)
            os.kill(run.pid, signal.SIGKILL)

    with Kills() as server:
        run = started(server, tmp_path)
        run.communicate(timeout=PATIENCE)
        assert not as_before(server)
        again = started(server, tmp_path)
        _, said = again.communicate(timeout=PATIENCE)
        assert (again.returncode, "put-back.json is there" in said) == (1, True)
        left = json.loads((tmp_path / "put-back.json").read_text())
        httpx.post(f"{server.base}/UpdateCaseStatus", json=left, headers={"X-ApiKey": KEY})
        assert as_before(server)


def test_a_run_that_is_ended_puts_everything_back(tmp_path: Path) -> None:
    class Ends(Plain):
        def claim(self, found: Sequence[Held], asked: dict[str, Any]) -> None:
            super().claim(found, asked)
            os.kill(run.pid, signal.SIGTERM)

    with Ends() as server:
        run = started(server, tmp_path)
        run.communicate(timeout=PATIENCE)
        assert run.returncode != 0
        assert as_before(server)
    assert not (tmp_path / "put-back.json").exists()


def test_what_could_not_be_put_back_is_said(tmp_path: Path) -> None:
    class Stuck(Plain):
        def apply(self, case: Held, item: dict[str, Any]) -> None:
            if {"Status", "NextCall", "Attempts"} <= item.keys() and item["NextCall"] == "2026-05-06T09:00:00":
                raise Refused(500)
            super().apply(case, item)

    with Stuck() as server:
        run = started(server, tmp_path)
        said, told = run.communicate(timeout=PATIENCE)
    assert run.returncode == 1
    assert "Not put back: case 101: " in said
    assert "put-back.json as the body of UpdateCaseStatus" in told
    assert (tmp_path / "put-back.json").exists()


def started(server: Plain, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a run as a vendor does that has the client alone."""
    named = [f"--{name.replace('_', '-')}={value}" for name, value in NAMED.items()]
    command = [sys.executable, "-m", "casedial_client.conformance", "--write", f"--time-zone={ZONE.key}", *named]
    where = {"CASEDIAL_URL": server.base, "CASEDIAL_KEY": KEY}
    return subprocess.Popen(
        [*command, f"--put-back={folder / 'put-back.json'}", *arguments],
        env=os.environ | where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_failure_is_told_to_people_ci_and_programs(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    with IgnoresTheDueTime() as server:
        run = started(server, tmp_path, "--junit", str(junit))
        table, errors = run.communicate(timeout=PATIENCE)
        assert (run.returncode, errors) == (1, "")
        in_json = started(server, tmp_path, "--json")
        document = json.loads(in_json.communicate(timeout=PATIENCE)[0])
    failure = table.partition("FAILS: future-is-not-returned\n")[2].splitlines()
    assert [line.split(":")[0].strip() for line in failure[:4]] == ["says", "sent", "came", "expected"]
    assert "GET http://127.0.0.1" in failure[1]
    assert '200 [{"CaseID": 101, "Phones": [{"PhoneName": "Cell", "Phone": "••••••••01"' in failure[2]
    assert failure[3].endswith("no case 101, which is due in two days")
    assert KEY not in table
    assert re.search(r"\d+ holds, 1 fails, \d+ not tried, in [\d.]+ s\.", table)

    root = ElementTree.parse(junit).getroot()
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert cases.keys() == of_the_text(CHECKS)
    assert [name for name, case in cases.items() if case.find("failure") is not None] == ["future-is-not-returned"]
    skipped = cases["due-by-the-firms-clock"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "it builds on future-is-not-returned, which fails"
    assert {suite.attrib["name"] for suite in root} >= {"Header", "GetCasesToDial", "Return values"}

    [failed] = [one for one in document["checks"] if one["verdict"] == "fails"]
    assert (document["good"], failed["name"], failed["sent"][:3]) == (False, "future-is-not-returned", "GET")
    assert len(document["untried"]) == len([sentence for sentence in SENTENCES if sentence.untried])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"url": "127.0.0.1"}, "is not an address"),
        ({"key_from": "/nowhere"}, "cannot be read"),
        ({"write": True}, "--write needs --campaign and --cases"),
        ({"cases": "1-3"}, "add --write"),
        ({"write": True, "campaign": "x", "cases": "3-1"}, "is not a CaseID or a range"),
        ({"write": True, "campaign": "x", "cases": "1-3", "closed": "4"}, "--closed names 4"),
        ({"status": ["Busy"]}, "is not NAME="),
        ({"verb": ["Delete=GET"]}, "one of GetCasesToDial"),
        ({"time_zone": "Chicago"}, "is not a name such as America/Chicago"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEY)
    given = {"url": "http://127.0.0.1:1/api", "key_from": str(key)} | options
    with pytest.raises(BadOptions, match=re.escape(words)):
        read_options(Options(**given))


def test_a_server_that_is_away_is_no_verdict(tmp_path: Path) -> None:
    with Plain() as server:
        server.base = f"http://127.0.0.1:{free_port()}/api"  # which nobody else takes meanwhile
    run = started(server, tmp_path)
    said, told = run.communicate(timeout=PATIENCE)
    assert (run.returncode, said) == (1, "")
    assert "no reply" in told
