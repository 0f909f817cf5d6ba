"""What numbers in a file are: told by the import, kept as they are, and handed out only where they can be dialed."""

from __future__ import annotations

import asyncio
import csv
import json
from typing import Any

import pytest

from tests.cli.test_commands import Casedial
from tests.conftest import Api, Office

FIRM = ("--firm", "Lex & Partners")
CELLS = [
    ("(402) 555-0101", ""),
    ("+65 9234 5678", "659-234-5678"),
    ("4.02555E+09", ""),
    ("0000000000", "402-555-0104"),
    ("4025550105 / 4025550106", "4025550107"),
    ("555-0108", "+44 20"),
    ("4025550109/10", ""),
    ("n/a", "\uff14\uff10\uff12\uff15\uff15\uff15\uff10\uff11\uff11\uff10"),  # full-width digits
]
DOUBTFUL = {
    (4, "Phone1"): "rounded by a spreadsheet",
    (5, "Phone1"): "area code that begins with 0",
    (7, "Phone1"): "7 digits",
    (7, "Phone2"): "4 digits",
    (8, "Phone1"): "12 digits",
    (9, "Phone1"): "0 digits",
    (9, "Phone2"): "0 digits",
}
COUNTS = {"us": 6, "abroad": 1, "doubtful": 7}
HANDED_OUT = {
    1: ["4025550101"],
    2: ["+65 9234 5678", "6592345678"],
    3: [],
    4: ["4025550104"],
    5: ["4025550105", "4025550106", "4025550107"],
    6: [],
    7: [],
    8: [],
}


def write(casedial: Casedial, name: str, dialer: str = "To Dial") -> Any:
    file = casedial.folder / name
    rows = [
        {"CaseID": n, "DialerStatus": dialer, "Phone1": one, "Phone2": two, "Phone3Name": "Fax", "Phone3": "5"}
        for n, (one, two) in enumerate(CELLS, 1)
    ]
    with file.open("w", newline="") as stream:
        if name.endswith(".csv"):
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            stream.write("\n")  # so that both have their first case in line 2
            for row in rows:
                phones = [{"Phone": row["Phone1"]}, {"Phone": row["Phone2"]}, {"PhoneName": "Fax", "Phone": "5"}]
                stream.write(json.dumps({"CaseID": row["CaseID"], "DialerStatus": dialer, "Phones": phones}) + "\n")
    return file


def told(report: Any) -> dict[tuple[int, str], str]:
    return {(one["line"], one["column"]): one["reason"] for one in report["doubtful_phones"]}


@pytest.mark.parametrize("name", ["cases.csv", "cases.jsonl"])
async def test_an_import_says_what_each_phone_is(casedial: Casedial, office: Office, api: Api, name: str) -> None:
    file = write(casedial, name)
    for outcome in ("added", "unchanged"):  # a file that is imported again tells the same
        report = await asyncio.to_thread(casedial.json, "cases", "import", file, *FIRM)
        assert (report[outcome], report["rejected"], report["phones"]) == (len(CELLS), 0, COUNTS)
        assert told(report).keys() == DOUBTFUL.keys()
        assert all(why in told(report)[at] for at, why in DOUBTFUL.items())
    said = (await asyncio.to_thread(casedial.run, "cases", "import", file, *FIRM)).stderr
    assert "14 phones: 6 of the US, 1 abroad, 7 doubtful." in said
    assert "line 7: Phone2 has 4 digits" in said
    shown = {n: (await api.get("GetCaseInfo", CaseID=n)).json()["Phones"] for n in HANDED_OUT}
    assert {n: [phone["Phone"] for phone in phones] for n, phones in shown.items()} == HANDED_OUT
    due = (await api.get("GetCasesToDial")).json()  # without a purpose every due case is returned
    assert {case["CaseID"]: [phone["Phone"] for phone in case["Phones"]] for case in due} == HANDED_OUT
    out = casedial.folder / "out.csv"
    await asyncio.to_thread(casedial.run, "cases", "export", *FIRM, "-o", out)
    with out.open(newline="") as stream:
        kept = [(row["Phone1"], row["Phone2"]) for row in csv.DictReader(stream)]
    assert kept == [tuple(f"'{one}" if one.startswith("+") else one for one in cells) for cells in CELLS]  # as entered


