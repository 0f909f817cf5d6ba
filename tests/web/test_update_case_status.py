"""UpdateCaseStatus: what an item may say, what it changes, and what becomes of the others of its batch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from casedial.domain.cases import Case
from casedial.domain.statuses import Role, StatusType
from casedial.service.firms import open_firm
from casedial.service.statuses import add_statuses, rename_status, retire_status
from casedial.settings import Settings
from casedial.storage import cases
from casedial.web.app import create_app
from tests.conftest import NOW, Api, Office, assert_problem

METHOD = "UpdateCaseStatus"
ACME = "Acme Dialer"
PAST = NOW - timedelta(days=365)
DIALER, DISPOSITION, ATTEMPTS = "Dialer Status", "Last Dialer Disposition", "Attempts Status"
FULL = {"Status": "To Dial", "NextCall": "2026-05-06T09:00:00", "Attempts": 3, "Disposition": "Busy"}
NINE_O_CLOCK = datetime(2026, 5, 6, 14, 0, tzinfo=UTC)  # of FULL, in Chicago


async def update(api: Api, **item: Any) -> httpx.Response:
    return await api.post(METHOD, json={"Cases": [item]})


def succeeded(reply: httpx.Response, *echoes: object) -> None:
    assert reply.status_code == 200, reply.text
    results = [{"CaseID": echo, "Success": True} for echo in echoes]
    assert reply.json() == {"Succeeded": len(echoes), "Failed": 0, "Results": results}


async def held(office: Office, case_id: int) -> tuple[str | None, datetime | None, str | None, str | None]:
    """Dialer Status, its date/time, Attempts, Disposition."""
    case = await office.case(case_id)
    names = {kind: status.name for kind, status in case.statuses.items()}
    return (
        names.get(StatusType.DIALER),
        case.dial_at,
        names.get(StatusType.ATTEMPTS),
        names.get(StatusType.DISPOSITION),
    )


async def add_statuses_to(office: Office, *added: tuple[StatusType, str]) -> None:
    async with office.store.write() as tx:
        await add_statuses(tx, await open_firm(tx, office.name, lock=True), list(added))


async def test_every_form_verb_and_spelling(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    Send = Callable[[dict[str, Any]], Awaitable[httpx.Response]]

    async def put(**rest: Any) -> httpx.Response:
        return await api.http.put(f"{api.base}/{METHOD}", headers={"X-ApiKey": api.key}, **rest)

    forms: dict[str, tuple[Send, type]] = {
        "Cases": (lambda item: api.post(METHOD, json={"Cases": [item]}), int),
        "cases, untyped": (lambda item: api.post(METHOD, content=json.dumps({"ca-SES": [item]})), int),
        "bare array": (lambda item: api.post(METHOD, json=[item]), int),
        "one object": (lambda item: api.post(METHOD, json=item), int),
        "null Cases": (lambda item: api.post(METHOD, json={"Cases": None, **item}), int),
        "PUT Cases": (lambda item: put(json={"Cases": [item]}), int),
        "PUT bare array": (lambda item: put(json=[item]), int),
        "PUT one object": (lambda item: put(json=item), int),
        "query": (lambda item: api.post(METHOD, params=item), str),
        "form": (lambda item: api.post(METHOD, data=item), str),
        "PUT query": (lambda item: put(params=item), str),
        "PUT form": (lambda item: put(data=item), str),
        "query and JSON": (lambda item: api.post(METHOD, params=item, json={"STATUS": item.get("Status")}), str),
    }
    spellings = [
        ("CaseID", "Status", "NextCall", "Attempts", "Disposition"),
        ("caseid", "STATUS", "Next-Call", "attempts", "DISPOSITION"),
        ("Case ID", "status", "next_call", "AT TEMPTS", "Dis-Position"),
    ]
    case_id = 0
    for form, (send, echo) in forms.items():
        for names in spellings if "one" in form or "Cases" in form or form == "query" else spellings[:1]:
            case_id += 1
            with subtests.test(form=form, names=names):
                await office.add(case_id, dialer="In the Dialer", attempts="2")
                item = dict(zip(names, [case_id, *FULL.values()], strict=True))
                succeeded(await send(item), echo(case_id))
                assert await held(office, case_id) == ("To Dial", NINE_O_CLOCK, "3", "Busy")


async def test_only_a_case_id_changes_nothing(api: Api, office: Office) -> None:
    await office.add(7, attempts="2", disposition="Busy")
    before = await office.case(7)
    nothing = {"Status": None, "NextCall": "", "Attempts": "", "Disposition": None}
    succeeded(await update(api, CaseID=7), 7)
    succeeded(await update(api, CaseID="7", **nothing), "7")
    succeeded(await api.post(METHOD, params={"CaseID": 7, "Status": "", "Attempts": ""}), "7")
    assert await office.case(7) == before
    assert await office.history(7) == []
    # Nothing to change, but the case must be there all the same.
    assert_problem(await update(api, CaseID=70), 404, "CaseNotFound")


async def test_absent_fields_are_left_as_they_are(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    next_call = {"NextCall": "2026-05-06T09:00:00"}
    sent_and_held: list[tuple[dict[str, Any], tuple[Any, ...], str, str]] = [
        (next_call, ("To Dial", NINE_O_CLOCK, "2", "Busy"), DIALER, "To Dial"),
        ({"Attempts": 3}, ("To Dial", PAST, "3", "Busy"), ATTEMPTS, "3"),
        ({"Disposition": "no ANSWER "}, ("To Dial", PAST, "2", "No Answer"), DISPOSITION, "No Answer"),
        ({"Status": "Do not Dial", **next_call}, ("Do not Dial", NINE_O_CLOCK, "2", "Busy"), DIALER, "Do not Dial"),
    ]
    for case_id, (sent, expected, kind, name) in enumerate(sent_and_held, 1):
        with subtests.test(sent=sent):
            await office.add(case_id, attempts="2", disposition="Busy", campaign="Notification campaign")
            succeeded(await update(api, CaseID=case_id, **sent), case_id)
            assert await held(office, case_id) == expected
            assert (await office.case(case_id)).statuses[StatusType.CAMPAIGN].name == "Notification campaign"
            assert await office.history(case_id) == [(kind, name, ACME)]


async def test_status_and_next_call(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_statuses_to(office, (StatusType.DIALER, "Callback"))
    roles = {"To Dial": 1, "In the Dialer": 2, "Do not Dial": 3, "Callback": None}
    for first, start in enumerate([*roles, None]):
        for case_id, (status, role) in enumerate(roles.items(), first * 10 + 1):
            with subtests.test(start=start, status=status):
                await office.add(case_id, dialer=start, dial_at=PAST if start else None)
                before = datetime.now(UTC)
                succeeded(await update(api, CaseID=case_id, Status=f" {status.upper()}\t"), case_id)
                name, dial_at, *_ = await held(office, case_id)
                assert name == status
                assert dial_at
                assert before <= dial_at <= datetime.now(UTC)  # absent: now
                assert await office.role(case_id) == role
                # Set again, as a heartbeat of a dialer sets it: accepted, with the time that it brings.
                succeeded(await update(api, CaseID=case_id, Status=status, NextCall="2026-05-06T09:00:00"), case_id)
                assert (await held(office, case_id))[:2] == (status, NINE_O_CLOCK)
                recorded = await office.history(case_id)
                is_heartbeat = start == status == "In the Dialer"  # which is no history
                assert set(recorded) == (set() if is_heartbeat else {(DIALER, status, ACME)})
    due = [case["CaseID"] for case in (await api.get("GetCasesToDial")).json()]
    assert due == [1, 11, 21, 31, 41]  # what has no role is never dialed


async def test_next_call_alone_wants_a_case_that_is_to_dial(
    api: Api, office: Office, subtests: pytest.Subtests
) -> None:
    await add_statuses_to(office, (StatusType.DIALER, "Callback"))
    for case_id, dialer in enumerate(["In the Dialer", "Do not Dial", "Callback", None], 1):
        with subtests.test(dialer=dialer):
            await office.add(case_id, dialer=dialer, dial_at=PAST if dialer else None, attempts="2")
            before = await office.case(case_id)
            sent = {"CaseID": case_id, "Status": "", "NextCall": "2026-05-06T09:00:00", "Attempts": 5}
            body = assert_problem(await update(api, **sent), 400, "NotToDial", "#/Cases/0/NextCall")
            assert [(result["CaseID"], result["Code"]) for result in body["Results"]] == [(case_id, "NotToDial")]
            assert await office.case(case_id) == before
            assert await office.history(case_id) == []
            # As the case is when the item's turn comes.
            reply = await api.post(METHOD, json=[{"CaseID": case_id, "Status": "To Dial"}, sent])
            succeeded(reply, case_id, case_id)
            assert (await held(office, case_id))[:3] == ("To Dial", NINE_O_CLOCK, "5")


async def test_attempts(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7, dialer="Do not Dial", attempts="9")
    for sent, shown in [(0, "0"), ("1", "1"), (20, "20"), ("0", "0"), ("20", "20"), (10, "10")]:
        with subtests.test(sent=sent):
            succeeded(await update(api, CaseID=7, Attempts=sent), 7)
            assert (await api.get("GetCaseInfo", CaseID=7)).json()["Attempts"] == shown
    for sent in (21, "21", 1000, "1000", 10**18, 2**63, "9" * 19):
        with subtests.test(sent=sent):  # a report that is refused would let the phone ring again
            reply = await update(api, CaseID=7, Attempts=sent)
            succeeded(reply, 7)
            assert reply.headers["X-Attempts-Limit"] == "20"
            assert (await held(office, 7))[2] == "20"
    recorded = await office.history(7)
    wrong: list[Any] = [10**300, "9" * 5000, -1, "-1", "+1", " 1", "1.5", 1.5, "one", "١", True, False, [], [1], {}]
    for sent in wrong:
        with subtests.test(sent=str(sent)[:30]):
            assert_problem(await update(api, CaseID=7, Attempts=sent), 400, "InvalidParameter", "#/Cases/0/Attempts")
    assert await office.history(7) == recorded
    await add_statuses_to(office, (StatusType.ATTEMPTS, "21"))
    reply = await update(api, CaseID=7, Attempts="21")
    succeeded(reply, 7)
    assert "X-Attempts-Limit" not in reply.headers


async def test_a_count_above_the_highest_is_taken_as_the_highest_that_may_be_set(
    api: Api, office: Office, subtests: pytest.Subtests
) -> None:
    await office.add(7, dialer="In the Dialer", attempts="2")

    async def retire(*counts: str, retired: bool = True) -> None:
        async with office.store.write() as tx:
            firm = await open_firm(tx, office.name, lock=True)
            for count in counts:
                firm = await retire_status(tx, firm, StatusType.ATTEMPTS, count, retired)

    await retire("20", "19", "7")
    with subtests.test("the highest is retired"):
        reply = await api.post(METHOD, json=[{"CaseID": 7, "Attempts": 20}, {"CaseID": 7, "Attempts": "Busy"}])
        assert [result["Success"] for result in reply.json()["Results"]] == [True, False]
        assert reply.headers["X-Attempts-Limit"] == "18"
        assert (await held(office, 7))[2] == "18"
    with subtests.test("one below it is retired"):
        assert_problem(await update(api, CaseID=7, Attempts=7), 400, "RetiredStatus", "#/Cases/0/Attempts")
    with subtests.test("the same again by the same claim is a success, and no second change"):
        again = {"CaseID": 7, "Status": "To Dial", "NextCall": "2026-05-06T09:00:00", "Attempts": 21}
        claim = (await office.case(7)).hold
        assert claim
        for _ in range(2):
            reply = await api.post(METHOD, json=again, headers={"X-Claim-Id": str(claim.claim_id)})
            succeeded(reply, 7)
            assert reply.headers["X-Attempts-Limit"] == "18"
        assert (await office.history(7)).count((DIALER, "To Dial", ACME)) == 1
    with subtests.test("there is no count: as before"):
        await retire(*map(str, range(21)))
        body = assert_problem(await update(api, CaseID=7, Attempts=21), 400, "UnknownStatus", "#/Cases/0/Attempts")
        assert body["detail"] == "'21' is not one of the firm's Attempts Status names, which has none."


async def test_an_unknown_name_is_told_those_there_are(api: Api, office: Office) -> None:
    await office.add(7)
    body = assert_problem(await update(api, CaseID=7, Disposition="Busy tone"), 400, "UnknownStatus")
    names = "Never Dialed, Busy, No Answer, Answering Machine, Successful"
    assert body["detail"] == f"'Busy tone' is not one of the firm's Last Dialer Disposition names: {names}."
    await add_statuses_to(office, *((StatusType.DISPOSITION, f"Disposition number {n}") for n in range(300)))
    body = assert_problem(await update(api, CaseID=7, Disposition="Busy tone"), 400, "UnknownStatus")
    assert body["detail"].endswith(" more.")
    assert len(body["detail"]) < 320


async def test_names_are_those_of_the_firm(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_statuses_to(
        office, (StatusType.DISPOSITION, "Straße gesperrt"), (StatusType.DIALER, "Paused"), (StatusType.DIALER, "Gone")
    )
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        for kind, name in [
            (StatusType.DISPOSITION, "Busy"),
            (StatusType.DIALER, "Gone"),
            (StatusType.ATTEMPTS, "5"),
        ]:
            firm = await retire_status(tx, firm, kind, name, True)
        firm = await rename_status(tx, firm, StatusType.DIALER, "Do not Dial", "Nicht anrufen")
        firm = await rename_status(tx, firm, StatusType.DISPOSITION, "No Answer", "Keiner da")
    statuses = firm.statuses.all
    await office.add(7)
    before = await office.case(7)
    refused = [
        ("Status", "Do not Dial", "UnknownStatus"),  # renamed
        ("Status", "Dial", "UnknownStatus"),
        ("Status", "x" * 10_000, "UnknownStatus"),
        ("Status", "No Answer", "UnknownStatus"),
        ("Status", "Successful", "UnknownStatus"),  # a disposition
        ("Status", "gone", "RetiredStatus"),
        ("Disposition", "No Answer", "UnknownStatus"),
        ("Disposition", "To Dial", "UnknownStatus"),
        ("Disposition", "BUSY", "RetiredStatus"),
        ("Attempts", "5", "RetiredStatus"),
        ("Attempts", 5, "RetiredStatus"),
    ]
    for field, name, code in refused:
        with subtests.test(field=field, name=name):
            assert_problem(await update(api, CaseID=7, **{field: name}), 400, code, f"#/Cases/0/{field}")
    assert await office.case(7) == before
    assert (await office.firm()).statuses.all == statuses  # nothing is ever added from the wire

    succeeded(await update(api, CaseID=7, Status="  NICHT Anrufen", Disposition="STRASSE GESPERRT\n"), 7)
    assert (await api.get("GetCaseInfo", CaseID=7)).json()["DialerStatus"] == "Nicht anrufen"
    assert await office.role(7) is Role.DO_NOT_DIAL
    succeeded(await update(api, CaseID=7, Status="paused", Disposition=" keiner DA"), 7)
    assert (await held(office, 7))[0] == "Paused"
    assert await office.history(7) == [
        (DIALER, "Nicht anrufen", ACME),
        (DISPOSITION, "Straße gesperrt", ACME),
        (DIALER, "Paused", ACME),
        (DISPOSITION, "Keiner da", ACME),
    ]


async def test_one_bad_field_spoils_the_whole_item(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7, dialer="In the Dialer", attempts="2")
    before = await office.case(7)
    bad: list[tuple[str, Any, str]] = [
        ("Status", "No such", "UnknownStatus"),
        ("Status", 1, "InvalidParameter"),
        ("NextCall", "tomorrow", "InvalidParameter"),
        ("Attempts", "many", "InvalidParameter"),
        ("Disposition", "No such", "UnknownStatus"),
        ("Disposition", ["Busy"], "InvalidParameter"),
    ]
    for field, value, code in bad:
        with subtests.test(field=field, value=value):
            body = assert_problem(
                await update(api, **{"CaseID": 7, **FULL, field: value}), 400, code, f"#/Cases/0/{field}"
            )
            assert (body["Succeeded"], body["Failed"]) == (0, 1)
            assert await office.case(7) == before
    body = assert_problem(
        await update(api, CaseID="x", NextCall="?", Attempts=-1), 400, "InvalidParameter", "#/Cases/0/CaseID"
    )
    assert {bad["pointer"] for bad in body["errors"]} == {f"#/Cases/0/{n}" for n in ("CaseID", "NextCall", "Attempts")}
    assert await office.history(7) == []


async def test_good_items_of_a_batch_apply(api: Api, office: Office) -> None:
    for case_id in (1, 2, 3):
        await office.add(case_id)
    reply = await api.post(
        METHOD,
        json={
            "Cases": [
                {"CaseID": 3, "Status": "Do not Dial"},
                {"CaseID": 9, "Status": "Do not Dial"},
                {"CaseID": "1", "Status": "No such"},
                {"CaseID": "2", "Attempts": 4},
                {"CaseID": 0},
                {"Status": "Do not Dial"},
                7,
                {"CaseID": 1, "Attempts": 1, "attempts": 2},
            ]
        },
    )
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert (body["Succeeded"], body["Failed"]) == (2, 6)
    assert [(r["CaseID"], r["Success"], r.get("Code")) for r in body["Results"]] == [
        (3, True, None),
        (9, False, "CaseNotFound"),
        ("1", False, "UnknownStatus"),
        ("2", True, None),
        (0, False, "InvalidParameter"),
        (None, False, "MissingParameter"),
        (None, False, "InvalidParameter"),
        (1, False, "ConflictingParameter"),
    ]
    for result in body["Results"]:
        assert set(result) == {"CaseID", "Success"} if result["Success"] else {"CaseID", "Success", "Code", "Message"}
        assert result["Success"] or result["Message"]
    assert [(await held(office, i))[0] for i in (1, 2, 3)] == ["To Dial", "To Dial", "Do not Dial"]
    assert await office.history(1) == []
    assert await office.history(2) == [(ATTEMPTS, "4", ACME)]


async def test_all_items_fail(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    """A problem with the status of the first failure, and the results of all."""
    await office.add(1)
    unknown_case = {"CaseID": 9, "Status": "Do not Dial"}
    unknown_status = {"CaseID": 1, "Status": "No such"}
    wrong_id = {"CaseID": -1}
    for items, status, codes in [
        ([unknown_case], 404, ["CaseNotFound"]),
        ([unknown_case, unknown_status], 404, ["CaseNotFound", "UnknownStatus"]),
        ([unknown_status, unknown_case], 400, ["UnknownStatus", "CaseNotFound"]),
        ([wrong_id, unknown_case, unknown_status], 400, ["InvalidParameter", "CaseNotFound", "UnknownStatus"]),
        ([{"CaseID": 9, "Status": "No such"}], 404, ["CaseNotFound"]),
    ]:
        for body, prefix in (({"Cases": items}, "#/Cases"), (items, "#")):
            with subtests.test(body=body):
                problem = assert_problem(await api.post(METHOD, json=body), status, codes[0])
                assert (problem["Succeeded"], problem["Failed"]) == (0, len(items))
                assert [r["Code"] for r in problem["Results"]] == codes
                assert [r["CaseID"] for r in problem["Results"]] == [item["CaseID"] for item in items]
                assert not any(r["Success"] for r in problem["Results"])
                if unknown_status in items:
                    pointers = [bad["pointer"] for bad in problem["errors"]]
                    assert f"{prefix}/{items.index(unknown_status)}/Status" in pointers
    problem = assert_problem(await api.post(METHOD, json=unknown_status), 400, "UnknownStatus", "#/Status")
    assert [r["CaseID"] for r in problem["Results"]] == [1]
    problem = assert_problem(await api.post(METHOD, params=unknown_case), 404, "CaseNotFound")
    assert [r["CaseID"] for r in problem["Results"]] == ["9"]
    assert await office.history(1) == []


async def test_a_case_twice_in_a_batch(api: Api, office: Office) -> None:
    await office.add(7, dialer="In the Dialer")
    items = [
        {"CaseID": 7, "NextCall": "2026-01-01T00:00:00"},  # not yet To Dial
        {"CaseID": "7", "Status": "To Dial", "Attempts": 1},
        {"CaseID": 7, "NextCall": "2026-05-06T09:00:00", "Attempts": 2},
        {"CaseID": 7, "Attempts": "many", "Disposition": "Busy"},
        {"CaseID": 7, "Disposition": "No Answer"},
    ]
    reply = await api.post(METHOD, json=items)
    assert [result["Success"] for result in reply.json()["Results"]] == [False, True, True, False, True]
    assert await held(office, 7) == ("To Dial", NINE_O_CLOCK, "2", "No Answer")
    assert await office.history(7) == [
        (DIALER, "To Dial", ACME),
        (ATTEMPTS, "1", ACME),
        (DIALER, "To Dial", ACME),
        (ATTEMPTS, "2", ACME),
        (DISPOSITION, "No Answer", ACME),
    ]


async def test_case_id_echoes_the_scalar_that_was_sent(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    for sent in (7, "7", "007"):
        with subtests.test(sent=sent):
            succeeded(await update(api, CaseID=sent), sent)
    scalars: list[Any] = [0, -7, 7.5, 1e300, 10**300, 2**63, "", " 7", "seven", "Größe 😀", "7" * 5000]
    for sent in scalars:
        with subtests.test(sent=sent):
            for body in ({"Cases": [{"CaseID": sent}]}, {"CaseID": sent}):
                reply = await api.post(METHOD, json=body)
                assert reply.status_code == 400, reply.text
                (result,) = reply.json()["Results"]
                assert result["CaseID"] == sent
    for sent in (None, True, False, [], [7], {}, {"CaseID": 7}):  # what is neither a number nor text is not echoed
        with subtests.test(sent=sent):
            (result,) = (await update(api, CaseID=sent)).json()["Results"]
            assert result["CaseID"] is None
    assert await office.history(7) == []


async def test_how_many_items(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    firm = await office.firm()
    statuses = {StatusType.DIALER: firm.statuses.with_role(Role.TO_DIAL)}
    async with office.store.write() as tx:
        await cases.add(tx, firm, [Case(case_id=i, statuses=statuses, dial_at=PAST) for i in range(1, 1002)])
    items = [{"CaseID": case_id, "Status": "Do not Dial"} for case_id in range(1001, 0, -1)]
    for too_many, pointer in (({"Cases": items}, "#/Cases"), (items, "#"), ([{"CaseID": 1}] * 1001, "#")):
        reply = await api.post(METHOD, json=too_many)
        assert_problem(reply, 413, "TooManyItems")
        with subtests.test(pointer=pointer):
            assert_problem(reply, 413, "TooManyItems", pointer)
    for nothing, pointer in (({"Cases": []}, "#/Cases"), ([], "#")):
        assert_problem(await api.post(METHOD, json=nothing), 400, "InvalidParameter", pointer)
    assert await office.role(1001) is Role.TO_DIAL
    succeeded(await api.post(METHOD, json={"Cases": items[:1000]}), *range(1001, 1, -1))
    assert [case["CaseID"] for case in (await api.get("GetCasesToDial", Records=1000)).json()] == [1]
    reply = await api.post(METHOD, json=[{"CaseID": -1, "Status": 5}] * 1000)
    assert reply.status_code == 400
    assert reply.json()["Failed"] == 1000


async def test_times(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    """The firm is in Chicago: UTC-6 in winter, UTC-5 in summer."""
    await office.add(7)
    for sent, shown, instant in [
        ("2026-05-06T09:00:00", "2026-05-06T09:00:00", datetime(2026, 5, 6, 14, tzinfo=UTC)),
        ("2026-01-06T09:00:00", "2026-01-06T09:00:00", datetime(2026, 1, 6, 15, tzinfo=UTC)),
        ("2026-05-06T09:00:00.5", "2026-05-06T09:00:00", datetime(2026, 5, 6, 14, 0, 0, 500000, tzinfo=UTC)),
        ("2026-05-06T09:00:59.999999", "2026-05-06T09:00:59", datetime(2026, 5, 6, 14, 0, 59, 999999, tzinfo=UTC)),
        ("2026-05-06T14:00:00Z", "2026-05-06T09:00:00", datetime(2026, 5, 6, 14, tzinfo=UTC)),
        ("2026-05-06T14:00:00.0000000Z", "2026-05-06T09:00:00", datetime(2026, 5, 6, 14, tzinfo=UTC)),
        ("2026-05-06T09:00:00-05:00", "2026-05-06T09:00:00", datetime(2026, 5, 6, 14, tzinfo=UTC)),
        ("2026-05-06T19:30:00.25+05:30", "2026-05-06T09:00:00", datetime(2026, 5, 6, 14, 0, 0, 250000, tzinfo=UTC)),
        ("2026-05-06T02:00:00Z", "2026-05-05T21:00:00", datetime(2026, 5, 6, 2, tzinfo=UTC)),
        ("2024-02-29T23:59:59", "2024-02-29T23:59:59", datetime(2024, 3, 1, 5, 59, 59, tzinfo=UTC)),
        # Spring forward: 02:00 to 02:59:59 do not exist and move forward by the gap.
        ("2026-03-08T01:59:59", "2026-03-08T01:59:59", datetime(2026, 3, 8, 7, 59, 59, tzinfo=UTC)),
        ("2026-03-08T02:00:00", "2026-03-08T03:00:00", datetime(2026, 3, 8, 8, tzinfo=UTC)),
        ("2026-03-08T02:30:00", "2026-03-08T03:30:00", datetime(2026, 3, 8, 8, 30, tzinfo=UTC)),
        ("2026-03-08T03:00:00", "2026-03-08T03:00:00", datetime(2026, 3, 8, 8, tzinfo=UTC)),
        # Autumn: 01:00 to 01:59:59 come twice and mean the first; an offset can name the second.
        ("2026-11-01T01:30:00", "2026-11-01T01:30:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("2026-11-01T01:30:00-05:00", "2026-11-01T01:30:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("2026-11-01T01:30:00-06:00", "2026-11-01T01:30:00", datetime(2026, 11, 1, 7, 30, tzinfo=UTC)),
        ("2026-11-01T02:00:00", "2026-11-01T02:00:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        # The range of the vendor's columns.
        ("1900-01-01T00:00:00", "1900-01-01T00:00:00", datetime(1900, 1, 1, 6, tzinfo=UTC)),
        ("2079-06-06T00:00:00", "2079-06-06T00:00:00", datetime(2079, 6, 6, 5, tzinfo=UTC)),
        ("2079-06-06T12:00:00Z", "2079-06-06T07:00:00", datetime(2079, 6, 6, 12, tzinfo=UTC)),
    ]:
        with subtests.test(sent=sent):
            succeeded(await update(api, CaseID=7, NextCall=sent), 7)
            assert (await api.get("GetCaseInfo", CaseID=7)).json()["DialDateTime"] == shown
            assert (await office.case(7)).dial_at == instant
    reply = await api.post(f"{METHOD}?CaseID=7&NextCall=2026-05-06T16:00:00%2B02:00")
    succeeded(reply, "7")
    assert (await office.case(7)).dial_at == NINE_O_CLOCK


async def test_times_that_are_refused(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    wrong: list[Any] = [
        *("1899-12-31T23:59:59", "2079-06-07T00:00:00", "2079-06-08T12:00:00Z", "1899-12-30T00:00:00Z"),
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59"),
        *("0000-01-01T00:00:00", "10000-01-01T00:00:00", "-2026-05-06T09:00:00", "26-05-06T09:00:00"),
        *("2026-02-29T09:00:00", "2026-13-01T09:00:00", "2026-00-01T09:00:00", "2026-04-31T09:00:00"),
        *("2026-05-06T24:00:00", "2026-05-06T09:60:00", "2026-05-06T09:00:60", "2026-05-06T25:00:00"),
        *("2026-05-06", "2026-05-06T09:00", "09:00:00", "2026-05-06 09:00:00", "20260506T090000", "2026-5-6T9:00:00"),
        *("2026-05-06T09:00:00.", "2026-05-06T09:00:00.x", "2026-05-06T09:00:00ZZ", "2026-05-06T09:00:00 Z"),
        *("2026-05-06T09:00:00+24:00", "2026-05-06T09:00:00+05:75", "2026-05-06T09:00:00+5", "2026-05-06T09:00:00 CST"),
        *("２０２６-05-06T09:00:00", "٢٠٢٦-05-06T09:00:00", "05/06/2026 09:00 AM", "tomorrow", "now", "NULL"),
        *("2026-05-06T09:00:00\n", " 2026-05-06T09:00:00", "2026-05-06T09:00:00." + "0" * 5000, "x" * 100_000),
        *(20260506, 1778076000, 1778076000.5, True, ["2026-05-06T09:00:00"], {"NextCall": "2026-05-06T09:00:00"}),
    ]
    for sent in wrong:
        with subtests.test(sent=str(sent)[:40]):
            for status in ("", "To Dial"):
                reply = await update(api, CaseID=7, Status=status, NextCall=sent)
                assert_problem(reply, 400, "InvalidParameter", "#/Cases/0/NextCall")
    assert (await office.case(7)).dial_at == PAST
    assert await office.history(7) == []


async def test_history_says_who_and_when(api: Api, office: Office) -> None:
    await office.add(7)
    before = datetime.now(UTC)
    succeeded(await update(api, CaseID=7, **FULL), 7)
    after = datetime.now(UTC)
    firm = await office.firm()
    async with office.store.read() as tx:
        recorded = (await cases.history(tx, firm, [7]))[7]
    assert [(change.type.label, change.status and change.status.name) for change in recorded] == [
        (DIALER, "To Dial"),
        (DISPOSITION, "Busy"),
        (ATTEMPTS, "3"),
    ]
    assert {change.changed_by for change in recorded} == {ACME}
    assert all(before <= change.changed_at <= after for change in recorded)
    assert recorded[0].dial_at == NINE_O_CLOCK


async def test_a_parameter_twice(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    await office.add(8)
    # Beside Cases, other parameters are siblings that nothing asks for: only Cases itself can conflict.
    conflicts: list[tuple[str, str, str]] = [
        ("CaseID=7&CaseID=8&Attempts=1", "", "#/CaseID"),
        ("CaseID=7&Attempts=1", '{"CaseID":8}', "#/CaseID"),
        ("CaseID=7&Attempts=1&attempts=2", "", "#/Attempts"),
        ("Attempts=1", '{"CaseID":7,"Attempts":2}', "#/Attempts"),
        ("", '{"CaseID":7,"Status":"To Dial","STATUS":"Do not Dial"}', "#/Status"),
        ("", '{"CaseID":7,"NextCall":"2026-05-06T09:00:00","next_call":"2026-05-06T09:00:01"}', "#/NextCall"),
        ("", '{"CaseID":7,"Disposition":"Busy","disposition":"No Answer"}', "#/Disposition"),
        ("", '[{"CaseID":7,"caseID":8,"Attempts":1}]', "#/0/CaseID"),
        ("", '{"Cases":[{"CaseID":7,"Attempts":1,"Attempts":2}]}', "#/Cases/0/Attempts"),
        ("", '{"Cases":[{"CaseID":7,"Attempts":1}],"Cases":[{"CaseID":8,"Attempts":1}]}', "#/Cases"),
        ("", '{"Cases":[{"CaseID":7,"Attempts":1}],"cases":[]}', "#/Cases"),
        ("", '{"Cases":[{"CaseID":7,"Attempts":1}],"cases":[{"CaseID":7,"Attempts":true}]}', "#/Cases"),
        ("Cases=7", '{"Cases":[{"CaseID":7,"Attempts":1}]}', "#/Cases"),
    ]
    for query, body, pointer in conflicts:
        with subtests.test(query=query, body=body):
            reply = await api.post(f"{METHOD}?{query}", content=body or None)
            assert_problem(reply, 400, "ConflictingParameter", pointer)
    assert await office.history(7) == await office.history(8) == []
    same = '{"CaseID":7,"Attempts":1,"attempts":1,"Attempts":null,"Attempts":""}'
    succeeded(await api.post(f"{METHOD}?CaseID=7&Attempts=1", content=same), "7")
    cases_twice = '{"Cases":[{"CaseID":8,"Attempts":1}],"Cases":[{"CaseID":8,"Attempts":1}],"cases":null}'
    succeeded(await api.post(METHOD, content=cases_twice), 8)
    assert await office.history(7) == await office.history(8) == [(ATTEMPTS, "1", ACME)]


async def test_siblings_of_cases_are_ignored(api: Api, office: Office) -> None:
    await office.add(7)
    await office.add(8)
    body = {"Cases": [{"CaseID": 7, "Attempts": 1, "Note": "x"}], "CaseID": 8, "Attempts": 5, "Status": "No such"}
    reply = await api.post(METHOD, json=body, params={"Disposition": "Busy"})
    succeeded(reply, 7)
    ignored = {name.strip() for name in reply.headers["x-ignored-parameters"].split(",")}
    assert ignored == {"CaseID", "Attempts", "Status", "Note", "Disposition"}
    reply = await api.post(METHOD, json=[{"CaseID": 7, "Attempts": 2}], params={"CaseID": 8, "Disposition": "Busy"})
    succeeded(reply, 7)
    assert {name.strip() for name in reply.headers["x-ignored-parameters"].split(",")} == {"CaseID", "Disposition"}
    assert await held(office, 7) == ("To Dial", PAST, "2", None)
    assert await office.history(8) == []


async def test_bodies_that_hold_no_items(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    for body, pointer in [
        ({"Cases": {}}, "#/Cases"),
        ({"Cases": {"CaseID": 7}}, "#/Cases"),
        ({"Cases": 7}, "#/Cases"),
        ({"Cases": "7"}, "#/Cases"),
        ({"Cases": True}, "#/Cases"),
        ({"Cases": 0}, "#/Cases"),
        ("Cases", "#"),
        (7, "#"),
        (0, "#"),
        (True, "#"),
        (1.5, "#"),
    ]:
        with subtests.test(body=body):
            assert_problem(await api.post(METHOD, json=body), 400, "InvalidParameter", pointer)
    for item in (None, 7, "7", True, [], [7], [{"CaseID": 7}]):
        with subtests.test(item=item):
            body = assert_problem(await api.post(METHOD, json={"Cases": [item]}), 400, "InvalidParameter", "#/Cases/0")
            assert [(r["Success"], r["Code"]) for r in body["Results"]] == [(False, "InvalidParameter")]
    for empty in ({}, {"Cases": None}, {"Cases": ""}, {"Cases": [{}]}, [{}], [{"CaseID": ""}]):
        with subtests.test(body=empty):
            assert_problem(await api.post(METHOD, json=empty), 400, "MissingParameter")
    assert_problem(await api.post(METHOD), 400, "MissingParameter", "#/CaseID")
    assert_problem(await api.post(METHOD, data={"Cases": '[{"CaseID":7}]'}), 400, "InvalidParameter", "#/Cases")
    assert await office.history(7) == []


async def test_batches_in_opposite_order_do_not_deadlock(api: Api, office: Office, database_url: str) -> None:
    for case_id in range(1, 11):
        await office.add(case_id)
    items = [{"CaseID": case_id, "Attempts": case_id} for case_id in range(1, 11)]
    other_server = create_app(Settings(database_url=database_url, log_level="error"))
    transport = httpx.ASGITransport(app=other_server)
    async with httpx.AsyncClient(transport=transport, base_url="http://other.test") as other_http:
        other = Api(other_http, office.key)
        replies = await asyncio.gather(
            *(c.post(METHOD, json=i) for _ in range(4) for c, i in ((api, items), (other, items[::-1])))
        )
    await other_server.close()
    assert [reply.json()["Succeeded"] for reply in replies] == [10] * 8
    assert len(await office.history(1)) == len(await office.history(10)) == 8
