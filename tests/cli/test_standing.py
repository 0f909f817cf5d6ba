"""Who holds a case, who set it Do not Dial, and what stays so when an entry leaves the do-not-call list."""

from __future__ import annotations

import asyncio
import shlex
from datetime import UTC, datetime
from typing import Any

from casedial.domain.cases import Phone
from casedial.domain.statuses import Role
from tests.cli.test_commands import Casedial
from tests.conftest import Api, Office

FIRM = ("--firm", "Lex & Partners")


async def explained(casedial: Casedial, case_id: int) -> tuple[Any, str]:
    document = await asyncio.to_thread(casedial.json, "explain", case_id, *FIRM)
    said = (await asyncio.to_thread(casedial.run, "explain", case_id, *FIRM)).stdout
    return document, said


async def test_a_case_that_is_held(casedial: Casedial, api: Api, office: Office) -> None:
    await office.add(1)
    claimed = await api.post("GetCasesToDial", {"Auto-change": True})
    document, said = await explained(casedial, 1)
    held, claim_id = document["held"], claimed.headers["x-claim-id"]
    assert document["time_zone"] == "America/Chicago"
    assert (held["by"], held["claim_id"]) == ("Acme Dialer", claim_id)
    assert held["until"] == claimed.headers["x-claim-expires"]
    firm, until = await office.firm(), datetime.fromisoformat(held["until"])
    since = datetime.fromisoformat(held["since"])
    assert f"In the Dialer since {firm.local(since)}, set by Acme Dialer; claim {claim_id}, held until" in said
    assert f"held until {firm.local(until)}." in said
    assert firm.local(until).endswith(" (America/Chicago)")
    assert document["do_not_dial"] is None

    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"})
    document, said = await explained(casedial, 1)
    assert (document["held"]["until"], bool(document["held"]["answered_at"])) == (None, True)
    assert "answered at" in said


async def test_who_set_it_do_not_dial(casedial: Casedial, api: Api, office: Office) -> None:
    await office.add(1)
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial", "NextCall": "2026-05-06T09:00:00"})
    set_at = (await office.changes(1))[-1].changed_at
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial", "NextCall": "2026-05-07T09:00:00"})
    assert (await office.changes(1))[-1].changed_at > set_at  # its time moved; it was set before
    document, said = await explained(casedial, 1)
    told = document["do_not_dial"]
    assert (told["by"], told["reason"], document["held"]) == ("Acme Dialer", None, None)
    assert abs((datetime.fromisoformat(told["since"]) - set_at).total_seconds()) < 0.001
    assert f"Do not Dial since {(await office.firm()).local(set_at)}, set by Acme Dialer." in said


async def test_times_are_the_firms(casedial: Casedial, office: Office) -> None:
    await office.add(1, dial_at=datetime(2026, 1, 5, 15, 0, tzinfo=UTC))
    document, said = await explained(casedial, 1)
    [due] = [check["found"] for check in document["checks"] if check["name"] == "due"]
    assert due == "to be dialed from 2026-01-05T09:00:00 (America/Chicago)"
    assert due in said
    assert "+00:00" not in said


async def test_another_vendor_is_not_named_to_a_key(casedial: Casedial, api: Api, office: Office) -> None:
    await office.add(1)
    await office.add(2)
    await api.post("UpdateCaseStatus", {"CaseID": 2, "Status": "Do not Dial"})
    await api.post("GetCasesToDial", {"Auto-change": True})
    other = await asyncio.to_thread(casedial.json, "key", "add", *FIRM, "--vendor", "Rival")
    for key, name in ((api.key, "Acme Dialer"), (other["key"], None)):
        headers = {"X-ApiKey": key}
        held = (await api.http.get("/v1/cases/1/explain", headers=headers)).json()["Held"]
        assert (held["By"], bool(held["Until"]), bool(held["ClaimID"])) == (name, True, name is not None)
        told = (await api.http.get("/v1/cases/2/explain", headers=headers)).json()
        assert (told["DoNotDial"]["By"], told["TimeZone"]) == (name, "America/Chicago")


def phones(*numbers: str) -> tuple[Phone, ...]:
    return tuple(Phone("Cell", number) for number in numbers)


async def test_what_stays_do_not_dial_is_told_with_the_command_back(
    casedial: Casedial, api: Api, office: Office
) -> None:
    await office.add(1, phones=phones("4025550101"))
    await office.add(2, phones=phones("402-555-0101", "4025550102"))
    await office.add(3, phones=phones("4025550103"))
    await office.add(4, phones=phones("4025550101"))  # nobody set it Do not Dial
    await office.add(5, phones=phones("4025550101"))
    await asyncio.to_thread(casedial.run, "dnc", "add", "4025550101", "--case", 3, "--case", 5, *FIRM)
    await asyncio.to_thread(casedial.run, "cases", "set", 1, 3, 5, "--to-dial", *FIRM, "--yes")  # so Do not Dial
    await api.post("UpdateCaseStatus", {"CaseID": 2, "Status": "Do not Dial"})
    removed = await asyncio.to_thread(casedial.json, "dnc", "remove", "(402) 555-0101", *FIRM)
    assert (removed["removed"], [one["case_id"] for one in removed["do_not_dial"]]) == (
        1,
        [1, 2],
    )  # 5 is still on the list itself
    await asyncio.to_thread(casedial.run, "dnc", "add", "4025550101", *FIRM)
    said = (await asyncio.to_thread(casedial.run, "dnc", "remove", "4025550101", "--case", 3, *FIRM)).stdout
    assert "2 removed.\n3 cases stay Do not Dial" in said
    assert "set by casedial (on the do-not-call list)." in said
    assert "2: Do not Dial since" in said
    assert "set by Acme Dialer" in said
    command = said.partition("set them To Dial: casedial ")[2].strip()
    assert command == "cases set 1 2 3 --to-dial --firm 'Lex & Partners' --yes"
    await asyncio.to_thread(casedial.run, *shlex.split(command))
    assert [await office.role(case_id) for case_id in (1, 2, 3)] == [Role.TO_DIAL] * 3
    said = (await asyncio.to_thread(casedial.run, "dnc", "remove", "4025550101", *FIRM, status=1)).stdout
    assert said == "0 removed.\n"


async def test_a_case_that_is_not_there_cannot_be_listed(casedial: Casedial, office: Office) -> None:
    await office.add(7)
    add = ("dnc", "add", "4025550101", "--case", 7, *FIRM)
    error = (await asyncio.to_thread(casedial.json, *add, "--case", 999999, status=1))["error"]
    assert error["code"] == "CaseNotFound"
    assert error["message"] == "Lex & Partners has no case 999999. Nothing was added."
    assert await asyncio.to_thread(casedial.json, *add) == {"added": 2, "known": 0}


async def test_cases_of_a_file_that_are_not_there_are_told(casedial: Casedial, office: Office) -> None:
    """The list goes in before the cases: that is the safe order, and no error."""
    await office.add(7)
    file = casedial.folder / "list.csv"
    file.write_bytes("From the old system\r\nCase ID;Date\r\n7;7/28/20\r\n\r\n8;28/7/2020\r\n9;\r\n".encode("utf-16"))
    found = await asyncio.to_thread(casedial.json, "dnc", "import", file, *FIRM, status=1)
    assert (found["added"], found["unknown"], len(found["told"])) == (2, [9], 3)
    assert found["bad"][0].startswith("line 5: '28/7/2020' is not a date: it has the day first")
    said = (await asyncio.to_thread(casedial.run, "dnc", "import", file, *FIRM, status=1)).stdout
    assert "although the firm does not have these cases (yet): 9." in said
