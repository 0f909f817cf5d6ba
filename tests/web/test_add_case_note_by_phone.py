"""AddCaseNoteByPhone: to which cases a note goes that names a number and no case."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from casedial.database.tables import phone_numbers
from casedial.domain import dialing
from casedial.domain.cases import Phone
from casedial.web.turns import Turns
from tests.conftest import Api, Office, assert_problem

METHOD = "AddCaseNoteByPhone"
NUMBER = "4025551234"
OTHER = "4025550000"


async def noted(office: Office, *case_ids: int) -> dict[int, list[str]]:
    """The notes of those of the cases that have any."""
    found = {case_id: [note.text for note in await office.notes(case_id)] for case_id in case_ids}
    return {case_id: texts for case_id, texts in found.items() if texts}


def recipients(reply: httpx.Response) -> list[int]:
    assert reply.status_code == 200, reply.text
    body = reply.json()
    case_ids = sorted(result["CaseID"] for result in body["Results"])
    assert body["Results"] == [{"CaseID": result["CaseID"], "Success": True} for result in body["Results"]]
    assert (body["Succeeded"], body["Failed"]) == (len(case_ids), 0)
    return case_ids


async def test_every_form_verb_and_spelling(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    async def post(**rest: Any) -> httpx.Response:
        return await api.post(METHOD, **rest)

    async def put(**rest: Any) -> httpx.Response:
        return await api.http.put(f"{api.base}/{METHOD}", headers={"X-ApiKey": api.key}, **rest)

    await office.add(7, phones=(Phone("Cell", NUMBER),))
    count = 0
    for phone, note in [
        ("Phone", "Note"),
        ("PHONE", "note"),
        ("PhoneNumber", "Note"),
        ("phone_number", "NO-TE"),
        ("Phone Number", "no te"),
        ("pho-ne", "Note"),
    ]:
        sent = {phone: NUMBER, note: f"{phone} and {note}"}
        for send in (post, put):
            for form, reply in [
                ("JSON", await send(json=sent)),
                ("form", await send(data=sent)),
                ("query", await send(params=sent)),
                ("query and form", await send(params={phone: NUMBER}, data={note: sent[note]})),
                ("both names, one number", await send(params=sent, json={"Phone": f"+1 {NUMBER}", "PhoneNumber": ""})),
            ]:
                with subtests.test(form=form, sent=sent, send=send.__name__):
                    assert recipients(reply) == [7]
                count += 1
        assert (await office.notes(7))[-1].text == sent[note]
    assert len(await office.notes(7)) == count


async def test_open_cases_or_else_closed_ones(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    """Formally closed is a flag of its own: the name of the case status says nothing."""
    opened: dict[str, Any] = {"case_status": "LIT 04 - Answer Received"}
    closed: dict[str, Any] = {"case_status": "Closed - Settled", "closed": True}
    groups: list[tuple[list[dict[str, Any]], list[int]]] = [
        ([opened], [0]),
        ([closed], [0]),
        ([opened, closed, opened], [0, 2]),
        ([closed, closed], [0, 1]),
        ([closed, {}, closed], [1]),  # no case status: open
        ([{"closed": True}, opened], [1]),  # no case status, but flagged
        ([{"case_status": "LIT 04 - Answer Received", "closed": True}, closed, {"closed": True}], [0, 1, 2]),
        ([{"case_status": "CLOSED"}, closed], [0]),  # called closed, not flagged
        ([{"closed": True, "closed_on": date(2025, 1, 31)}, opened], [1]),
        ([{"closed": True, "closed_on": date(2099, 1, 31)}, closed], [0, 1]),
        ([{**opened, "dialer": "Do not Dial"}, {**opened, "dialer": None}, {**closed, "dialer": "To Dial"}], [0, 1]),
    ]
    for index, (facts, expected) in enumerate(groups):
        with subtests.test(facts=facts):
            first = index * 10 + 1
            number = f"40255510{index:02}"
            for offset, fact in enumerate(facts):
                await office.add(first + offset, phones=(Phone("Home", OTHER, True), Phone("Cell", number)), **fact)
            reply = await api.post(METHOD, json={"Phone": number, "Note": "n"})
            assert recipients(reply) == [first + offset for offset in expected]
            everyone = [first + offset for offset in range(len(facts))]
            assert await noted(office, *everyone) == {first + offset: ["n"] for offset in expected}


async def test_any_phone_of_the_case_but_a_fax(api: Api, office: Office, other_office: Office) -> None:
    def phones(*named: tuple[str, str]) -> tuple[Phone, ...]:
        return tuple(Phone(name, number, primary=index == 0) for index, (name, number) in enumerate(named))

    everyone = list(range(1, 9))
    await office.add(1, phones=phones(("Home", NUMBER)))
    await office.add(2, phones=phones(("Home", OTHER), ("Work", "4025550001"), ("Cell", NUMBER)))
    await office.add(3, phones=phones(("Home", NUMBER), ("Cell", f"+1 {NUMBER}"), ("Fax", NUMBER)))  # one note, not two
    await office.add(4, phones=phones(("Fax", NUMBER)))
    await office.add(5, phones=phones(("Home", OTHER), ("Office fax", NUMBER), ("FAX-2", NUMBER)))
    await office.add(6, phones=phones(("Halifax", NUMBER)))
    await office.add(7, phones=())
    await office.add(8, phones=phones(("Home", "4025551235"), ("Cell", "402555123"), ("Work", "402 555 1234 5")))
    await other_office.add(1, phones=phones(("Home", NUMBER)))
    await other_office.add(9, phones=phones(("Home", NUMBER)))
    before = [await office.case(case_id) for case_id in everyone]
    started = datetime.now(UTC)
    assert recipients(await api.post(METHOD, json={"Phone": NUMBER, "Note": " <b>n</b>\n"})) == [1, 2, 3, 6]
    ended = datetime.now(UTC)
    assert await noted(office, *everyone) == {case_id: [" <b>n</b>\n"] for case_id in (1, 2, 3, 6)}
    assert await noted(other_office, 1, 9) == {}
    note = (await office.notes(2))[0]
    assert (note.author, note.case_id) == ("Acme Dialer", 2)
    assert started <= note.created_at <= ended
    assert [await office.case(case_id) for case_id in everyone] == before
    assert await office.history(1) == []
    other_api = Api(api.http, other_office.key)
    assert recipients(await other_api.post(METHOD, json={"Phone": NUMBER, "Note": "n"})) == [1, 9]


SPELLINGS = [
    NUMBER,
    "402-555-1234",
    "(402) 555-1234",
    "402.555.1234",
    " 402 555 1234\t",
    "14025551234",
    "+14025551234",
    "1-402-555-1234",
    "+1 (402) 555-1234",
    "tel:+1-402-555-1234",
    "tel:+1-402-555-1234;ext=12",
    "402-555-1234 x12",
    "402-555-1234x1",
    "402-555-1234 ext 12",
    "402-555-1234 Ext. 12345",
    "(402) 555-1234 EXTENSION 7",
    "402-555-1234 #12",
    "1 402 555 1234 ext.9",
]


async def test_numbers_are_compared_as_ten_digits(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    for case_id, spelled in enumerate(SPELLINGS, 1):
        await office.add(case_id, phones=(Phone("Cell", spelled),))
    everyone = list(range(1, len(SPELLINGS) + 1))
    for spelled in SPELLINGS:
        with subtests.test(spelled=spelled):
            assert recipients(await api.post(METHOD, json={"Phone": spelled, "Note": spelled})) == everyone
            assert recipients(await api.post(METHOD, data={"PhoneNumber": spelled, "Note": spelled})) == everyone
    # Ten digits are the only test: no telephone company would give out this one.
    await office.add(100, phones=(Phone("Cell", "000-000-0000"),))
    assert recipients(await api.post(METHOD, json={"Phone": "0000000000", "Note": "n"})) == [100]


async def test_a_number_nobody_has(api: Api, office: Office, other_office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7, phones=(Phone("Cell", NUMBER), Phone("Fax", OTHER)))
    await other_office.add(8, phones=(Phone("Cell", "4025559999"),))
    for phone in ("4025551235", "0000000000", "999-999-9999", OTHER, "4025559999", "5551234402"):
        with subtests.test(phone=phone):
            assert_problem(await api.post(METHOD, json={"Phone": phone, "Note": "n"}), 404, "PhoneNotFound")
    assert await noted(office, 7) == {}
    assert await noted(other_office, 8) == {}


async def test_what_is_refused(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7, phones=(Phone("Cell", NUMBER), Phone("Old", "555-1234"), Phone("Wien", "+43 1 58858")))
    texts = [
        *("555-1234", "402555123", "40255512345", "24025551234", "114025551234", "+44 20", "+1 402 555 12"),
        *("x", "ext 5", "call me", "-", " ", "+", "402-555-123 x4", "4025551234 4025551234", "4" * 100, "4" * 5000),
        *("x" * 5000, "402555" + "x1" * 400, "１４０２", "*"),
    ]
    others: list[Any] = [True, False, 5, 402555123, 4025551234.5, [], [NUMBER], {}, {"Phone": NUMBER}]
    for phone in [*texts, *others]:
        with subtests.test(phone=str(phone)[:30]):
            reply = await api.post(METHOD, json={"Phone": phone, "Note": "n"})
            assert_problem(reply, 400, "InvalidParameter", "#/Phone")
    for phone in texts:
        with subtests.test(form=phone[:30]):
            reply = await api.post(METHOD, data={"Phone": phone, "Note": "n"})
            assert_problem(reply, 400, "InvalidParameter", "#/Phone")
    wrong: list[tuple[Any, str, str]] = [
        ({}, "MissingParameter", "#/Phone"),
        ({"Note": "n"}, "MissingParameter", "#/Phone"),
        ({"Phone": None, "Note": "n"}, "MissingParameter", "#/Phone"),
        ({"Phone": NUMBER}, "MissingParameter", "#/Note"),
        ({"Phone": NUMBER, "Note": None}, "MissingParameter", "#/Note"),
        ({"Phone": NUMBER, "Note": " \n"}, "InvalidParameter", "#/Note"),
        ({"Phone": NUMBER, "Note": 5}, "InvalidParameter", "#/Note"),
        ({"Phone": NUMBER, "Note": True}, "InvalidParameter", "#/Note"),
        ({"Phone": NUMBER, "Note": ["n"]}, "InvalidParameter", "#/Note"),
        ({"Phone": NUMBER, "Note": {"n": "n"}}, "InvalidParameter", "#/Note"),
        ([{"Phone": NUMBER, "Note": "n"}], "InvalidParameter", "#"),
        (NUMBER, "InvalidParameter", "#"),
    ]
    for body, code, pointer in wrong:
        with subtests.test(body=body):
            assert_problem(await api.post(METHOD, json=body), 400, code, pointer)
    for empty, pointer in [
        ({"Phone": "", "Note": "n"}, "#/Phone"),
        ({"Phone": NUMBER, "Note": ""}, "#/Note"),
    ]:
        with subtests.test(body=empty):  # absent or wrong: either way a 400 that names it
            reply = await api.post(METHOD, json=empty)
            assert reply.status_code == 400
            assert [bad["pointer"] for bad in reply.json()["errors"]] == [pointer]
    for query, body, name in [
        (f"Phone={NUMBER}&Phone={OTHER}&Note=n", None, "Phone"),
        (f"Phone={NUMBER}&PhoneNumber={OTHER}&Note=n", None, "Phone"),
        (f"Phone={NUMBER}", '{"phone_number":"4025550000","Note":"n"}', "Phone"),
        (f"Phone={NUMBER}&Note=n&Note=m", None, "Note"),
        ("", '{"Phone":"4025551234","Note":"n","NOTE":"N"}', "Note"),
    ]:
        with subtests.test(query=query, body=body):
            reply = await api.post(f"{METHOD}?{query}", content=body)
            assert_problem(reply, 400, "ConflictingParameter", f"#/{name}")
    assert await noted(office, 7) == {}


async def test_length_of_a_note(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await office.add(7, phones=(Phone("Cell", NUMBER),))
    longest = "€" * (64 * 1024 // 3) + "x"
    assert len(longest.encode()) == 64 * 1024
    assert recipients(await api.post(METHOD, json={"Phone": NUMBER, "Note": longest})) == [7]
    for phone in (NUMBER, OTHER, "555-1234", None):  # a longer one is told before anything else
        with subtests.test(phone=phone):
            reply = await api.post(METHOD, json={"Phone": phone, "Note": longest + "x"})
            assert_problem(reply, 413, "NoteTooLong")
    with subtests.test("names the field"):
        reply = await api.post(METHOD, data={"Phone": NUMBER, "Note": longest + "x"})
        assert_problem(reply, 413, "NoteTooLong", "#/Note")
    assert await noted(office, 7) == {7: [longest]}


async def test_a_number_abroad_is_not_the_us_number_of_the_same_digits(api: Api, office: Office) -> None:
    await office.add(1, phones=(Phone("Cell", "659-234-5678"),))
    await office.add(2, phones=(Phone("Cell", "+65 9234 5678"),))
    await office.add(3, phones=(Phone("Cell", "011 65 9234 5678, ext 9"), Phone("Work", "(402) 555-0000")))
    assert recipients(await api.post(METHOD, json={"Phone": "659-234-5678", "Note": "US"})) == [1]
    for spelled in ("+65 9234 5678", "+65-9234-5678", "0065 9234 5678", "011 65 92345678"):
        assert recipients(await api.post(METHOD, json={"Phone": spelled, "Note": "abroad"})) == [2, 3]
    assert_problem(await api.post(METHOD, json={"Phone": "+65 9234 5679", "Note": "n"}), 404, "PhoneNotFound")
    assert await noted(office, 1, 2, 3) == {1: ["US"], 2: ["abroad"] * 4, 3: ["abroad"] * 4}


async def test_each_number_of_a_cell(api: Api, office: Office) -> None:
    await office.add(1, phones=(Phone("Cell", f"{NUMBER} / {OTHER}"),))
    for phone in (NUMBER, OTHER):
        assert recipients(await api.post(METHOD, json={"Phone": phone, "Note": "n"})) == [1]
    shown = (await api.get("GetCaseInfo", CaseID=1)).json()
    assert [phone["Phone"] for phone in shown["Phones"]] == [NUMBER, OTHER]


async def test_a_key_that_an_older_server_stored_is_not_believed(api: Api, office: Office) -> None:
    await office.add(1, phones=(Phone("Cell", "+65 9234 5678"),))
    firm = await office.firm()
    async with office.store.write() as tx:
        await tx.execute(phone_numbers.insert().values(firm_id=firm.id, number="6592345678", case_id=1))
    assert_problem(await api.post(METHOD, json={"Phone": "6592345678", "Note": "n"}), 404, "PhoneNotFound")


async def test_a_note_to_many_cases_has_a_bound(api: Api, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the cases that have the number, and of what is written to them; what is beyond is refused as a whole."""
    for case_id in (1, 2, 3, 4):
        await office.add(case_id, phones=(Phone("Cell", NUMBER),), closed=case_id == 4)
    monkeypatch.setattr(dialing, "MAX_NOTES_BYTES", 6 * 1024)
    reply = await api.post(METHOD, json={"Phone": NUMBER, "Note": "n" * 2049})
    assert "3 cases would get" in assert_problem(reply, 413, "NotesTooLarge")["detail"]
    monkeypatch.setattr(dialing, "MOST_NOTES", 3)
    reply = await api.post(METHOD, json={"Phone": NUMBER, "Note": "n"})
    assert "More than 3 cases have this number" in assert_problem(reply, 413, "NotesTooLarge")["detail"]
    assert await noted(office, 1, 2, 3, 4) == {}
    monkeypatch.setattr(dialing, "MOST_NOTES", 4)
    assert recipients(await api.post(METHOD, json={"Phone": NUMBER, "Note": "n" * 2048})) == [1, 2, 3]


