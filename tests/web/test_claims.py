"""What goes beyond the specification and never in its way: claims, leases, fencing, ExtendClaim, ReleaseClaim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
import sqlalchemy as sa

from casedial.clock import MovableClock
from casedial.database.engine import Store
from casedial.database.tables import cases as cases_table
from casedial.domain.actors import CASEDIAL
from casedial.domain.cases import Phone
from casedial.domain.statuses import Role, StatusType
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.claims import adopt, return_lapsed
from casedial.service.firms import open_firm
from casedial.service.keys import LimitChange, add_key
from tests.conftest import NOW, Api, Office, assert_problem


async def claim(api: Api, records: int = 10, **more: object) -> httpx.Response:
    reply = await api.post("GetCasesToDial", {"Records": records, "Auto-change": True, **more})
    assert reply.status_code == 200, reply.text
    return reply


def ids(reply: httpx.Response) -> list[int]:
    return [case["CaseID"] for case in reply.json()]


def expires(reply: httpx.Response) -> datetime:
    return datetime.fromisoformat(reply.headers["x-claim-expires"])


def lasts(until: datetime, span: timedelta, began: datetime, ended: datetime) -> bool:
    """Whether a lease of this length ends then, where it began between two times; some clocks have milliseconds."""
    return began - timedelta(milliseconds=1) <= until - span <= ended


def let_pass(store: Store, seconds: float) -> None:
    """Let time pass, by the clock of ``store`` and ``http``."""
    assert isinstance(store.machine, MovableClock)
    store.machine.move(timedelta(seconds=seconds))


async def look(store: Store) -> int:
    """Do what a server does every half second; return how many cases went back."""
    return sum((await store.transact(lambda tx: return_lapsed(tx, tx.now()))).cases.values())


async def update(api: Api, claim_id: str | None = None, **item: object) -> httpx.Response:
    return await api.post("UpdateCaseStatus", item, {"X-Claim-Id": claim_id} if claim_id else None)


@pytest.fixture
async def rival(office: Office, api: Api) -> Api:
    """Another vendor of the same firm."""
    return Api(api.http, await key_of(office, "Rival Dialer"))


async def key_of(office: Office, vendor: str) -> str:
    async with office.store.write() as tx:
        return (await add_key(tx, await open_firm(tx, office.name), vendor, NOW)).key


# Claims are recorded


async def test_a_claim_is_recorded_and_named_in_the_reply(api: Api, office: Office) -> None:
    await office.add(1)
    await office.add(2)
    before = datetime.now(UTC)
    reply = await claim(api)
    assert set(reply.json()[0]) == set((await api.get("GetCaseInfo", CaseID=1)).json())  # the body is as specified
    made = await office.claim(UUID(reply.headers["x-claim-id"]))
    assert made.vendor == "Acme Dialer"
    assert made.key_id is not None
    assert sorted(made.case_ids) == sorted(ids(reply)) == [1, 2]
    assert before <= made.created_at <= datetime.now(UTC)
    assert made.expires_at is not None
    assert timedelta(0) <= made.expires_at - expires(reply) < timedelta(milliseconds=1)
    assert lasts(made.expires_at, timedelta(hours=24), before, datetime.now(UTC))


async def test_a_claim_of_nothing_and_a_plain_read_open_no_claim(api: Api, office: Office) -> None:
    assert "x-claim-id" not in (await claim(api)).headers
    await office.add(1)
    reply = await api.get("GetCasesToDial")
    assert ids(reply) == [1]
    assert "x-claim-id" not in reply.headers


async def test_an_update_into_the_dialer_is_a_claim_of_that_case(api: Api, office: Office) -> None:
    case = await office.add(1)
    reply = await update(api, CaseID=1, Status="In the Dialer")
    after = await office.case(1)
    assert after.hold
    assert str(after.hold.claim_id) == reply.headers["x-claim-id"]
    assert after.hold.redial_at == case.dial_at
    assert (await office.claim(after.hold.claim_id)).case_ids == (1,)
    both = await api.post("UpdateCaseStatus", {"Cases": [{"CaseID": 1}, {"CaseID": 2}]})
    assert "x-claim-id" not in both.headers


async def test_a_firm_without_a_timeout_has_claims_without_an_end(api: Api, office: Office, store: Store) -> None:
    await office.set(claim_timeout=0)
    await office.add(1)
    reply = await claim(api)
    assert (await office.claim(UUID(reply.headers["x-claim-id"]))).expires_at is None
    assert "x-claim-expires" not in reply.headers
    let_pass(store, 10**8)
    assert await look(store) == 0
    assert await office.role(1) is Role.IN_THE_DIALER


async def test_a_campaign_overrides_the_firms_timeout(api: Api, office: Office, store: Store) -> None:
    await office.add(1, campaign="Intake follow-up")
    await office.add(2, campaign="Notification campaign")
    await office.add(3, campaign=None)
    async with store.write() as tx:
        await set_campaign(tx, await open_firm(tx, office.name, lock=True), "notification campaign", CampaignChange(60))
    began = store.now()
    reply = await claim(api)
    ended = store.now()
    held = {number: (await office.case(number)).hold for number in (1, 2, 3)}
    ends = {number: hold.until for number, hold in held.items() if hold and hold.until}
    assert lasts(ends[2], timedelta(seconds=60), began, ended)
    assert lasts(ends[1], timedelta(hours=24), began, ended)
    assert ends[1] == ends[3]
    assert timedelta(0) <= held[2].until - expires(reply) < timedelta(milliseconds=1)  # type: ignore[union-attr,operator]
    let_pass(store, 61)
    assert await look(store) == 1
    assert [await office.role(number) for number in (1, 2, 3)] == [Role.IN_THE_DIALER, Role.TO_DIAL, Role.IN_THE_DIALER]


# Leases


async def test_a_claim_that_ran_out_returns_its_cases_once(api: Api, office: Office, store: Store) -> None:
    case = await office.add(1)
    reply = await claim(api)
    assert await look(store) == 0
    let_pass(store, 24 * 3600)
    assert await look(store) == 1
    assert await look(store) == 0
    after = await office.case(1)
    assert (after.role, after.dial_at, after.hold) == (Role.TO_DIAL, case.dial_at, None)
    assert await office.history(1) == [
        ("Dialer Status", "In the Dialer", "Acme Dialer"),
        ("Dialer Status", "To Dial", CASEDIAL.name),
    ]
    [_, returned] = await office.changes(1)
    assert (str(returned.claim_id), returned.reason) == (reply.headers["x-claim-id"], "claim ran out unanswered")
    assert ids(await claim(api)) == [1]  # and it is due again


async def test_a_case_that_was_answered_never_goes_back_by_itself(api: Api, office: Office, store: Store) -> None:
    for number in (1, 2, 3):
        await office.add(number)
    await claim(api)
    await update(api, CaseID=1, Disposition="No Answer")
    await update(api, CaseID=2, Attempts=1)  # a dialer may write it before dialing
    await update(api, CaseID=3, Status="To Dial", Disposition="Busy")
    let_pass(store, 24 * 3600)
    assert await look(store) == 1
    assert [await office.role(number) for number in (1, 2, 3)] == [Role.IN_THE_DIALER, Role.TO_DIAL, Role.TO_DIAL]
    hold = (await office.case(1)).hold
    assert hold
    assert hold.answered_at
    assert await look(store) == 0


async def test_a_heartbeat_renews_the_lease(api: Api, office: Office, store: Store) -> None:
    await office.add(1)
    first = await claim(api)
    let_pass(store, 20 * 3600)
    again = await update(api, CaseID=1, Status="In the Dialer")
    assert "x-claim-id" not in again.headers  # the same claim goes on
    let_pass(store, 20 * 3600)
    assert await look(store) == 0
    hold = (await office.case(1)).hold
    assert hold
    assert str(hold.claim_id) == first.headers["x-claim-id"]
    let_pass(store, 5 * 3600)
    assert await look(store) == 1


async def test_another_vendor_takes_a_case_over_by_setting_it(api: Api, rival: Api, office: Office) -> None:
    case = await office.add(1)
    first = await claim(api)
    second = await update(rival, CaseID=1, Status="In the Dialer")
    assert second.headers["x-claim-id"] != first.headers["x-claim-id"]
    hold = (await office.case(1)).hold
    assert hold
    assert str(hold.claim_id) == second.headers["x-claim-id"]
    assert hold.redial_at == case.dial_at
    assert_problem(await update(api, first.headers["x-claim-id"], CaseID=1, Status="Do not Dial"), 409, "ClaimLost")


async def test_cases_found_in_the_dialer_without_a_claim_get_one(api: Api, office: Office, store: Store) -> None:
    """As an older casedial, or a person with SQL, leaves them."""
    await office.add(1)
    await claim(api)
    async with store.write() as tx:
        await tx.execute(sa.text("UPDATE cases SET claim_id = NULL, held_until = NULL, redial_at = NULL"))
    assert await store.transact(lambda tx: adopt(tx, datetime.now(UTC))) == 1
    assert await store.transact(lambda tx: adopt(tx, datetime.now(UTC))) == 0
    hold = (await office.case(1)).hold
    assert hold
    assert (await office.claim(hold.claim_id)).vendor == "Acme Dialer"
    assert await look(store) == 0
    let_pass(store, 24 * 3600)
    assert await look(store) == 1
    assert await office.role(1) is Role.TO_DIAL


# ExtendClaim and ReleaseClaim


async def test_extend_claim(api: Api, office: Office, store: Store) -> None:
    for number in (1, 2):
        await office.add(number)
    await office.set(claim_timeout=60)
    claim_id = (await claim(api)).headers["x-claim-id"]
    began = store.now()
    reply = await api.post("ExtendClaim", {"ClaimID": claim_id, "Seconds": 600})
    assert lasts(expires(reply), timedelta(seconds=600), began, store.now())
    assert reply.json() == {
        "Succeeded": 2,
        "Failed": 0,
        "Results": [{"CaseID": 1, "Success": True}, {"CaseID": 2, "Success": True}],
    }
    let_pass(store, 500)
    one = await api.post("ExtendClaim", {"CaseID": ["1"]}, {"X-Claim-Id": claim_id.upper()})
    assert one.json()["Results"] == [{"CaseID": "1", "Success": True}]
    assert expires(one) == expires(reply)  # never shorter
    let_pass(store, 120)
    assert await look(store) == 2
    assert_problem(await api.post("ExtendClaim", {"ClaimID": claim_id}), 409, "ClaimLost")
    each = await api.post("ExtendClaim", {"ClaimID": claim_id, "CaseID": [1, 99]})
    assert [result.get("Code") for result in each.json()["Results"]] == ["ClaimLost", "CaseNotFound"]
    assert each.status_code == 409


async def test_release_claim(api: Api, office: Office, store: Store) -> None:
    due = {number: (await office.add(number)).dial_at for number in (1, 2, 3)}
    claim_id = (await claim(api)).headers["x-claim-id"]
    await update(api, CaseID=3, Disposition="No Answer")
    one = await api.post("ReleaseClaim", {"ClaimID": claim_id, "CaseID": 1})
    assert (one.status_code, one.json()["Succeeded"]) == (200, 1)
    assert (await api.post("ReleaseClaim", {"ClaimID": claim_id, "CaseID": 1})).json() == one.json()  # a repeat
    rest = await api.post("ReleaseClaim", headers={"X-Claim-Id": claim_id})
    assert [result["CaseID"] for result in rest.json()["Results"]] == [2]  # 3 was answered: somebody was dialed
    for number in (1, 2):
        case = await office.case(number)
        assert (case.role, case.dial_at, case.hold) == (Role.TO_DIAL, due[number], None)
        assert (await office.changes(number))[-1].reason == "released by the dialer"
    assert await office.role(3) is Role.IN_THE_DIALER
    named = await api.post("ReleaseClaim", {"ClaimID": claim_id, "CaseID": 3})
    assert named.json()["Succeeded"] == 1
    assert await office.role(3) is Role.TO_DIAL
    assert (await api.post("ReleaseClaim", {"ClaimID": claim_id})).json() == {
        "Succeeded": 0,
        "Failed": 0,
        "Results": [],
    }


@pytest.mark.parametrize("method", ["ExtendClaim", "ReleaseClaim"])
async def test_a_claim_is_its_vendors_alone(
    method: str, api: Api, rival: Api, office: Office, other_office: Office
) -> None:
    """A rolled key of the vendor still holds it; another vendor's or firm's is told what a made-up one is told."""
    await office.add(1)
    await other_office.add(1)
    claim_id = (await claim(api)).headers["x-claim-id"]
    for stranger in (rival, Api(api.http, other_office.key)):
        refusals = []
        for named in (claim_id, str(uuid4())):
            refusals.append(assert_problem(await stranger.post(method, {"ClaimID": named}), 409, "ClaimLost"))
            refusals.append(
                assert_problem(await stranger.post(method, {"ClaimID": named, "CaseID": 1}), 409, "ClaimLost")
            )
        told = [{k: v for k, v in r.items() if k not in ("request_id", "instance")} for r in refusals]
        assert told[:2] == told[2:]
    assert await office.role(1) is Role.IN_THE_DIALER
    rolled = Api(api.http, await key_of(office, "Acme Dialer"))
    assert (await rolled.post(method, {"ClaimID": claim_id})).json()["Succeeded"] == 1


@pytest.mark.parametrize("method", ["ExtendClaim", "ReleaseClaim"])
@pytest.mark.parametrize(
    ("body", "header", "code", "pointer"),
    [
        ({}, None, "MissingParameter", "#/ClaimID"),
        ({"ClaimID": ""}, "", "MissingParameter", "#/ClaimID"),
        ({"ClaimID": "7"}, None, "InvalidParameter", "#/ClaimID"),
        ({"ClaimID": 7}, None, "InvalidParameter", "#/ClaimID"),
        ({}, "7", "InvalidParameter", "header/X-Claim-Id"),
        ({"ClaimID": str(UUID(int=1))}, str(UUID(int=2)), "ConflictingParameter", "#/ClaimID"),
    ],
)
async def test_which_claim_must_be_said(
    method: str, body: dict[str, object], header: str | None, code: str, pointer: str, api: Api
) -> None:
    headers = {} if header is None else {"X-Claim-Id": header}
    assert_problem(await api.post(method, body, headers), 400, code, pointer)


@pytest.mark.parametrize("seconds", [0, -1, 604801, "1.5", True, "soon"])
async def test_for_how_long(seconds: object, api: Api) -> None:
    body = {"ClaimID": str(uuid4()), "Seconds": seconds}
    assert_problem(await api.post("ExtendClaim", body), 400, "InvalidParameter", "#/Seconds")
    ignored = await api.post("ReleaseClaim", body)
    assert ignored.headers["x-ignored-parameters"] == "Seconds"


# Fencing


async def test_a_late_dialer_overwrites_nothing(api: Api, office: Office, store: Store) -> None:
    await office.add(1)
    first = (await claim(api)).headers["x-claim-id"]
    let_pass(store, 24 * 3600)
    await look(store)
    second = (await claim(api)).headers["x-claim-id"]
    before = await office.case(1)
    for item in ({"Status": "Do not Dial"}, {"Disposition": "Busy"}, {"Status": "In the Dialer"}, {"Attempts": 3}, {}):
        assert_problem(await update(api, first, CaseID=1, **item), 409, "ClaimLost")
    assert await office.case(1) == before
    assert (await update(api, second, CaseID=1, Status="Do not Dial")).status_code == 200
    # without the header the specification's plain behaviour stands
    assert (await update(api, CaseID=1, Status="To Dial")).status_code == 200


async def test_a_repeat_of_what_the_claim_did_is_a_success(api: Api, rival: Api, office: Office) -> None:
    await office.add(1)
    claim_id = (await claim(api)).headers["x-claim-id"]
    done = {"CaseID": 1, "Status": "To Dial", "NextCall": "2020-01-02T03:04:05", "Attempts": 1, "Disposition": "Busy"}
    assert (await update(api, claim_id, **done)).status_code == 200
    await claim(rival)
    before, history = await office.case(1), await office.history(1)
    assert (await update(api, claim_id, **done)).status_code == 200
    assert (await office.case(1), await office.history(1)) == (before, history)
    for other in ({"Attempts": 2}, {"Status": "Do not Dial"}, {"NextCall": "2021-01-01T00:00:00"}, {"Disposition": ""}):
        assert_problem(await update(api, claim_id, **{**done, **other}), 409, "ClaimLost")
    assert_problem(await update(rival, claim_id, **done), 409, "ClaimLost")
    assert (await office.case(1), await office.history(1)) == (before, history)


async def test_in_a_batch_each_case_is_fenced_for_itself(api: Api, office: Office) -> None:
    for number in (1, 2):
        await office.add(number)
    claim_id = (await claim(api)).headers["x-claim-id"]
    await update(api, CaseID=2, Status="Do not Dial")
    items = [
        {"CaseID": 99, "Status": "To Dial"},
        {"CaseID": 2, "Status": "To Dial"},
        {"CaseID": 1, "Status": "Do not Dial"},
        {"CaseID": 1, "Status": "Do not Dial"},  # what this very batch did
        {"CaseID": 1, "Status": "To Dial"},
    ]
    reply = await api.post("UpdateCaseStatus", {"Cases": items}, {"X-Claim-Id": claim_id})
    codes = [result.get("Code") for result in reply.json()["Results"]]
    assert codes == ["CaseNotFound", "ClaimLost", None, None, "ClaimLost"]
    assert await office.role(1) is await office.role(2) is Role.DO_NOT_DIAL


async def test_a_garbled_claim_id_is_named(api: Api, office: Office) -> None:
    await office.add(1)
    assert_problem(await update(api, "my claim", CaseID=1), 400, "InvalidParameter", "header/X-Claim-Id")
    assert (await update(api, " ", CaseID=1)).status_code == 200


async def test_a_batch_that_names_a_case_twice_can_be_repeated(api: Api, office: Office) -> None:
    await office.add(1)
    claim_id = (await claim(api)).headers["x-claim-id"]
    twice = {"Cases": [{"CaseID": 1, "Disposition": "Busy"}, {"CaseID": 1, "Status": "Do not Dial", "Attempts": 1}]}
    for _ in range(2):
        reply = await api.post("UpdateCaseStatus", twice, {"X-Claim-Id": claim_id})
        assert (reply.status_code, reply.json()["Succeeded"]) == (200, 2), reply.text


async def test_a_repeat_is_known_when_all_changes_bear_one_time(api: Api, office: Office, store: Store) -> None:
    """As after a change by a server whose clock is ahead: until then every change is recorded at its time."""
    await office.add(1)
    claim_id = (await claim(api)).headers["x-claim-id"]
    async with store.write() as tx:
        await tx.execute(cases_table.update().values(changed_at=datetime.now(UTC) + timedelta(seconds=60)))
    assert (await update(api, claim_id, CaseID=1, Attempts=1)).status_code == 200
    for _ in range(2):
        assert (await update(api, claim_id, CaseID=1, Status="Do not Dial")).status_code == 200
    assert_problem(await update(api, claim_id, CaseID=1, Status="To Dial"), 409, "ClaimLost")


@pytest.mark.parametrize("method", ["ExtendClaim", "ReleaseClaim"])
async def test_an_empty_list_of_cases_is_not_all_cases(method: str, api: Api, office: Office) -> None:
    await office.add(1)
    claim_id = (await claim(api)).headers["x-claim-id"]
    reply = await api.post(method, {"ClaimID": claim_id, "CaseID": []})
    assert_problem(reply, 400, "InvalidParameter", "#/CaseID")
    assert await office.role(1) is Role.IN_THE_DIALER


async def test_a_held_case_that_was_moved_to_another_campaign_is_still_its_holders(api: Api, office: Office) -> None:
    """What came of a call must not be lost because an operator moved the case."""
    await office.add(1, phones=(Phone("Cell", "4025550001"),))
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name)
        limited = LimitChange(campaigns=["Intake follow-up"])
        key = (await add_key(tx, firm, "Acme Dialer", NOW, None, limited)).key
    limited_api = Api(api.http, key)
    await claim(limited_api)
    other = firm.statuses.named(StatusType.CAMPAIGN, "Notification campaign")
    async with office.store.write() as tx:
        await tx.execute(cases_table.update().values(campaign_id=other.id))
    for method, body in (
        ("GetCaseInfo", {"CaseID": 1}),
        ("AddCaseNote", {"CaseID": 1, "Note": "x"}),
        ("AddCaseNoteByPhone", {"Phone": "4025550001", "Note": "x"}),
        ("UpdateCaseStatus", {"CaseID": 1, "Status": "Do not Dial"}),
    ):
        assert (await limited_api.post(method, body)).status_code == 200, method
    assert_problem(await limited_api.get("GetCaseInfo", CaseID=1), 403, "CampaignNotAllowed")


async def test_what_was_not_to_dial_goes_back_to_what_it_was(api: Api, office: Office, store: Store) -> None:
    """A dialer that sets In the Dialer on a case that the firm has taken off the list does not bring it back."""
    await office.add(1)
    await office.add(2, dialer=None, dial_at=None)
    await claim(api)
    assert (await update(api, CaseID=1, Status="Do not Dial")).status_code == 200  # by a person, say
    reply = await api.post("UpdateCaseStatus", {"Cases": [{"CaseID": n, "Status": "In the Dialer"} for n in (1, 2)]})
    assert reply.json()["Succeeded"] == 2
    let_pass(store, 24 * 3600 + 1)
    assert await look(store) == 2
    assert [await office.role(n) for n in (1, 2)] == [Role.DO_NOT_DIAL, None]
    assert (await api.get("GetCasesToDial")).json() == []


async def test_what_was_not_to_dial_is_released_to_what_it_was(api: Api, office: Office) -> None:
    await office.add(1)
    await update(api, CaseID=1, Status="Do not Dial")
    claim_id = (await update(api, CaseID=1, Status="In the Dialer")).headers["x-claim-id"]
    assert (await api.post("ReleaseClaim", {"ClaimID": claim_id})).status_code == 200
    assert await office.role(1) is Role.DO_NOT_DIAL


async def test_an_endless_claim_gets_an_end_when_the_firm_sets_one(api: Api, office: Office) -> None:
    await office.set(claim_timeout=0)
    await office.add(1)
    reply = await claim(api)
    assert "x-claim-expires" not in reply.headers
    claim_id = reply.headers["x-claim-id"]
    await office.set(claim_timeout=3600)
    assert "x-claim-expires" in (await api.post("ExtendClaim", {"ClaimID": claim_id})).headers
    hold = (await office.case(1)).hold
    assert hold
    assert hold.until


async def test_releasing_all_of_a_claim_that_was_lost_says_so(api: Api, office: Office, store: Store) -> None:
    for case_id in (1, 2):
        await office.add(case_id)
    reported = (await claim(api, 1)).headers["x-claim-id"]
    await update(api, reported, CaseID=1, Status="Do not Dial")
    lost = (await claim(api, 1)).headers["x-claim-id"]
    let_pass(store, 24 * 3600 + 1)
    await look(store)
    assert_problem(await api.post("ReleaseClaim", {"ClaimID": lost}), 409, "ClaimLost")
    reply = await api.post("ReleaseClaim", {"ClaimID": reported})  # nothing is left to release, and nothing was lost
    assert (reply.status_code, reply.json()["Results"]) == (200, [])


async def test_never_dialed_answers_nothing(api: Api, office: Office, store: Store) -> None:
    await office.add(1)
    await claim(api)
    await update(api, CaseID=1, Disposition="Never Dialed")
    let_pass(store, 24 * 3600 + 1)
    assert await look(store) == 1


@pytest.mark.parametrize("method", ["ExtendClaim", "ReleaseClaim"])
@pytest.mark.parametrize("name", ["CaseIDs", "Cases", "case_id_list"])
async def test_a_misspelled_case_does_not_mean_all(method: str, name: str, api: Api, office: Office) -> None:
    await office.add(1)
    claim_id = (await claim(api)).headers["x-claim-id"]
    reply = await api.post(method, {"ClaimID": claim_id, name: [1]})
    assert_problem(reply, 400, "InvalidParameter", f"#/{name}")
    assert await office.role(1) is Role.IN_THE_DIALER
