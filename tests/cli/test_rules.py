"""casedial campaign, rules, explain, preflight."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from casedial.domain.cases import Phone
from casedial.rules import load
from tests.cli.test_commands import Casedial
from tests.conftest import Office

SET = ("campaign", "set", "Intake follow-up", "--firm", "Lex & Partners")
FIRM = ("--firm", "Lex & Partners")


def test_a_campaigns_settings(casedial: Casedial, office: Office) -> None:
    assert casedial.json(*SET, "--purpose", "client")["purpose"] == "client"
    row = casedial.json(*SET, "--hours", "mon-fri 09:00-18:00, sat 10:00-14:00")
    workdays = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-18:00")
    assert row["hours"] == [{"wider": False, "reason": None, **workdays, "sat": "10:00-14:00", "sun": None}]
    assert row["purpose"] == "client"
    assert casedial.json(*SET, "--claim-timeout", "60")["claim_timeout"] == 60
    assert casedial.json(*SET, "--hours", "rules")["hours"] == []
    assert casedial.json("campaign", "pause", "intake FOLLOW-UP", *FIRM)["paused"] is True
    [first, *_] = casedial.json("campaign", "list", *FIRM)
    assert (first["name"], first["paused"], first["claim_timeout"]) == ("Intake follow-up", True, 60)
    assert casedial.json("campaign", "resume", "Intake follow-up", *FIRM)["paused"] is False
    assert "No calling rules" in casedial.run(*SET, "--purpose", "none").stdout
    assert "No calling rules" in casedial.run(*SET, "--hours", "daily 09:00-18:00").stdout
    wider = ("--hours", "daily 06:00-23:00", "--wider", "--reason", "clients agreed")
    assert casedial.json(*SET, "--purpose", "client", *wider)["purpose"] == "client"
    assert "wider" in casedial.json(*SET, "--purpose", "solicitation", status=1)["error"]["message"]
    assert casedial.json("rules", "ban", "pr", "--until", "2079-01-01", "--reason", "x")["state"] == "PR"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "say what to set"),
        (("--hours", "monday 9-17"), "'monday 9-17' is not a list of hours"),
        (("--hours", "mon 25:00-26:00"), "day"),
        (("--hours", "daily 00:00-24:00", "--wider"), "Give a reason"),
        (("--hours", "sat-mon 10:00-14:00"), "is not a list of hours"),
        (("--hours", "mon-fri 09:00-18:00, mon 10:00-12:00"), "hours for mon are given twice"),
        (("--purpose", "client", "--wider", "--reason", "x"), "go with --hours"),
    ],
)
def test_what_cannot_be_set(options: tuple[str, ...], says: str, casedial: Casedial, office: Office) -> None:
    assert says in casedial.wrong(*SET, *options)


def test_a_ban(casedial: Casedial, office: Office) -> None:
    until = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = casedial.json("rules", "ban", "la", "--until", until, "--reason", "emergency")
    assert (made["state"], made["reason"]) == ("LA", "emergency")
    listed = casedial.json("rules", "list")
    assert [ban["id"] for ban in listed["bans"]] == [made["id"]]
    assert {"state": "KY", "hours": ", ".join(f"{day} 10:00-21:00" for day in DAYS)}.items() <= next(
        row for row in listed["rows"] if row["state"] == "KY"
    ).items()
    assert casedial.json("rules", "lift", made["id"])["lifted"] is True
    assert casedial.json("rules", "list")["bans"] == []
    assert "No ban" in casedial.json("rules", "lift", made["id"], status=1)["error"]["message"]
    for when, says in (
        ("2026-02-30", "is not a day"),
        ("soon", "'soon' is not a day"),
        ("soon:", "--until: 'soon:' must be"),
        ("soon", "--until"),
    ):
        assert says in casedial.wrong("rules", "ban", "LA", "--until", when, "--reason", "r")
    for state, when, reason, says in (
        ("XX", until, "r", "no state"),
        (" ", until, "r", "Name a state"),
        ("LA", "2020-01-01", "r", "has passed"),
        ("LA", until, " ", "Give a reason"),
    ):
        refused = casedial.json("rules", "ban", state, "--until", when, "--reason", reason, status=1)
        assert says in refused["error"]["message"]


@pytest.mark.usefixtures("same_day")
def test_a_ban_until_a_day(casedial: Casedial, office: Office) -> None:
    made = casedial.json("rules", "ban", "la", "--until", "2078-12-01", "--reason", "emergency")
    assert made["until"].startswith("2078-12-02T06:00:00")  # midnight there
    made = casedial.json("rules", "ban", "all", "--until", "2078-12-01", "--reason", "emergency")
    assert made["until"].startswith("2078-12-02T11:00:00")  # midnight in American Samoa
    today = datetime.now(ZoneInfo("America/Chicago")).date()
    assert casedial.json("rules", "ban", "la", "--until", today, "--reason", "emergency")["state"] == "LA"
    yesterday = today - timedelta(days=1)
    refused = casedial.json("rules", "ban", "la", "--until", yesterday, "--reason", "emergency", status=1)
    assert "has passed" in refused["error"]["message"]


def test_the_list_shows_limits_rest_and_notes(casedial: Casedial, office: Office) -> None:
    rows = {(row["state"], *row["purposes"]): row for row in casedial.json("rules", "list")["rows"]}
    week, per_debt = 7 * 86400, {"calls": 7, "seconds": 7 * 86400, "conversations": False, "per": "debt"}
    rest = {"calls": 1, "seconds": week, "conversations": True, "per": None}
    assert rows["federal", "debt"]["limits"] == [per_debt, rest]
    [of_washington] = rows["WA", "debt"]["limits"]
    assert of_washington == {"calls": 3, "seconds": week, "conversations": False, "per": "subject"}
    assert "recorded messages" in rows["ME", "solicitation"]["note"]
    assert "emergency" in rows["NY", "solicitation"]["note"]
    shown = casedial.run("rules", "list").stdout
    assert "7 in 7d per debt; none within 7d after" in shown
    assert "mon-fri 09:00-18:00, sat 10:00-17:00, sun none" in shown
    assert "NY solicitation: No hours of its own." in shown


def test_overrides_and_places(casedial: Casedial, office: Office) -> None:
    reason = ("--reason", "our counsel")
    hours = (
        "--hours",
        "mon-fri 09:00-17:00",
        "--no-holidays",
        "--calls",
        "2/24h",
        "--rest",
        "7d",
        "--source",
        "a letter",
    )
    made = casedial.json("rules", "override", "la", "--purpose", "solicitation", *hours, *reason)
    said = {"reason": "our counsel", "source": "a letter"}
    assert made == {"id": made["id"], "state": "LA", "purpose": "solicitation", **said}
    place = ("rules", "place", "9001", "--state", "NE", "--zone", "Europe/Berlin", *reason)
    placed = casedial.json(*place)
    assert (placed["zip"], placed["states"], placed["zones"]) == ("09001", ["NE"], ["Europe/Berlin"])
    listed = casedial.json("rules", "list")
    assert listed["version"].endswith(f"overrides {made['id']}")
    assert (listed["overrides"], listed["places"]) == ([made], [placed])
    [row] = [row for row in listed["rows"] if row["state"] == "LA"]
    assert row["hours"].startswith("mon 09:00-17:00")
    assert row["hours"].endswith("sat none, sun none")
    assert row["holidays"] is False
    assert row["limits"] == [
        {"calls": 2, "seconds": 86400, "conversations": False, "per": "subject"},
        {"calls": 1, "seconds": 7 * 86400, "conversations": True, "per": None},
    ]
    assert row["source"].startswith(
        f"override {made['id']} set by the operator (our counsel; a letter) of published tables"
    )
    shown = casedial.run("rules", "list").stdout
    assert "09001" in shown
    assert "our counsel" in shown
    assert (
        "casedial rules list"
        in casedial.run("rules", "override", "NY", "--purpose", "debt", "--holidays", *reason).stdout
    )
    assert "ZIP code 09001 is in NE" in casedial.run(*place).stdout
    assert casedial.json("rules", "restore", made["id"])["restored"] is True
    assert "has ended" in casedial.run("rules", "restore", made["id"] + 2).stdout
    assert "No override" in casedial.json("rules", "restore", made["id"], status=1)["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("XX", "--purpose", "client", "--holidays"), "no state"),
        (("LA", "--purpose", "none", "--holidays"), "nothing to override"),
        (("LA", "--purpose", "client"), "Say what to override"),
        (("LA", "--purpose", "client", "--hours", "always"), "is not a list of hours"),
        (("LA", "--purpose", "client", "--calls", "5/30m"), "whole hours"),
        (("LA", "--purpose", "client", "--calls", "0/24h"), "at least one call"),
        (("LA", "--purpose", "client", "--calls", "1/60d"), "31 days"),
        (("LA", "--purpose", "client", "--rest", "60d"), "31 days"),
    ],
)
def test_what_cannot_be_overridden(arguments: tuple[str, ...], says: str, casedial: Casedial, office: Office) -> None:
    assert says in casedial.wrong("rules", "override", *arguments, "--reason", "why")


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


async def test_explain_and_preflight(casedial: Casedial, office: Office) -> None:
    until = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    await asyncio.to_thread(casedial.json, *SET, "--purpose", "client")
    ban = ("rules", "ban", "NY", "--until", until.isoformat(), "--reason", "the storm")
    await asyncio.to_thread(casedial.json, *ban)
    await office.add(1, zip_code="10001", phones=(Phone("Cell", "2125550101", True),))
    document = await asyncio.to_thread(casedial.json, "explain", 1, *FIRM)
    assert (document["case_id"], document["callable"], document["purpose"]) == (1, False, "client")
    assert [check["name"] for check in document["checks"]] == [
        "dialer status",
        "due",
        "campaign",
        *("phones", "do not call", "in use", "how often", "hours"),
    ]
    [phone] = document["phones"]
    assert (phone["place"], phone["states"], phone["zones"]) == ("NY", ["NY"], ["America/New_York"])
    assert "the storm" in phone["because"][0]
    assert datetime.fromisoformat(document["next_callable_at"]) >= until
    said = (await asyncio.to_thread(casedial.run, "explain", 1, *FIRM)).stdout
    assert "may not be called now" in said
    assert "the storm" in said
    assert "Next callable at" in said
    assert f"Rules of {load().version}, purpose client." in said
    unknown = await asyncio.to_thread(casedial.json, "explain", 2, *FIRM, status=1)
    assert unknown["error"]["code"] == "CaseNotFound"
    counted = await asyncio.to_thread(casedial.json, "preflight", *FIRM, "--campaign", "Intake follow-up")
    assert (counted["due"], counted["callable"], counted["held_back"]["hours"]) == (1, 0, 1)
    assert sum(hour["cases"] for hour in counted["by_hour"]) == 1
    said = (await asyncio.to_thread(casedial.run, "preflight", *FIRM)).stdout
    assert "1 case due; 0 callable now; 1 outside their calling hours." in said


async def test_how_often_and_what_comes_next(casedial: Casedial, office: Office) -> None:
    def work() -> None:
        flags = casedial.json("status", "flag", "busy", *FIRM, "--flags", "attempt, Final")
        assert {row["name"]: row["flags"] for row in flags}["Busy"] == ["attempt", "final"]
        assert "attempt, final" in casedial.run("status", "flag", "busy", *FIRM, "--flags", "attempt,final").stdout
        casedial.run("status", "flag", "busy", *FIRM, "--flags", "conversation", status=1)
        assert "opt-out" in casedial.run("status", "flag", "busy", *FIRM, "--flags", "shouting", status=2).stderr
        limit = ("campaign", "limit", "Intake follow-up", *FIRM)
        row = casedial.json(*limit, "--calls", "3/24h", "--calls", "7/7d", "--rest", "7d")
        assert row["limits"] == [
            {"calls": 3, "seconds": 86400, "conversations": False},
            {"calls": 7, "seconds": 7 * 86400, "conversations": False},
            {"calls": 1, "seconds": 7 * 86400, "conversations": True},
        ]
        said = casedial.run("campaign", "list", *FIRM).stdout
        for words in ("at most 3 in 24h", "at most 7 in 7d", "none within 7d after a conversation"):
            assert words in " ".join(said.split())
        assert "once the campaign has a purpose" in casedial.run(*limit, "--calls", "2/8h").stdout
        assert casedial.json("campaign", "list", *FIRM)[0]["limits"][0]["seconds"] == 8 * 3600
        assert casedial.json(*limit, "--off")["limits"] == []
        for wrong in (("--calls", "3/60d"), ("--calls", "0/1h")):
            casedial.run(*limit, *wrong, status=1)
        for wrong in ((), ("--off", "--rest", "1d")):
            casedial.run(*limit, *wrong, status=2)
        assert "3/24h" in casedial.run(*limit, "--calls", "3 a day", status=2).stderr
        retry = ("campaign", "retry", "Intake follow-up", *FIRM, "--disposition", "no answer")
        row = casedial.json(*retry, "--after", "4h", "--at-most", 5)
        assert row["retries"] == [{"disposition": "No Answer", "after": 4 * 3600, "at_most": 5}]
        assert "No Answer: in 4h, at most 5 times" in " ".join(
            casedial.run(*retry, "--after", "4h", "--at-most", 5).stdout.split()
        )
        assert casedial.json(*retry, "--off")["retries"] == []
        casedial.run(*retry, "--after", "900d", "--at-most", 5, status=1)
        casedial.run(*retry, status=2)
        assert casedial.json("firm", "set", office.name, "--min-gap", 0)["min_gap"] == 0
        casedial.run("firm", "set", office.name, "--min-gap", -1, status=2)

    await asyncio.to_thread(work)
