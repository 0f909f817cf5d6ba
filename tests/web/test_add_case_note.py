"""AddCaseNote: one note or many, on one case or many."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from casedial.domain.cases import Case
from casedial.storage import cases
from tests.conftest import Api, Office, assert_problem

METHOD = "AddCaseNote"
LIMIT = 64 * 1024  # bytes of UTF-8


def succeeded(reply: httpx.Response, *echoes: object) -> None:
    assert reply.status_code == 200, reply.text
    results = [{"CaseID": echo, "Success": True} for echo in echoes]
    assert reply.json() == {"Succeeded": len(echoes), "Failed": 0, "Results": results}


async def texts(office: Office, case_id: int) -> list[str]:
    return [note.text for note in await office.notes(case_id)]


async def test_every_form_verb_and_spelling(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    async def post(**rest: Any) -> httpx.Response:
        return await api.post(METHOD, **rest)

    async def put(**rest: Any) -> httpx.Response:
        return await api.http.put(f"{api.base}/{METHOD}", headers={"X-ApiKey": api.key}, **rest)

    await office.add(7)
    await office.add(8)
    count = 0
    for case_id, note, of_cases in [
        ("CaseID", "Note", "Cases"),
        ("case_id", "NOTE", "CASES"),
        ("CASE ID", "no-te", "ca ses"),
    ]:
        one: dict[str, Any] = {case_id: 7}
        both: dict[str, Any] = {case_id: [7, "8"]}
        for send in (post, put):
            said = {note: f"{case_id} {note} {send.__name__}"}
            for form, reply, echoes in [
                ("JSON", await send(json=one | said), [7]),
                ("JSON list", await send(json=both | said), [7, "8"]),
                ("JSON untyped", await send(content=json.dumps(both | said)), [7, "8"]),
                ("Cases", await send(json={of_cases: [one | said, {case_id: "8"} | said]}), [7, "8"]),
                ("query", await send(params=one | said), ["7"]),
                ("query, repeated", await send(params=both | said), ["7", "8"]),
                ("form", await send(data=one | said), ["7"]),
                ("form, repeated", await send(data=both | said), ["7", "8"]),
                ("query and form", await send(params=one, data={case_id: "8"} | said), ["7", "8"]),
                ("query and JSON", await send(params=said, json=both), [7, "8"]),
            ]:
                with subtests.test(form=form, case_id=case_id):
                    succeeded(reply, *echoes)
            count += 1
            assert (await texts(office, 7))[-10:] == [said[note]] * 10
            assert len(await texts(office, 7)) == 10 * count
            assert len(await texts(office, 8)) == 7 * count


async def test_what_is_stored(api: Api, office: Office) -> None:
    """Plain text as it was sent; the author is the vendor; nothing else of the case changes."""
    await office.add(7, closed=True, dialer="Do not Dial")
    before = await office.case(7)
    sent = [
        "Call back after 5 pm",
        "  leading, and\ttrailing \r\n\n",
        "<script>alert(1)</script> & \"quotes\" 'single' %s {0} \\ /",
        "Größe 😀 – 你好 \u202e \u0301 \x01 \x7f \ufeff \uffff",
        "0",
        "null",
        "'; DROP TABLE notes; --",
    ]
    started = datetime.now(UTC)
    for text in sent:
        succeeded(await api.post(METHOD, json={"CaseID": 7, "Note": text}), 7)
        succeeded(await api.post(METHOD, data={"CaseID": "7", "Note": text}), "7")
    ended = datetime.now(UTC)
    stored = await office.notes(7)
    assert [note.text for note in stored] == [text for text in sent for _ in range(2)]
    assert {(note.case_id, note.author) for note in stored} == {(7, "Acme Dialer")}
    assert all(started <= note.created_at <= ended for note in stored)
    assert ended - started < timedelta(minutes=1)
    assert await office.case(7) == before
    assert await office.history(7) == []


async def test_repeats(api: Api, office: Office) -> None:
    """In a list of CaseIDs a repeat counts once; in the Cases form it is a second note."""
    for case_id in (7, 8):
        await office.add(case_id)
    said = {"Note": "once"}
    succeeded(await api.post(METHOD, json={"CaseID": [7, 8, 7, "7", "007"], **said}), 7, 8)
    succeeded(await api.post(METHOD, params={"CaseID": [8, 7, 8], **said}), "8", "7")
    succeeded(await api.post(METHOD, data={"CaseID": ["7", "7"], **said}), "7")
    succeeded(await api.post(METHOD, content='{"CaseID":7,"caseid":[7,8],"Note":"once"}', params={"CaseID": 7}), "7", 8)
    assert (await texts(office, 7), await texts(office, 8)) == (["once"] * 4, ["once"] * 3)

    reply = await api.post(METHOD, json={"CaseID": [9, 7, 9], **said})
    assert [(r["CaseID"], r["Success"]) for r in reply.json()["Results"]] == [(9, False), (7, True)]

    items = [{"CaseID": 7, "Note": "first"}, {"CaseID": "7", "Note": "second"}, {"CaseID": 7, "Note": "second"}]
    succeeded(await api.post(METHOD, json={"Cases": items}), 7, "7", 7)
    assert (await texts(office, 7))[-3:] == ["first", "second", "second"]


async def test_good_items_apply(api: Api, office: Office, other_office: Office) -> None:
    for case_id in (1, 2):
        await office.add(case_id)
    await other_office.add(3)
    reply = await api.post(METHOD, json={"CaseID": [2, 9, "1", 0, "x", 3, 7.5, True, [1], None], "Note": "n"})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["Succeeded"], body["Failed"]) == (2, 8)
    assert [(r["CaseID"], r.get("Code")) for r in body["Results"]][:8] == [
        (2, None),
        (9, "CaseNotFound"),
        ("1", None),
        (0, "InvalidParameter"),
        ("x", "InvalidParameter"),
        (3, "CaseNotFound"),  # there is one, but it is another firm's
        (7.5, "InvalidParameter"),
        (None, "InvalidParameter"),  # true is neither a number nor text
    ]
    assert [r["CaseID"] for r in body["Results"]][8:] == [None, None]
    items: list[Any] = [
        {"CaseID": 9, "Note": "n"},
        {"CaseID": 1, "Note": "  "},
        {"CaseID": 1},
        {"Note": "n"},
        "n",
        {"CaseID": "2", "Note": "m"},
        {"CaseID": 1, "Note": 5},
        {"CaseID": 1, "Note": "a", "note": "b"},
    ]
    body = (await api.post(METHOD, json={"Cases": items})).json()
    assert (body["Succeeded"], body["Failed"]) == (1, 7)
    assert [(r["CaseID"], r.get("Code")) for r in body["Results"]] == [
        (9, "CaseNotFound"),
        (1, "InvalidParameter"),
        (1, "MissingParameter"),
        (None, "MissingParameter"),
        (None, "InvalidParameter"),
        ("2", None),
        (1, "InvalidParameter"),
        (1, "ConflictingParameter"),
    ]
    for result in body["Results"]:
        assert set(result) == {"CaseID", "Success"} if result["Success"] else {"CaseID", "Success", "Code", "Message"}
    assert (await texts(office, 1), await texts(office, 2)) == (["n"], ["n", "m"])
    assert await texts(other_office, 3) == []


async def test_all_items_fail(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    for body, status, codes in [
        ({"CaseID": 9, "Note": "n"}, 404, ["CaseNotFound"]),
        ({"CaseID": [9, 0], "Note": "n"}, 404, ["CaseNotFound", "InvalidParameter"]),
        ({"CaseID": [0, 9], "Note": "n"}, 400, ["InvalidParameter", "CaseNotFound"]),
        ({"Cases": [{"CaseID": 9, "Note": "n"}, {"CaseID": 7}]}, 404, ["CaseNotFound", "MissingParameter"]),
        (
            {"Cases": [{"CaseID": 7, "Note": [1]}, {"CaseID": 9, "Note": "n"}]},
            400,
            ["InvalidParameter", "CaseNotFound"],
        ),
    ]:
        with subtests.test(body=body):
            problem = assert_problem(await api.post(METHOD, json=body), status, codes[0])
            assert (problem["Succeeded"], problem["Failed"]) == (0, len(codes))
            assert [result["Code"] for result in problem["Results"]] == codes
    for value, pointer in [("x", "#/Cases/0/CaseID"), (None, "#/Cases/0/CaseID"), (7, "#/Cases/0/Note")]:
        with subtests.test(value=value):
            reply = await api.post(METHOD, json={"Cases": [{"CaseID": value, "Note": " "}]})
            assert reply.status_code == 400
            assert pointer in [bad["pointer"] for bad in reply.json()["errors"]]
    assert await texts(office, 7) == []


async def test_requests_that_note_nothing(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    wrong: list[tuple[Any, str, str]] = [
        ({}, "MissingParameter", "#/CaseID"),
        ({"CaseID": 7}, "MissingParameter", "#/Note"),
        ({"Note": "n"}, "MissingParameter", "#/CaseID"),
        ({"CaseID": None, "Note": "n"}, "MissingParameter", "#/CaseID"),
        ({"CaseID": 7, "Note": None}, "MissingParameter", "#/Note"),
        ({"CaseID": 7, "Note": 5}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": 5.5}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": True}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": False}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": ["n"]}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": []}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": {}}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": {"Note": "n"}}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": " "}, "InvalidParameter", "#/Note"),
        ({"CaseID": 7, "Note": "\r\n\t \u00a0\u2003"}, "InvalidParameter", "#/Note"),
        ({"Cases": []}, "InvalidParameter", "#/Cases"),
        ({"Cases": {}}, "InvalidParameter", "#/Cases"),
        ({"Cases": {"CaseID": 7, "Note": "n"}}, "InvalidParameter", "#/Cases"),
        ({"Cases": "7"}, "InvalidParameter", "#/Cases"),
        ({"Cases": 7}, "InvalidParameter", "#/Cases"),
        ({"Cases": [7]}, "InvalidParameter", "#/Cases/0"),
        ({"Cases": [None]}, "InvalidParameter", "#/Cases/0"),
        ("n", "InvalidParameter", "#"),
        (7, "InvalidParameter", "#"),
    ]
    for body, code, pointer in wrong:
        with subtests.test(body=body):
            assert_problem(await api.post(METHOD, json=body), 400, code, pointer)
    for empty in ({"CaseID": 7, "Note": ""}, {"CaseID": "", "Note": "n"}, {"CaseID": [], "Note": "n"}):
        with subtests.test(body=empty):  # an empty required value: absent or wrong, a 400 that names it
            reply = await api.post(METHOD, json=empty)
            assert reply.status_code == 400
            name = "Note" if empty["CaseID"] == 7 else "CaseID"
            assert [bad["pointer"] for bad in reply.json()["errors"]] == [f"#/{name}"]
    for text in ("", " ", "\n"):
        with subtests.test(form=text):
            for form in ({"data": {"CaseID": "7", "Note": text}}, {"params": {"CaseID": "7", "Note": text}}):
                reply = await api.post(METHOD, **form)
                assert reply.status_code == 400
                assert [bad["pointer"] for bad in reply.json()["errors"]] == ["#/Note"]
    for query, body in [
        ("CaseID=7&Note=a&Note=b", None),
        ("CaseID=7&Note=a", '{"note":"b"}'),
        ("", '{"CaseID":7,"Note":"a","Note":"b"}'),
        ("", '{"CaseID":7,"Note":"a","NOTE":"a "}'),
    ]:
        with subtests.test(query=query, body=body):  # only CaseID may repeat
            reply = await api.post(f"{METHOD}?{query}", content=body)
            assert_problem(reply, 400, "ConflictingParameter", "#/Note")
    reply = await api.post(METHOD, content='{"Cases":[{"CaseID":7,"Note":"a"}],"cases":[{"CaseID":7,"Note":"b"}]}')
    assert_problem(reply, 400, "ConflictingParameter", "#/Cases")
    assert await texts(office, 7) == []
    succeeded(await api.post(f"{METHOD}?CaseID=7&Note=a&Note=a", content='{"NOTE":"a","note":""}'), "7")


async def test_length_of_a_note(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7)
    longest = ["x" * LIMIT, "é" * (LIMIT // 2), "😀" * (LIMIT // 4), "x" + "€" * (LIMIT // 3)]
    assert {len(text.encode()) for text in longest} == {LIMIT}
    for text in longest:
        succeeded(await api.post(METHOD, json={"CaseID": 7, "Note": text}), 7)
        succeeded(await api.post(METHOD, data={"CaseID": 7, "Note": text}), "7")
    assert await texts(office, 7) == [text for text in longest for _ in range(2)]

    long = "é" * (LIMIT // 2) + "x"
    good = {"CaseID": 7, "Note": "good"}
    requests: dict[str, dict[str, Any]] = {
        "JSON": {"json": {"CaseID": 7, "Note": long}},
        "list": {"json": {"CaseID": [7, 9], "Note": long}},
        "form": {"data": {"CaseID": "7", "Note": long}},
        # Anywhere in a batch it refuses the whole of it, whatever else is wrong with its item.
        "second item": {"json": {"Cases": [good, {"CaseID": 7, "Note": long}]}},
        "first item": {"json": {"Cases": [{"CaseID": 7, "Note": long}, good]}},
        "unknown case": {"json": {"Cases": [good, {"CaseID": 9, "Note": long}]}},
        "impossible case": {"json": {"Cases": [good, {"CaseID": "x", "Note": long}]}},
        "no case": {"json": {"Cases": [good, {"Note": long}]}},
        "no CaseID": {"json": {"Note": long}},
        "sent twice": {"json": {"Cases": [good, {"CaseID": 7, "Note": "short", "note": long}]}},
    }
    for name, request in requests.items():
        with subtests.test(name=name):
            assert_problem(await api.post(METHOD, **request), 413, "NoteTooLong")
    for name, pointer in [("JSON", "#/Note"), ("form", "#/Note"), ("second item", "#/Cases/1/Note")]:
        with subtests.test(name=name, pointer=pointer):
            assert_problem(await api.post(METHOD, **requests[name]), 413, "NoteTooLong", pointer)
    assert len(await texts(office, 7)) == 8


async def test_how_many_items(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    firm = await office.firm()
    async with office.store.write() as tx:
        await cases.add(tx, firm, [Case(case_id=case_id) for case_id in range(1, 1002)])
    ids = list(range(1001, 0, -1))
    too_many: list[tuple[dict[str, Any], str]] = [
        ({"json": {"CaseID": ids, "Note": "n"}}, "#/CaseID"),
        ({"data": {"CaseID": ids, "Note": "n"}}, "#/CaseID"),
        ({"params": {"CaseID": ids, "Note": "n"}}, "#/CaseID"),
        ({"content": '{"Note":"n"' + "".join(f',"CaseID":{i}' for i in ids) + "}"}, "#/CaseID"),
        ({"json": {"Cases": [{"CaseID": i, "Note": "n"} for i in ids]}}, "#/Cases"),
        ({"json": {"Cases": [{"CaseID": 1, "Note": "n"}] * 1001}}, "#/Cases"),
    ]
    for request, pointer in too_many:
        reply = await api.post(METHOD, **request)
        assert_problem(reply, 413, "TooManyItems")
        with subtests.test(request=str(request)[:40]):
            assert_problem(reply, 413, "TooManyItems", pointer)
    with subtests.test("a form of 3000"):
        assert_problem(await api.post(METHOD, data={"CaseID": list(range(1, 3001)), "Note": "n"}), 413, "TooManyItems")
    assert await texts(office, 1001) == await texts(office, 1) == []
    ids.remove(1)
    succeeded(await api.post(METHOD, json={"CaseID": ids, "Note": "list"}), *ids)
    succeeded(await api.post(METHOD, data={"CaseID": ids, "Note": "form"}), *map(str, ids))
    succeeded(await api.post(METHOD, json={"Cases": [{"CaseID": i, "Note": "Cases"} for i in ids]}), *ids)
    for case_id in (2, 500, 1001):
        assert await texts(office, case_id) == ["list", "form", "Cases"]
    assert await texts(office, 1) == []


async def test_siblings_of_cases_are_ignored(api: Api, office: Office) -> None:
    await office.add(7)
    await office.add(8)
    body = {"Cases": [{"CaseID": 7, "Note": "n", "Status": "x"}], "CaseID": 8, "Note": "m"}
    reply = await api.post(METHOD, json=body, params={"Records": "1"})
    succeeded(reply, 7)
    ignored = {name.strip() for name in reply.headers["x-ignored-parameters"].split(",")}
    assert ignored == {"CaseID", "Note", "Status", "Records"}
    assert (await texts(office, 7), await texts(office, 8)) == (["n"], [])


async def test_a_long_note_to_many_cases_is_too_much(api: Api, office: Office) -> None:
    """One note stands in the request once, and in the database as often as there are cases."""
    for case_id in range(1, 259):
        await office.add(case_id)
    note = "n" * 64 * 1024
    reply = await api.post("AddCaseNote", {"CaseID": [*range(1, 258)], "Note": note})
    assert "257 cases would get" in assert_problem(reply, 413, "NotesTooLarge")["detail"]
    assert await office.notes(1) == []
    reply = await api.post("AddCaseNote", {"CaseID": [*range(2, 258), 999], "Note": note})
    assert (reply.status_code, reply.json()["Succeeded"]) == (200, 256)