@pytest.mark.usefixtures("same_day")
async def test_with_a_purpose_only_what_can_be_dialed(casedial: Casedial, office: Office, api: Api) -> None:
    """The claim, the explanation, preflight and the metrics agree, before and after the campaign calls abroad."""
    file = casedial.folder / "cases.csv"
    lines = "".join(f"{n},To Dial,Intake follow-up,10001,{one}\n" for n, (one, _) in enumerate(CELLS, 1))
    file.write_text("CaseID,DialerStatus,Campaign,ZipCode,Phone1\n" + lines)
    await asyncio.to_thread(casedial.run, "cases", "import", file, *FIRM)
    always = ("--hours", "daily 00:00-24:00", "--wider", "--reason", "a test")
    campaign = ("Intake follow-up", *FIRM)
    await asyncio.to_thread(casedial.run, "campaign", "set", *campaign, "--purpose", "client", *always)
    assert await callable_now(casedial, api) == [1, 5]
    counted = await asyncio.to_thread(casedial.json, "preflight", *FIRM)
    assert (counted["callable"], counted["held_back"]["no_phone"], counted["held_back"]["abroad"]) == (2, 5, 1)
    explained = await asyncio.to_thread(casedial.run, "explain", 2, *FIRM)
    assert "the campaign calls only the US" in explained.stdout
    explained = await asyncio.to_thread(casedial.json, "explain", 3, *FIRM)
    assert "rounded by a spreadsheet" in explained["phones"][0]["because"][0]
    metrics = (await api.http.get("/metrics")).text.splitlines()
    [gauge] = [line for line in metrics if line.startswith("casedial_cases_callable{")]
    assert float(gauge.split()[-1]) == 2
    row = await asyncio.to_thread(casedial.json, "campaign", "set", *campaign, "--abroad")
    assert row["abroad"] is True
    assert await callable_now(casedial, api) == [1, 2, 5]
    assert "abroad too" in str(await asyncio.to_thread(casedial.json, "explain", 2, *FIRM))
    claimed = await api.post("GetCasesToDial", {"Auto-change": True, "Campaign": "Intake follow-up"})
    assert [case["CaseID"] for case in claimed.json()] == [1, 2, 5]
    await asyncio.to_thread(casedial.run, "campaign", "set", *campaign, "--no-abroad")
    [row, *_] = await asyncio.to_thread(casedial.json, "campaign", "list", *FIRM)
    assert row["abroad"] is False


async def callable_now(casedial: Casedial, api: Api) -> list[int]:
    """The cases that the explanations, and a read, say may be called."""
    asked = [await asyncio.to_thread(casedial.json, "explain", n, *FIRM) for n in range(1, len(CELLS) + 1)]
    explained = [one["case_id"] for one in asked if one["callable"]]
    assert explained == [case["CaseID"] for case in (await api.get("GetCasesToDial")).json()]
    return explained


async def test_an_update_says_it_of_what_it_brings(casedial: Casedial, office: Office) -> None:
    await office.add(1)
    file = casedial.folder / "update.csv"
    file.write_text("CaseID,Phone1\n1,4.02555E+09\n1,+65 9234 5678\nx,555-0101\n")
    report = await asyncio.to_thread(casedial.json, "cases", "import", file, *FIRM, status=1)
    assert (report["updated"], report["rejected"]) == (2, 1)
    assert report["phones"] == {"us": 0, "abroad": 1, "doubtful": 1}  # what was rejected is not counted
    assert list(told(report)) == [(2, "Phone1")]


async def test_a_long_list_of_doubtful_numbers_is_cut(casedial: Casedial, office: Office) -> None:
    file = casedial.folder / "many.csv"
    file.write_text("CaseID,Phone1\n" + "".join(f"{n},555-0101\n" for n in range(1, 1201)))
    said = (await asyncio.to_thread(casedial.run, "cases", "import", file, *FIRM)).stderr
    assert said.count("Phone1 has 7 digits") == 20
    assert "1180 more" in said
    report = await asyncio.to_thread(casedial.json, "cases", "import", file, *FIRM)
    assert (report["phones"]["doubtful"], len(report["doubtful_phones"])) == (1200, 1000)


async def test_a_case_shows_what_its_phones_are(casedial: Casedial, office: Office) -> None:
    file = write(casedial, "cases.csv")
    await asyncio.to_thread(casedial.run, "cases", "import", file, *FIRM)
    shown = {n: await asyncio.to_thread(casedial.json, "cases", "show", n, *FIRM) for n in (2, 3, 5)}
    kinds = {n: [phone["kind"].partition(":")[0] for phone in case["phones"]] for n, case in shown.items()}
    assert kinds == {2: ["abroad", "US", "fax"], 3: ["doubtful", "fax"], 5: ["US", "US", "US", "fax"]}


async def test_the_list_takes_what_is_dialed(casedial: Casedial, office: Office) -> None:
    added = await asyncio.to_thread(
        casedial.json, "dnc", "add", "+65 9234 5678", "4025550101 / 4025550102", "402-555-0103 x9", *FIRM
    )
    assert added == {"added": 4, "known": 0}
    out = casedial.folder / "list.csv"
    await asyncio.to_thread(casedial.run, "dnc", "export", *FIRM, "-o", out)
    assert "+6592345678," in out.read_text()
    again = await asyncio.to_thread(casedial.json, "dnc", "import", out, *FIRM)
    assert (again["added"], again["known"]) == (0, 4)
    removed = await asyncio.to_thread(casedial.json, "dnc", "remove", "011 65 9234 5678", "402-555-0102", *FIRM)
    assert removed["removed"] == 2
    for number in ("4.02555E+09", "0000000000", "555-0101"):
        assert "cannot be dialed" in await asyncio.to_thread(casedial.wrong, "dnc", "add", number, *FIRM)