async def test_a_note_to_more_than_a_few_cases_waits_for_its_turn(
    api: Api, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many have the number is known in the transaction only: then it ends, and begins again in a turn."""
    for case_id in (1, 2, 3):
        await office.add(case_id, phones=(Phone("Cell", NUMBER if case_id < 3 else OTHER),))
    waited, work = [], Turns.work

    async def noting(turns: Turns, key_id: int, cases: int, execute: Any) -> Any:
        waited.append(cases)
        return await work(turns, key_id, cases, execute)

    monkeypatch.setattr(Turns, "work", noting)
    monkeypatch.setattr("casedial.web.api.MANY_CASES", 1)
    once = {"Idempotency-Key": "one"}
    for _ in range(2):
        reply = await api.post(METHOD, json={"Phone": NUMBER, "Note": "n"}, headers=once)
        assert recipients(reply) == [1, 2]
    assert recipients(await api.post(METHOD, json={"Phone": OTHER, "Note": "n"})) == [3]
    assert waited == [1, dialing.MOST_NOTES, 1, 1]  # a repeat is told what was done
    assert await noted(office, 1, 2, 3) == {1: ["n"], 2: ["n"], 3: ["n"]}


async def test_the_longest_note_to_as_many_as_there_may_be(api: Api, office: Office) -> None:
    for case_id in range(1, 258):
        await office.add(case_id, phones=(Phone("Cell", NUMBER),), closed=case_id == 257)
    reply = await api.post(METHOD, json={"Phone": NUMBER, "Note": "n" * 64 * 1024})
    assert recipients(reply) == list(range(1, 257))
    await office.add(258, phones=(Phone("Cell", NUMBER),))
    assert_problem(await api.post(METHOD, json={"Phone": NUMBER, "Note": "n" * 64 * 1024}), 413, "NotesTooLarge")
    assert len(await office.notes(256)) == 1
    assert await office.notes(258) == []
