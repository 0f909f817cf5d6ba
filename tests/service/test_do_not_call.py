"""The do-not-call list: at the claim, and whenever a case is set To Dial."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.tables import do_not_call as table
from casedial.domain.actors import IMPORT, operator
from casedial.domain.calling import Listing
from casedial.domain.cases import Phone
from casedial.domain.dialing import Move, OperatorChange
from casedial.domain.errors import InvalidSetting
from casedial.domain.importing import CaseRow
from casedial.domain.phones import Kind, listed_numbers, read
from casedial.domain.reasons import ON_THE_LIST
from casedial.domain.statuses import Role, StatusType
from casedial.service import do_not_call
from casedial.service.changes import change_cases
from casedial.service.firms import open_firm
from casedial.service.imports import ImportOptions, import_rows
from casedial.service.operations import holding_back
from casedial.service.operations.sweeping import Sweeper
from casedial.storage import do_not_call as stored
from casedial.storage import forgetting
from casedial.web import auth
from tests.conftest import NOW, Api, Office
from tests.web.test_claims import let_pass, look

TODAY = date(2026, 11, 24)
CELL, HOME = Phone("Cell", "(402) 555-0101", True), Phone("Home", "402-555-0102")


async def add(office: Office, *numbers: str, case_ids: tuple[int, ...] = ()) -> None:
    listings = [
        *(Listing(TODAY, "letter", number=number) for number in numbers),
        *(Listing(TODAY, "letter", case_id=case_id) for case_id in case_ids),
    ]
    async with office.store.write() as tx:
        await do_not_call.add(tx, await open_firm(tx, office.name, lock=True), listings)


async def claim(api: Api) -> dict[int, list[str]]:
    reply = await api.post("GetCasesToDial", {"Auto-change": True})
    return {case["CaseID"]: [phone["Phone"] for phone in case["Phones"]] for case in reply.json()}


async def test_a_listed_number_is_never_given_out(api: Api, office: Office, other_office: Office) -> None:
    await office.add(1, phones=(CELL, HOME))
    await office.add(2, phones=(HOME,))
    await office.add(3, phones=(CELL,))
    await office.add(4, phones=(HOME,))
    await other_office.add(5, phones=(CELL,))
    await add(office, "4025550101", case_ids=(4,))
    assert (await api.post("GetCasesToDial", {})).json()[0]["Phones"][0]["Phone"] == "4025550102"
    assert await claim(api) == {1: ["4025550102"], 2: ["4025550102"]}
    assert await claim(Api(api.http, other_office.key)) == {5: ["4025550101"]}  # a list is its firm's own


async def test_it_counts_at_once_and_until_it_is_taken_off(api: Api, office: Office) -> None:
    await office.add(1, phones=(CELL,))
    assert (await api.post("GetCasesToDial", {})).json() != []  # a server knows the firm without a list
    await add(office, "4025550101")
    assert await claim(api) == {}
    firm = await office.firm()
    async with office.store.write() as tx:
        assert await do_not_call.remove(tx, await open_firm(tx, office.name, lock=True), ["4025550101"], []) == 1
    await holding_back.release_held_back(office.store, firm.id)
    assert await claim(api) == {1: ["4025550101"]}


async def off_by(office: Office, case_id: int) -> tuple[Role | None, str | None]:
    last = (await office.changes(case_id))[-1]
    return await office.role(case_id), last.reason


OFF = (Role.DO_NOT_DIAL, ON_THE_LIST.text)


async def test_an_update_to_to_dial_keeps_it_off(api: Api, office: Office) -> None:
    for case_id in (1, 2):
        await office.add(case_id, dialer="Do not Dial", phones=(CELL,) if case_id == 1 else (CELL, HOME))
    await add(office, "4025550101")
    moved = {"Cases": [{"CaseID": case_id, "Status": "To Dial"} for case_id in (1, 2)]}
    assert (await api.post("UpdateCaseStatus", moved)).json()["Succeeded"] == 2
    assert await off_by(office, 1) == OFF
    assert [(kind, status, by) for kind, status, by in await office.history(1)] == [
        ("Dialer Status", "To Dial", "Acme Dialer"),
        ("Dialer Status", "Do not Dial", "casedial"),
    ]
    assert await office.role(2) is Role.TO_DIAL  # it has another phone


async def test_a_claim_that_runs_out_or_is_released_keeps_it_off(api: Api, office: Office) -> None:
    for case_id, phone in ((1, CELL), (2, HOME)):
        await office.add(case_id, phones=(phone,))
    [first, second] = [
        (await api.post("GetCasesToDial", {"Auto-change": True, "Records": 1})).headers["x-claim-id"] for _ in range(2)
    ]
    await add(office, "4025550101", "4025550102")
    assert (await api.post("ReleaseClaim", {"ClaimID": first})).status_code == 200
    assert await off_by(office, 1) == OFF
    let_pass(office.store, 24 * 3600 + 1)
    assert await look(office.store) == 1
    assert await off_by(office, 2) == OFF
    assert second


async def test_an_operator_and_an_import_keep_it_off(office: Office) -> None:
    await office.add(1, dialer="Do not Dial", phones=(CELL,))
    await add(office, "4025550101", case_ids=(2,))
    firm = await office.firm()
    async with office.store.write() as tx:
        done = await change_cases(tx, firm, [1], OperatorChange(Move.TO_DIAL), operator("me"), NOW)
        assert done.counts.do_not_call == 1
        row = CaseRow(2, statuses={StatusType.DIALER: "To Dial"}, phones=(HOME,))
        await import_rows(tx, office.name, [row], ImportOptions(), NOW)
    assert await off_by(office, 1) == OFF
    assert await off_by(office, 2) == OFF
    assert (await office.history(2))[0] == ("Dialer Status", "To Dial", IMPORT.name)


async def test_explained(api: Api, office: Office) -> None:
    await office.add(1, phones=(CELL,))
    await office.add(2, phones=(CELL,))
    await add(office, "4025550101", case_ids=(2,))
    for case_id, found in (
        (1, "1 of 1 phone is listed"),
        (2, "the case has been on the do-not-call list"),
    ):
        reply = await api.http.get(f"/v1/cases/{case_id}/explain", headers={"X-ApiKey": api.key})
        checks: dict[str, Any] = {check["Name"]: check for check in reply.json()["Checks"]}
        assert checks["do not call"]["Passed"] is False
        assert checks["do not call"]["Found"].startswith(found)
        assert reply.json()["NextCallableAt"] is None
    counted = (await api.http.get("/v1/preflight", headers={"X-ApiKey": api.key})).json()
    assert (counted["Due"], counted["HeldBack"]["do not call"]) == (2, 2)


async def test_deleting_a_case_keeps_its_number_listed(office: Office) -> None:
    await office.add(1, phones=(CELL,))
    await add(office, "4025550101", case_ids=(1,))
    firm = await office.firm()
    async with office.store.write() as tx:
        await forgetting.delete(tx, firm.id, 1)
        left = (await tx.execute(sa.select(table.c.number, table.c.case_id))).all()
    assert [tuple(row) for row in left] == [("4025550101", None)]


async def test_what_is_listed_stays_as_it_is(office: Office) -> None:
    await add(office, "4025550101")
    firm = await office.firm()
    async with office.store.write() as tx:
        again = [Listing(date(2030, 1, 1), "other", number=n) for n in ("4025550101", "4025550102")]
        assert await do_not_call.add(tx, firm, again) == 1
        page, _ = await stored.page(tx, firm.id, 0, 10)
    assert [(entry.number, entry.source) for entry in page] == [("4025550101", "letter"), ("4025550102", "other")]


@pytest.mark.parametrize("number", ["", "555-0101", "4025550159/60"])
def test_what_is_no_number(number: str) -> None:
    with pytest.raises(InvalidSetting, match="ten digits"):
        listed_numbers(number)


def test_what_is_listed_is_what_is_dialed() -> None:
    assert listed_numbers("(402) 555-0101 x9") == ["4025550101"]
    assert listed_numbers("4025550101 / 4025550102") == ["4025550101", "4025550102"]
    assert listed_numbers("+44 (0)20 7946 0958") == ["+442079460958"]
    for number in ("4.02555E+09", "0000000000", "4" * 65):
        with pytest.raises(InvalidSetting):
            listed_numbers(number)


def test_an_entry_in_words() -> None:
    assert str(Listing(TODAY, "letter")) == "on the do-not-call list since 2026-11-24 (letter)"
    assert str(Listing(TODAY, "")) == "on the do-not-call list since 2026-11-24"


async def test_a_listed_case_without_phones_is_not_callable_ever(api: Api, office: Office) -> None:
    await office.add(1, phones=())
    await add(office, case_ids=(1,))
    assert await claim(api) == {}
    reply = await api.http.get("/v1/cases/1/explain", headers={"X-ApiKey": api.key})
    assert reply.json()["NextCallableAt"] is None
    counted = (await api.http.get("/v1/preflight", headers={"X-ApiKey": api.key})).json()
    assert (counted["HeldBack"]["do not call"], counted["ByHour"]) == (1, [])


async def test_a_number_abroad_is_not_the_us_number_of_the_same_digits(api: Api, office: Office) -> None:
    await office.add(1, phones=(Phone("Cell", "+65 6812 3456", True),))
    await add(office, "6568123456")
    assert list(await claim(api)) == [1]


# However a number is written on a case: none of it is given out for a listed one, and what is doubtful never is.
WRITTEN = {
    "(402) 555-0101": [],
    "402-555-0101 x9": [],
    "4025550101.0": [],
    "tel:+1-402-555-0101;ext=7": [],
    "0014025550101": [],
    "4025550101 / 4025550102": ["4025550102"],
    "4025550102 or 1-402-555-0101": ["4025550102"],
    "+65 9234 5678": [],
    "011 65 9234 5678, +65 9234 5679": ["+65 9234 5679"],
    "4.02555E+09": [],
    "4025550101/02": [],
    "555-0101": [],
}


async def test_a_listed_number_blocks_however_it_is_written(api: Api, office: Office) -> None:
    for case_id, number in enumerate(WRITTEN, 1):
        await office.add(case_id, phones=(Phone("Cell", number, True),))
    await add(office, "4025550101", "+6592345678")
    listed = {case["CaseID"]: [p["Phone"] for p in case["Phones"]] for case in (await api.get("GetCasesToDial")).json()}
    claimed = await claim(api)
    doubtful = [case_id for case_id, number in enumerate(WRITTEN, 1) if read(number).kind is Kind.DOUBTFUL]
    for case_id, (number, phones) in enumerate(WRITTEN.items(), 1):
        # Without a purpose a case is returned that has nothing to dial, as the specification wants.
        assert claimed.get(case_id, None) == (phones if phones or case_id in doubtful else None), number
    assert listed == claimed


async def test_many_numbers_are_looked_for_in_parts(office: Office) -> None:
    await add(office, "4025550101")
    firm = await office.firm()
    numbers = [f"40255{number:05}" for number in range(40_000, 80_000)]
    async with office.store.read() as tx:
        found = await stored.concerning(tx, firm.id, [*numbers, "4025550101"], range(1, 40_000))
    assert [entry.number for entry in found] == ["4025550101"]


async def test_a_sweep_goes_through_a_list(office: Office) -> None:
    for case_id in range(1, 4):
        await office.add(case_id, phones=(CELL,), campaign=None)
    await add(office, "4025550101")
    assert await Sweeper().sweep(office.store, NOW) == 3


async def test_a_number_listed_while_a_request_waits_is_not_given_out(
    api: Api, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first entry of a list: the request has read the firm before, and got its transaction long after."""
    await office.add(1, phones=(CELL,))
    identify = auth.Authenticator.identify
    asked = 0

    async def listed_meanwhile(self: Any, *arguments: Any, **more: Any) -> Any:
        nonlocal asked
        caller = await identify(self, *arguments, **more)
        asked += 1
        if asked == 1:
            await add(office, "4025550101")
        return caller

    monkeypatch.setattr(auth.Authenticator, "identify", listed_meanwhile)
    assert await claim(api) == {}
    assert asked == 2
