"""One way to write a time, a day and a span in every option; names that are not there; tables that are narrow."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from casedial.cli import COMMANDS
from tests.cli.test_commands import Casedial
from tests.conftest import Office


@pytest.mark.parametrize(("span", "seconds"), [("0", 0), ("90", 90), ("90s", 90), ("15 m", 900), ("2H", 7200)])
def test_a_span_of_seconds(casedial: Casedial, office: Office, span: str, seconds: int) -> None:
    set_ = ("firm", "set", office.name)
    told = casedial.json(*set_, "--claim-timeout", span, "--min-gap", span)
    assert (told["claim_timeout"], told["min_gap"]) == (seconds, seconds)
    given = ("campaign", "set", "Intake follow-up", "--firm", office.name, "--claim-timeout", span)
    assert casedial.json(*given)["claim_timeout"] == seconds


@pytest.mark.parametrize(("span", "days"), [("0", None), ("30", 30), ("30d", 30), ("12w", 84), ("48h", 2)])
def test_a_span_of_days(casedial: Casedial, office: Office, span: str, days: int | None) -> None:
    assert casedial.json("firm", "set", office.name, "--retention-days", span)["retention_days"] == days
    if days:
        casedial.run("purge", "--firm", office.name, "--older-than", span)


@pytest.mark.parametrize("span", ["-1", "two", "1y", "1h30m", "", "999999999w", "٣h"])
def test_what_is_no_span(casedial: Casedial, office: Office, span: str) -> None:
    for given in (
        ("firm", "set", office.name, "--claim-timeout", span),
        ("firm", "set", office.name, "--retention-days", span),
        ("purge", "--older-than", span),
        ("campaign", "limit", "Intake follow-up", "--firm", office.name, "--rest", span),
    ):
        casedial.run(*given, status=2)


@pytest.mark.parametrize(
    "written", ["2030-05-06T00:00:00", "2030-05-06", "2030-05-06 00:00", "2030-05-06T00:00", "2030-05-06 05:00Z"]
)
async def test_a_time(casedial: Casedial, office: Office, written: str) -> None:
    await office.add(1)
    given = ("cases", "set", 1, "--to-dial", "--at", written, "--firm", office.name, "--yes")
    await asyncio.to_thread(casedial.run, *given)
    shown = await asyncio.to_thread(casedial.json, "cases", "show", 1, "--firm", office.name)
    assert shown["dial_date_time"] == "2030-05-06T05:00:00.000Z"
    key = ("key", "add", "--firm", office.name, "--vendor", "Other", "--expires", written)
    assert (await asyncio.to_thread(casedial.json, *key))["expires_at"] == "2030-05-06T05:00:00.000Z"


UNKNOWN: dict[str, tuple[object, ...]] = {
    "list": ("cases", "list", "--campaign"),
    "export": ("cases", "export", "-o", "x.csv", "--campaign"),
    "delete": ("cases", "delete", "--campaign"),
    "set": ("cases", "set", "--do-not-dial", "--campaign"),
    "into": ("cases", "set", "--all", "--into-campaign"),
    "pause": ("campaign", "pause"),
    "limit": ("campaign", "limit", "--off"),
    "preflight": ("preflight", "--campaign"),
    "key": ("key", "add", "--vendor", "Other", "--campaign"),
}


@pytest.mark.parametrize("what", UNKNOWN)
async def test_an_unknown_campaign_is_one_error(
    casedial: Casedial, office: Office, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(casedial.folder)
    await office.add(1)
    for name, hint in (("intake folow up", True), ("Something else", False)):
        given = (*UNKNOWN[what], name, "--firm", office.name)
        error: Any = (await asyncio.to_thread(casedial.json, *given, status=1))["error"]
        assert error["code"] == "StatusNotFound"
        assert ("Did you mean 'Intake follow-up'?" in error["message"]) is hint


def test_h_is_help_everywhere(casedial: Casedial) -> None:
    for command in ((), *((name,) for name in COMMANDS), ("cases", "list"), ("cases", "phone", "add")):
        assert "Usage" in casedial.run(*command, "-h").stdout


async def test_a_narrow_table_cuts_nothing(casedial: Casedial, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.add(1234567890, plaintiff="A name that is quite long " * 3, case_group="A group of some length")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    casedial.environment |= {"COLUMNS": "80", "FORCE_COLOR": "1", "TERM": "xterm"}
    shown = (await asyncio.to_thread(casedial.run, "cases", "list", "--firm", office.name)).stdout
    assert "…" not in shown
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in shown.splitlines()) <= 80
