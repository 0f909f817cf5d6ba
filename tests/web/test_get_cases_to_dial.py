"""GetCasesToDial: which cases, in which order, in which shape, and what Auto-change does to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from casedial.domain.cases import Case, Phone
from casedial.domain.statuses import Role, StatusType
from casedial.service.firms import FirmChange, open_firm, set_firm
from casedial.service.statuses import add_statuses, rename_status, retire_status
from casedial.settings import Settings
from casedial.storage import cases
from casedial.web.app import create_app
from tests.conftest import NOW, Api, Office, assert_problem

METHOD = "GetCasesToDial"
PAST = NOW - timedelta(days=365)
ACME = "Acme Dialer"


def ids(reply: httpx.Response) -> list[int]:
    assert reply.status_code == 200, reply.text
    return [case["CaseID"] for case in reply.json()]


async def add_cases(office: Office, count: int, first: int = 1) -> None:
    """Many due cases in one transaction; the higher the CaseID, the later the time."""
    firm = await office.firm()
    statuses = {StatusType.DIALER: firm.statuses.with_role(Role.TO_DIAL)}
    added = [
        Case(case_id=first + index, statuses=statuses, dial_at=PAST + timedelta(seconds=index))
        for index in range(count)
    ]
    async with office.store.write() as tx:
        await cases.add(tx, firm, added)


async def to_dial(office: Office, *case_ids: int) -> list[int]:
    """Those of the cases that are To Dial and were never changed."""
    return [i for i in case_ids if await office.role(i) is Role.TO_DIAL and not await office.history(i)]


async def test_only_due_cases_with_the_to_dial_role(api: Api, office: Office) -> None:
    async with office.store.write() as tx:
        await add_statuses(
            tx, await open_firm(tx, office.name, lock=True), [(StatusType.DIALER, "Callback"), (StatusType.DIALER, "X")]
        )
    now = datetime.now(UTC)
    await office.add(1, dial_at=now - timedelta(seconds=1))
    await office.add(2, dial_at=now + timedelta(minutes=5))
    await office.add(3, dialer="In the Dialer")
    await office.add(4, dialer="Do not Dial")
    await office.add(5, dialer="Callback")
    await office.add(6, dialer=None)
    await office.add(7, closed=True, case_status="CLOSED")  # the specification does not exclude it
    await office.add(8, dial_at=datetime(1900, 1, 1, 6, tzinfo=UTC))
    assert ids(await api.get(METHOD)) == [8, 7, 1]
    assert ids(await api.get(METHOD, **{"Auto-change": "true", "Records": 1000})) == [8, 7, 1]
    assert await to_dial(office, 2) == [2]


async def test_filters(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        firm = await add_statuses(tx, firm, [(StatusType.CAMPAIGN, "Große Straße"), (StatusType.CAMPAIGN, "Old")])
    await office.add(1, campaign="Intake follow-up", case_group="MVA")
    await office.add(2, campaign="Notification campaign", case_group="MVA")
    await office.add(3, campaign="Große Straße", case_group="Straße")
    await office.add(4, campaign="Intake follow-up", case_group="Σίσυφος")
    await office.add(5, campaign=None)
    await office.add(6, campaign="Old", case_group=" MVA ")
    async with office.store.write() as tx:
        await retire_status(tx, await open_firm(tx, office.name, lock=True), StatusType.CAMPAIGN, "Old", True)
    everything = [1, 2, 3, 4, 5, 6]
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({}, everything),
        ({"Campaign": "", "CaseGroup": ""}, everything),
        ({"Campaign": "Intake follow-up"}, [1, 4]),
        ({"Campaign": "  INTAKE follow-UP\t"}, [1, 4]),
        ({"Campaign": "GROSSE STRASSE"}, [3]),
        ({"Campaign": "Intake"}, []),
        ({"Campaign": "No such campaign"}, []),
        ({"Campaign": "%"}, []),
        ({"Campaign": "x" * 5000}, []),
        ({"Campaign": "To Dial"}, []),  # a status, but of another type
        ({"Campaign": "old"}, [6]),  # retired is no longer to be set, but its cases are there
        ({"CaseGroup": "MVA"}, [1, 2, 6]),
        ({"CaseGroup": " mva "}, [1, 2, 6]),
        ({"CaseGroup": "STRASSE"}, [3]),
        ({"CaseGroup": "strasse"}, [3]),
        ({"CaseGroup": "ΣΊΣΥΦΟΣ"}, [4]),
        ({"CaseGroup": "M%"}, []),
        ({"CaseGroup": "MV"}, []),
        ({"CaseGroup": "' OR 1=1 --"}, []),
        ({"Campaign": "Intake follow-up", "CaseGroup": "MVA"}, [1]),
        ({"Campaign": "", "CaseGroup": "MVA"}, [1, 2, 6]),
        ({"Campaign": "Intake follow-up", "CaseGroup": "Straße"}, []),
    ]
    for filters, found in expected:
        with subtests.test(filters=filters):
            assert ids(await api.get(METHOD, **filters)) == found
            assert ids(await api.post(METHOD, json={**filters, "Records": None})) == found
    spelled = (await api.get(METHOD, Campaign="grosse STRASSE")).json()[0]["Campaign"]
    assert spelled == "Große Straße"  # as stored, not as asked for

    # A claim takes what the filters let through and nothing else.
    for filters in ({"Campaign": "nobody's"}, {"CaseGroup": "nobody's"}, {"Campaign": "old", "CaseGroup": "Straße"}):
        assert ids(await api.get(METHOD, **filters, **{"Auto-change": "true"})) == []
    assert await to_dial(office, *everything) == everything
    claim = {"Campaign": "INTAKE FOLLOW-UP", "CaseGroup": "mva", "Auto-change": "true"}
    assert ids(await api.get(METHOD, **claim)) == [1]
    assert ids(await api.get(METHOD, **{"CaseGroup": "STRASSE", "Auto-change": "true"})) == [3]
    assert ids(await api.get(METHOD, **{"Campaign": "intake follow-up", "Auto-change": "true"})) == [4]
    assert await to_dial(office, *everything) == [2, 5, 6]


async def test_parameters_in_every_spelling_and_form(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_cases(office, 60)
    forms: dict[str, Callable[[dict[str, str]], Awaitable[httpx.Response]]] = {
        "query": lambda sent: api.get(METHOD, **sent),
        "query of a POST": lambda sent: api.post(METHOD, params=sent),
        "JSON": lambda sent: api.post(METHOD, json=sent),
        "JSON without Content-Type": lambda sent: api.post(METHOD, content=json.dumps(sent)),
        "form": lambda sent: api.post(METHOD, data=sent),
    }
    spellings = [
        ("Auto-change", "Records"),
        ("AutoChange", "records"),
        ("auto_change", "RECORDS"),
        ("AUTO CHANGE", "re-cords"),
        ("a_u-t o--CHANGE_", " Records "),
    ]
    next_id = 1
    for form, send in forms.items():
        for auto_change, records in spellings:
            with subtests.test(form=form, auto_change=auto_change, records=records):
                # The oldest two, so each spelling of each form must be understood for the next to succeed.
                assert ids(await send({auto_change: "true", records: "2"})) == [next_id, next_id + 1]
                assert await office.role(next_id + 1) is Role.IN_THE_DIALER
            next_id += 2
    assert ids(await api.post(METHOD, json={"Auto-change": "true"}, params={"Records": "1"})) == [next_id]


async def test_booleans(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_cases(office, 20)
    for index, yes in enumerate(["true", "TRUE", "True", "tRuE", "1", True, 1], 1):
        with subtests.test(yes=yes):
            assert ids(await api.post(METHOD, json={"Auto-change": yes, "Records": 1})) == [index]
            assert await office.role(index) is Role.IN_THE_DIALER
    for no in ["false", "FALSE", "False", "0", False, 0, "", None]:
        with subtests.test(no=no):
            assert ids(await api.post(METHOD, json={"Auto-change": no, "Records": 1})) == [8]
            assert await to_dial(office, 8) == [8]
    for wrong in ["yes", "on", "t", "2", "01", " true", "true ", "null", 2, -1, 0.5, [], [True], {}, {"a": True}]:
        with subtests.test(wrong=wrong):
            reply = await api.post(METHOD, json={"Auto-change": wrong})
            assert_problem(reply, 400, "InvalidParameter", "#/Auto-change")
    assert len(await to_dial(office, *range(1, 21))) == 13


async def test_a_parameter_twice(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(1)
    await office.add(2)
    conflicts: list[tuple[str, str, bytes | None]] = [
        ("Records", "Auto-change=1&Records=1&Records=2", None),
        ("Records", "Auto-change=1&Records=1&RECORDS=2", None),
        ("Records", "Auto-change=1&Records=1", b'{"Records":2}'),
        ("Records", "Auto-change=1", b'{"Records":1,"rec_ords":2}'),
        ("Campaign", "Auto-change=1&Campaign=A&Campaign=B", None),
        ("CaseGroup", "Auto-change=1", b'{"CaseGroup":"A","Case Group":"B"}'),
        ("Auto-change", "Auto-change=true&AutoChange=false", None),
        ("Auto-change", "Auto-change=true", b'{"auto_change":false}'),
    ]
    for name, query, body in conflicts:
        with subtests.test(query=query, body=body):
            reply = await api.post(f"{METHOD}?{query}", content=body)
            assert_problem(reply, 400, "ConflictingParameter", f"#/{name}")
    assert await to_dial(office, 1, 2) == [1, 2]
    # The same value twice does not conflict, nor do null and the empty string, which are the same as absent.
    for query, body in [
        ("Records=1&Records=1", None),
        ("Records=1&records=", None),
        ("Records=1", b'{"Records":1}'),
        ("Records=1", b'{"Records":null,"RECORDS":""}'),
        ("Records=1&Campaign=&Campaign=Intake+follow-up&Campaign=Intake+follow-up", b"{}"),
    ]:
        with subtests.test(query=query, body=body):
            assert ids(await api.post(f"{METHOD}?{query}", content=body)) == [1]


async def test_records(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_cases(office, 1002)
    expected: list[tuple[dict[str, Any], int]] = [
        ({}, 100),
        ({"Records": ""}, 100),
        ({"Records": None}, 100),
        ({"Records": 1}, 1),
        ({"Records": "101"}, 101),
        ({"Records": 999}, 999),
        ({"Records": 1000}, 1000),
    ]
    for sent, count in expected:
        with subtests.test(sent=sent):
            reply = await api.post(METHOD, json=sent)
            assert ids(reply) == list(range(1, count + 1))
            assert "x-records-limit" not in reply.headers
    for records in (1001, "1001", 10**18 - 1, "9" * 18):
        with subtests.test(records=records):
            reply = await api.post(METHOD, json={"Records": records})
            assert ids(reply) == list(range(1, 1001))
            assert reply.headers["x-records-limit"] == "1000"
    reply = await api.get(METHOD, **{"Records": "5000", "Auto-change": "true"})
    assert ids(reply) == list(range(1, 1001))
    assert reply.headers["x-records-limit"] == "1000"
    assert await to_dial(office, 1000, 1001, 1002) == [1001, 1002]
    async with office.store.write() as tx:  # the default is the firm's, and a change is seen at once
        await set_firm(tx, await open_firm(tx, office.name, lock=True), FirmChange(default_records=1))
    assert ids(await api.get(METHOD)) == [1001]


async def test_records_that_are_refused(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(1)
    texts: list[Any] = [
        "0",
        "-1",
        "abc",
        "1.5",
        "1e2",
        "+5",
        " 5",
        "5 ",
        "5\n",
        "0x10",
        "٣",
        "５",
        "1" * 19,
        "1" * 5000,
    ]
    others: list[Any] = [0, -1, 1.5, -(10**17), 10**18, -(10**18), 10**300, 1e300, True, False, [], [5], {}, {"n": 5}]
    for records in [*texts, *others]:
        with subtests.test(records=records):
            reply = await api.post(METHOD, json={"Records": records, "Auto-change": True})
            assert_problem(reply, 400, "InvalidParameter", "#/Records")
    for records in texts:
        with subtests.test(query=records):
            reply = await api.get(METHOD, **{"Records": records, "Auto-change": "true"})
            assert_problem(reply, 400, "InvalidParameter", "#/Records")
    body = assert_problem(
        await api.get(METHOD, **{"Records": "0", "Auto-change": "maybe"}), 400, "InvalidParameter", "#/Records"
    )
    assert "#/Auto-change" in [bad["pointer"] for bad in body["errors"]]  # a pointer per bad field
    assert await to_dial(office, 1) == [1]


@pytest.mark.parametrize("auto_change", ["false", "true"])
async def test_order(api: Api, office: Office, auto_change: str) -> None:
    """Oldest first, then by CaseID as a number; a PostgreSQL UPDATE … RETURNING would keep no order."""
    for case_id, days in [(100, 2), (9, 2), (10, 2), (3, 1), (1, 3), (2, 9), (1000, 9), (999, 9)]:
        await office.add(case_id, dial_at=NOW - timedelta(days=days))
    await office.add(50, dial_at=PAST.replace(microsecond=1))
    await office.add(51, dial_at=PAST)
    asked = {"Auto-change": auto_change, "Records": 9}
    assert ids(await api.get(METHOD, **asked)) == [51, 50, 2, 999, 1000, 1, 9, 10, 100]
    await office.add(4, dial_at=NOW - timedelta(days=1))
    left = [3, 4] if auto_change == "true" else [51, 50, 2, 999, 1000, 1, 9, 10, 100]
    assert ids(await api.get(METHOD, **asked)) == left


async def test_phones(api: Api, office: Office) -> None:
    """Primary first, then as entered; bare digits; nothing that a fax machine answers."""
    entered = [
        ("Home", "(402) 555-0001", False, False),
        ("Fax", "402-555-0002", False, False),
        ("Work", "+1 402.555.0003 ext. 12", False, True),
        ("FAX", "4025550004", True, False),
        ("Cell", "1-402-555-0005", True, True),
        ("Home fax", "4025550006", False, False),
        ("fax (office)", "4025550007", False, False),
        ("Halifax", "402 555 0008 x9", False, False),
        ("Berlin", "+49 30 12345678", False, False),
        ("", "4025550009#3", False, False),
    ]
    await office.add(1, phones=tuple(Phone(*phone) for phone in entered))
    await office.add(2, phones=(Phone("Fax", "4025550002", True),))
    first, second = (await api.get(METHOD)).json()
    assert [(p["PhoneName"], p["Phone"], p["Primary"], p["Text"]) for p in first["Phones"]] == [
        ("Cell", "4025550005", True, True),
        ("Home", "4025550001", False, False),
        ("Work", "4025550003", False, True),
        ("Halifax", "4025550008", False, False),
        ("Berlin", "+49 30 12345678", False, False),  # only US numbers are bare digits
        ("", "4025550009", False, False),
    ]
    assert second["Phones"] == []


async def test_shape_of_a_case_with_nothing(api: Api, office: Office) -> None:
    await office.add(1, campaign=None, phones=(), dial_at=datetime(2025, 7, 1, 12, 30, 59, 999999, tzinfo=UTC))
    assert (await api.get(METHOD)).json() == [
        {
            "CaseID": 1,
            "Phones": [],
            "CaseStatus": "",
            "DialerStatus": "To Dial",
            "Campaign": "",
            "Attempts": "",
            "DialDateTime": "2025-07-01T07:30:59",
            "ZipCode": "",
        }
    ]


async def test_times_are_the_firms_local_times(api: Api, office: Office) -> None:
    """Both hours of autumn read alike on the wire; in spring there is no 02:30."""
    instants = {
        1: (datetime(2025, 1, 1, 5, 59, 59, tzinfo=UTC), "2024-12-31T23:59:59", "2025-01-01T06:59:59"),
        2: (datetime(2025, 3, 9, 7, 59, 59, tzinfo=UTC), "2025-03-09T01:59:59", "2025-03-09T08:59:59"),
        3: (datetime(2025, 3, 9, 8, 0, tzinfo=UTC), "2025-03-09T03:00:00", "2025-03-09T09:00:00"),
        4: (datetime(2025, 11, 2, 6, 30, tzinfo=UTC), "2025-11-02T01:30:00", "2025-11-02T07:30:00"),
        5: (datetime(2025, 11, 2, 7, 30, tzinfo=UTC), "2025-11-02T01:30:00", "2025-11-02T08:30:00"),
    }
    for case_id, (instant, _, _) in instants.items():
        await office.add(case_id, dial_at=instant)
    assert {c["CaseID"]: c["DialDateTime"] for c in (await api.get(METHOD)).json()} == {
        case_id: shown for case_id, (_, shown, _) in instants.items()
    }
    async with office.store.write() as tx:
        await set_firm(tx, await open_firm(tx, office.name, lock=True), FirmChange(time_zone="Europe/Berlin"))
    assert {c["CaseID"]: c["DialDateTime"] for c in (await api.get(METHOD)).json()} == {
        case_id: shown for case_id, (_, _, shown) in instants.items()
    }


async def test_auto_change(api: Api, office: Office) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id, dial_at=PAST + timedelta(days=case_id), attempts="2", disposition="Busy")
    looked = (await api.get(METHOD, Records=2)).json()
    assert await to_dial(office, 1, 2, 3) == [1, 2, 3]  # looking is the default, and changes nothing

    before = datetime.now(UTC)
    claimed = (await api.get(METHOD, **{"Records": 2, "Auto-change": "true"})).json()
    after = datetime.now(UTC)
    assert claimed == looked  # "To Dial" and the original time: as they were selected
    assert [case["CaseID"] for case in claimed] == [1, 2]
    for case_id in (1, 2):
        case = await office.case(case_id)
        assert case.role is Role.IN_THE_DIALER
        assert case.dial_at
        assert before <= case.dial_at <= after
        assert case.statuses[StatusType.ATTEMPTS].name == "2"
        assert case.statuses[StatusType.DISPOSITION].name == "Busy"
        assert await office.history(case_id) == [("Dialer Status", "In the Dialer", ACME)]
        firm = await office.firm()
        async with office.store.read() as tx:
            (recorded,) = (await cases.history(tx, firm, [case_id]))[case_id]
        assert recorded.dial_at == case.dial_at
        assert before <= recorded.changed_at <= after
    shown = (await api.get("GetCaseInfo", CaseID=1)).json()
    assert shown["DialerStatus"] == "In the Dialer"
    dial_at = (await office.case(1)).dial_at
    assert dial_at
    there = dial_at.astimezone(firm.zone).replace(tzinfo=None)
    assert abs(datetime.fromisoformat(shown["DialDateTime"]) - there) < timedelta(seconds=1)
    assert await to_dial(office, 3) == [3]
    assert ids(await api.get(METHOD)) == [3]
    assert ids(await api.get(METHOD, **{"Auto-change": "true"})) == [3]
    assert ids(await api.get(METHOD, **{"Auto-change": "true"})) == []


async def test_no_case_is_given_to_two_callers(api: Api, office: Office, database_url: str) -> None:
    await add_cases(office, 60)
    other_server = create_app(Settings(database_url=database_url, log_level="error"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=other_server), base_url="http://other.test"
    ) as other_http:
        callers = [api, Api(other_http, office.key)] * 6
        replies = await asyncio.gather(*(c.get(METHOD, **{"Records": 4, "Auto-change": "true"}) for c in callers))
        given = [ids(reply) for reply in replies]
        assert max(map(len, given)) <= 4
        while more := ids(await api.get(METHOD, **{"Records": 7, "Auto-change": "true"})):
            given.append(more)
    await other_server.close()
    assert sorted(case_id for claimed in given for case_id in claimed) == list(range(1, 61))
    for case_id in (1, 24, 48, 60):
        assert len(await office.history(case_id)) == 1


async def test_roles_not_names_decide(api: Api, office: Office) -> None:
    await office.add(1)
    await office.add(2)
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        firm = await rename_status(tx, firm, StatusType.DIALER, "To Dial", "Anzurufen")
        firm = await rename_status(tx, firm, StatusType.DIALER, "In the Dialer", "Straße")
        await add_statuses(tx, firm, [(StatusType.DIALER, "To Dial"), (StatusType.DIALER, "In the Dialer")])
    await office.add(3, dialer="To Dial")  # the name alone has no role: never dialed
    claimed = (await api.get(METHOD, **{"Auto-change": "true"})).json()
    assert [(case["CaseID"], case["DialerStatus"]) for case in claimed] == [(1, "Anzurufen"), (2, "Anzurufen")]
    assert await office.role(1) is Role.IN_THE_DIALER
    assert (await api.get("GetCaseInfo", CaseID=1)).json()["DialerStatus"] == "Straße"
    assert await office.history(2) == [("Dialer Status", "Straße", ACME)]
