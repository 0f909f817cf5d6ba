"""What all five methods share: paths, verbs, keys, firms kept apart, and the headers of every reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from casedial.database.tables import keys as keys_table
from casedial.domain.cases import Phone
from casedial.domain.errors import InvalidSetting
from casedial.domain.statuses import Role, StatusType
from casedial.service.firms import open_firm
from casedial.service.keys import MAX_CAMPAIGNS, LimitChange, add_key, mint, revoke_key
from casedial.service.statuses import add_statuses, rename_status, retire_status
from casedial.settings import Settings
from casedial.storage import keys
from casedial.web.app import create_app
from tests.conftest import NOW, Api, Office, assert_problem
from tests.waiting import PATIENCE, until

READS = ("GetCasesToDial", "GetCaseInfo")
WRITES = ("UpdateCaseStatus", "AddCaseNote", "AddCaseNoteByPhone")
NUMBER = "4025550007"
# A request for each method that succeeds when there is a case 7 with this number, and changes it if it is a write.
GOOD: dict[str, dict[str, Any]] = {
    "GetCasesToDial": {"Auto-change": "true"},
    "GetCaseInfo": {"CaseID": 7},
    "UpdateCaseStatus": {"CaseID": 7, "Attempts": 1},
    "AddCaseNote": {"CaseID": 7, "Note": "n"},
    "AddCaseNoteByPhone": {"Phone": NUMBER, "Note": "n"},
}


@asynccontextmanager
async def server(database_url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Another server of the same database."""
    app = create_app(Settings(database_url=database_url, log_level="error", **settings))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://other.test") as client:
        yield client
    await app.close()


async def add_seven(office: Office) -> None:
    await office.add(7, phones=(Phone("Cell", NUMBER),))


async def assert_untouched(office: Office) -> None:
    assert await office.role(7) is Role.TO_DIAL
    assert await office.history(7) == []
    assert await office.notes(7) == []


def ignored(reply: httpx.Response) -> list[str]:
    """The names in X-Ignored-Parameters."""
    header = reply.headers.get("x-ignored-parameters")
    return [unquote(name.strip(), errors="strict") for name in header.split(",")] if header else []


async def test_paths(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_seven(office)
    spell: list[Callable[[str], str]] = [str.lower, str.upper, str.swapcase, lambda path: path]
    for method, body in GOOD.items():
        for change in spell:
            for slash in ("", "/"):
                path = change(f"/PredictiveDialer/{method}") + slash
                with subtests.test(path=path):
                    reply = await api.http.post(path, json=body, headers={"X-ApiKey": api.key})
                    assert reply.status_code == 200, reply.text
    assert len(await office.notes(7)) == 16


async def test_paths_that_are_nothing(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_seven(office)
    root = "http://casedial.test"
    for path in [
        *("/PredictiveDialer", "/PredictiveDialer/", "/GetCasesToDial", "/api/GetCasesToDial", "/x", "/AddCaseNote"),
        *("/PredictiveDialer/AddCaseNot", "/PredictiveDialer/AddCaseNotes", "/PredictiveDialer/GetCaseInfo/7"),
        *("/PredictiveDialer/GetCaseInfo.json", "/PredictiveDialer/Get_Case_Info", "/PredictiveDialer/GetCaseInfo%00"),
        *("/PredictiveDialer/GetCaseInfo%20", "/PredictiveDialer/GetCaseInfo%FF", "/PredictiveDialer/GetCase%C4%B0nfo"),
        *("/PredictiveDialer/x/GetCaseInfo", "/PredictiveDialerGetCaseInfo", "/PredictiveDialer/GetCaseInfo;a=1"),
        # One trailing slash is tolerated; no more, and no slash elsewhere.
        *("/PredictiveDialer/GetCaseInfo//", "/predictivedialer/getcaseinfo//", "/PredictiveDialer//GetCaseInfo"),
        *("//PredictiveDialer/GetCaseInfo", "/PredictiveDialer/AddCaseNote//", "/PredictiveDialer/GetCaseInfo///"),
    ]:
        for key in ({"X-ApiKey": api.key}, {}):
            with subtests.test(path=path, key=bool(key)):
                body = {"CaseID": 7, "Note": "n"}
                assert_problem(await api.http.post(root + path, json=body, headers=key), 404, "PathNotFound")
    await assert_untouched(office)


async def test_base_is_a_setting(office: Office, database_url: str, subtests: pytest.Subtests) -> None:
    await add_seven(office)
    for base in ("/Firm7/API/v1", "/dialer/"):
        async with server(database_url, base_path=base) as http:
            for path in (base.rstrip("/"), base.rstrip("/").lower(), base.rstrip("/").upper()):
                with subtests.test(path=path):
                    reply = await Api(http, office.key, path).get("GETCaseInfo/", CaseID=7)
                    assert reply.json()["CaseID"] == 7
            assert_problem(await Api(http, office.key).get("GetCaseInfo", CaseID=7), 404, "PathNotFound")


async def test_verbs(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_seven(office)
    for methods, right in ((READS, {"GET", "POST"}), (WRITES, {"POST", "PUT"})):
        wrong = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"} - right
        for method in methods:
            # A body and a query that would do what they say, were the verb right.
            requests = [(method, verb) for verb in sorted(wrong)] + [(f"{method.lower()}/", "DELETE")]
            for path, verb in requests:
                with subtests.test(path=path, verb=verb):
                    reply = await api.http.request(
                        verb, f"{api.base}/{path}", params=GOOD[method], headers={"X-ApiKey": api.key}
                    )
                    assert {allowed.strip() for allowed in reply.headers["allow"].split(",")} == right
                    if verb == "HEAD":
                        assert reply.status_code == 405
                        assert reply.headers["content-type"] == "application/problem+json"
                    else:
                        assert_problem(reply, 405, "MethodNotAllowed")
    await assert_untouched(office)


async def test_headers_of_every_reply(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_seven(office)
    seen: set[str] = set()
    anonymous = Api(api.http, "")

    async def check(reply: httpx.Response, status: int) -> None:
        with subtests.test(url=str(reply.request.url), verb=reply.request.method, status=status):
            assert reply.status_code == status
            (request_id,) = reply.headers.get_list("x-request-id")
            assert request_id
            assert request_id not in seen
            seen.add(request_id)
            assert reply.headers.get_list("cache-control") == ["no-store"]

    for method, body in GOOD.items():
        await check(await api.post(method, json=body), 200)
        await check(
            await api.post(method, json=body, headers={"X-Request-Id": "mine", "Cache-Control": "max-age=9"}), 200
        )
        await check(await api.post(method, content=b"{"), 400)
        await check(await api.post(method, json={"CaseID": [0], "Phone": 0, "Records": 0, "Note": "n"}), 400)
        await check(await anonymous.post(method, json=body), 401)
        await check(await api.post(f"{method}/x", json=body), 404)
        await check(await api.post(method, content=b" " * (2**20 + 1)), 413)
        await check(await api.post(method, content=b"x", headers={"Content-Type": "text/plain"}), 415)
        for verb in ("DELETE", "HEAD", "OPTIONS", "TRACE"):
            await check(await api.http.request(verb, f"{api.base}/{method}"), 405)
    await check(await api.get("GetCasesToDial"), 200)
    await check(await api.get("GetCaseInfo", CaseID=70), 404)
    await check(await api.post("AddCaseNote", json={"CaseID": 70, "Note": "n"}), 404)
    await check(await api.http.get("/"), 302)
    for path in ("/healthz", "/docs", "/docs/errors", "/openapi.json", "/docs/start.js", "/docs/assets/swagger-ui.css"):
        await check(await api.http.get(path), 200)
    await check(await api.http.get("/docs/assets/nothing"), 404)


async def test_a_key_is_needed(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_seven(office)
    changed = office.key[:-1] + ("a" if office.key[-1] != "a" else "b")
    body_changed = office.key[:10] + ("a" if office.key[10] != "a" else "b") + office.key[11:]
    firm = await office.firm()
    async with office.store.write() as tx:
        revoked = await add_key(tx, firm, "Acme Dialer", NOW)
        await revoke_key(tx, revoked.id, NOW)
    attempts: list[tuple[bytes | str | None, str]] = [
        (None, "KeyMissing"),
        ("", "KeyMissing"),
        # Of those we mint a typo is told as such.
        (changed, "KeyMistyped"),
        (body_changed, "KeyMistyped"),
        (office.key[:-1], "KeyMistyped"),
        (office.key + "x", "KeyMistyped"),
        (office.key.swapcase().replace("CDK_", "cdk_"), "KeyMistyped"),
        # No key is like this.
        ("k" * 15, "KeyMistyped"),
        ("k" * 257, "KeyMistyped"),
        ("k" * 50_000, "KeyMistyped"),
        ("two words of a key", "KeyMistyped"),
        ("clé-clé-clé-clé-clé".encode(), "KeyMistyped"),
        (b"\xff" * 32, "KeyMistyped"),
        (b"\x00" * 32, "KeyMistyped"),
        # Nobody has these.
        (mint(), "KeyUnknown"),
        ("0d4852a98cbf4c8csb0cdee1b6f31e95f", "KeyUnknown"),
        ("k" * 16, "KeyUnknown"),
        ("k" * 256, "KeyUnknown"),
        ("' OR '1'='1'--%00%%", "KeyMistyped"),
        ("'OR'1'='1'--%00%%", "KeyUnknown"),
        (revoked.key, "KeyRevoked"),
    ]
    for key, code in attempts:
        headers = {} if key is None else {"X-ApiKey": key}
        for method, good in GOOD.items():
            with subtests.test(key=str(key)[:40], method=method):
                reply = await api.http.post(f"{api.base}/{method}", json=good, headers=headers)
                assert_problem(reply, 401, code)
        reply = await api.http.get(f"{api.base}/GetCasesToDial?Auto-change=true", headers=headers)
        assert_problem(reply, 401, code)
    # Only the header carries a key.
    for params, headers in [({"X-ApiKey": api.key}, {}), ({}, {"Authorization": f"Bearer {api.key}"})]:
        reply = await api.http.get(f"{api.base}/GetCasesToDial", params=params, headers=headers)
        assert_problem(reply, 401, "KeyMissing")
    await assert_untouched(office)
    for name in ("x-apikey", "X-APIKEY", "X-ApiKey"):
        reply = await api.http.get(f"{api.base}/GetCaseInfo?CaseID=7", headers={name: api.key})
        assert reply.status_code == 200


async def test_two_keys_in_one_request(api: Api, office: Office, other_office: Office) -> None:
    """Which firm it means cannot be told, so it means none."""
    await add_seven(office)
    both = [("X-ApiKey", office.key), ("X-ApiKey", other_office.key)]
    for headers in (both, both[::-1]):
        reply = await api.http.get(f"{api.base}/GetCasesToDial", headers=headers)
        assert reply.status_code == 401
        assert "CaseID" not in reply.text


async def test_a_typo_is_refused_without_the_database(empty_url: str) -> None:
    """This database has no tables: whoever reads it fails."""
    key = mint()
    async with server(empty_url) as http:
        assert_problem(await Api(http, key[:-1] + "-").get("GetCasesToDial"), 401, "KeyMistyped")
        assert_problem(await Api(http, "").get("GetCasesToDial"), 401, "KeyMissing")
        assert (await Api(http, key).get("GetCasesToDial")).status_code >= 500


async def test_keys_from_elsewhere(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_seven(office)
    imported = {
        "0d4852a98cbf4c8csb0cdee1b6f31e95f": "The specification's",
        "short-key-of-16.": "Shortest",
        "k" * 256: "Longest",
        "!\"#$%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~": "Every sign",
    }
    firm = await office.firm()
    async with office.store.write() as tx:
        for key, vendor in imported.items():
            await add_key(tx, firm, vendor, NOW, key)
    for key, vendor in imported.items():
        with subtests.test(key=key):
            theirs = Api(api.http, key)
            assert (await theirs.get("GetCaseInfo", CaseID=7)).status_code == 200
            assert (await theirs.post("AddCaseNote", json={"CaseID": 7, "Note": "n"})).status_code == 200
            assert (await theirs.post("UpdateCaseStatus", json={"CaseID": 7, "Attempts": 1})).status_code == 200
            assert (await office.notes(7))[-1].author == vendor
            assert (await office.history(7))[-1] == ("Attempts Status", "1", vendor)
            for near in (key[:-1] + "X", key.swapcase()):
                assert (await Api(api.http, near).get("GetCaseInfo", CaseID=7)).status_code == 401


async def test_a_vendor_has_one_spelling(api: Api, office: Office) -> None:
    """Claims belong to a vendor: a second key of ACME DIALER must hold what the first one claimed."""
    await office.add(1)
    async with office.store.write() as tx:
        new = await add_key(tx, await open_firm(tx, office.name), "  ACME dialer ", NOW)
    assert new.vendor == "Acme Dialer"
    claim_id = (await api.post("GetCasesToDial", {"Auto-change": True})).headers["x-claim-id"]
    assert (await Api(api.http, new.key).post("ReleaseClaim", {"ClaimID": claim_id})).json()["Succeeded"] == 1


async def test_a_revoked_key_is_refused_by_every_server(api: Api, office: Office, database_url: str) -> None:
    await add_seven(office)
    async with server(database_url) as other_http:
        both = [api, Api(other_http, office.key)]
        for caller in both:
            assert (await caller.get("GetCaseInfo", CaseID=7)).status_code == 200
        firm = await office.firm()
        async with office.store.write() as tx:
            second = await add_key(tx, firm, "Acme Dialer", NOW)
            (first, *_), _ = await keys.every(tx, firm.id)
            await revoke_key(tx, first.id, NOW)
        for caller in both:
            for method, body in GOOD.items():
                assert_problem(await caller.post(method, json=body), 401, "KeyRevoked")
            assert (await Api(caller.http, second.key).get("GetCaseInfo", CaseID=7)).status_code == 200
    await assert_untouched(office)


async def test_a_key_revoked_while_the_body_comes_is_refused(api: Api, office: Office) -> None:
    await office.add(1)

    async def body() -> AsyncIterator[bytes]:
        yield b'{"CaseID":1,'
        await asyncio.sleep(0.1)
        async with office.store.write() as tx:
            [key], _ = await keys.every(tx)
            await revoke_key(tx, key.id, NOW)
        await asyncio.sleep(0.2)
        yield b'"Status":"Do not Dial"}'

    assert_problem(await api.post("UpdateCaseStatus", content=body()), 401, "KeyRevoked")
    assert await office.role(1) is Role.TO_DIAL


async def test_a_key_reaches_its_own_firm_only(
    api: Api, office: Office, other_office: Office, subtests: pytest.Subtests
) -> None:
    async with other_office.store.write() as tx:
        theirs = [(StatusType.CAMPAIGN, "Theirs"), (StatusType.DISPOSITION, "Theirs"), (StatusType.DIALER, "Theirs")]
        firm = await add_statuses(tx, await open_firm(tx, other_office.name, lock=True), theirs)
    for case_id in (7, 8):
        await other_office.add(
            case_id, campaign="Theirs", case_group="Theirs", case_status="Theirs", phones=(Phone("Cell", NUMBER),)
        )
    before = [await other_office.case(case_id) for case_id in (7, 8)]
    await office.add(7, phones=(Phone("Cell", "4025550001"),))
    named = {"Firm": other_office.name, "FirmID": firm.id, "firm_id": firm.id, "Client": other_office.name}
    assert [c["CaseID"] for c in (await api.get("GetCasesToDial", **named)).json()] == [7]
    for filters in ({"Campaign": "Theirs"}, {"CaseGroup": "Theirs"}):
        assert (await api.get("GetCasesToDial", **filters, **{"Auto-change": "true"})).json() == []
    assert (await api.get("GetCaseInfo", CaseID=7, **named)).json()["Campaign"] == "Intake follow-up"
    assert_problem(await api.get("GetCaseInfo", CaseID=8, **named), 404, "CaseNotFound")
    foreign = await api.get("GetCaseInfo", CaseID=8)
    unknown = await api.get("GetCaseInfo", CaseID=9)
    told = [{k: v for k, v in r.json().items() if k not in ("request_id", "instance")} for r in (foreign, unknown)]
    assert str(told[0]).replace("8", "9") == str(told[1])  # another firm's case looks like none
    for status in ({"Status": "Theirs"}, {"Disposition": "Theirs"}):
        with subtests.test(status=status):
            assert_problem(await api.post("UpdateCaseStatus", json={"CaseID": 7, **status}), 400, "UnknownStatus")
    items = [{"CaseID": case_id, "Attempts": 1, "Note": "n"} for case_id in (7, 8)]
    for method in ("UpdateCaseStatus", "AddCaseNote"):
        reply = await api.post(method, json={"Cases": items, **named})
        assert [r.get("Code") for r in reply.json()["Results"]] == [None, "CaseNotFound"]
    assert_problem(await api.post("AddCaseNoteByPhone", json={"Phone": NUMBER, "Note": "n"}), 404, "PhoneNotFound")
    assert [c["CaseID"] for c in (await api.get("GetCasesToDial", **{"Auto-change": "true"})).json()] == [7]
    assert [await other_office.case(case_id) for case_id in (7, 8)] == before
    assert await other_office.history(7) == await other_office.history(8) == []
    assert await other_office.notes(7) == await other_office.notes(8) == []


async def test_changed_statuses_are_seen_at_once_by_every_server(api: Api, office: Office, database_url: str) -> None:
    await add_seven(office)
    async with server(database_url) as other_http:
        both = [api, Api(other_http, office.key)]
        for caller in both:  # both know the firm as it was
            assert (await caller.get("GetCaseInfo", CaseID=7)).json()["DialerStatus"] == "To Dial"
        async with office.store.write() as tx:
            firm = await open_firm(tx, office.name, lock=True)
            firm = await rename_status(tx, firm, StatusType.DIALER, "To Dial", "Ready")
            firm = await rename_status(tx, firm, StatusType.CAMPAIGN, "Intake follow-up", "Intake")
            firm = await rename_status(tx, firm, StatusType.DISPOSITION, "Busy", "Engaged")
            await add_statuses(tx, firm, [(StatusType.ATTEMPTS, "21")])
        for caller in both:
            (case,) = (await caller.get("GetCasesToDial", Campaign="Intake")).json()
            assert (case["DialerStatus"], case["Campaign"]) == ("Ready", "Intake")
            assert (await caller.get("GetCasesToDial", Campaign="Intake follow-up")).json() == []
            sent = {"CaseID": 7, "Status": "Ready", "Disposition": "Engaged", "Attempts": 21}
            assert (await caller.post("UpdateCaseStatus", json=sent)).status_code == 200
            reply = await caller.post("UpdateCaseStatus", json={"CaseID": 7, "Disposition": "Busy"})
            assert_problem(reply, 400, "UnknownStatus", "#/Disposition")
        async with office.store.write() as tx:
            firm = await open_firm(tx, office.name, lock=True)
            await retire_status(tx, firm, StatusType.DISPOSITION, "Engaged", True)
        for caller in both:
            reply = await caller.post("UpdateCaseStatus", json={"CaseID": 7, "Disposition": "Engaged"})
            assert_problem(reply, 400, "RetiredStatus", "#/Disposition")
            assert (await caller.get("GetCaseInfo", CaseID=7)).json()["Attempts"] == "21"


async def test_last_use_is_written_once_a_minute(api: Api, office: Office, database_url: str) -> None:
    firm = await office.firm()

    async def last_used(before: datetime | None = None, seconds: float = 0.3) -> datetime | None:
        """Wait for a time other than ``before``, which is written behind the reply."""
        for _ in range(int(seconds / 0.05)):
            async with office.store.read() as tx:
                (key,), _ = await keys.every(tx, firm.id)
            if key.last_used_at != before:
                break
            await asyncio.sleep(0.05)
        return key.last_used_at

    async def used(at: datetime) -> None:
        async with office.store.write() as tx:
            await tx.execute(keys_table.update().where(keys_table.c.firm_id == firm.id).values(last_used_at=at))

    assert await last_used() is None
    started = datetime.now(UTC)
    await api.get("GetCasesToDial")
    first = await last_used(seconds=PATIENCE)
    assert first
    assert started <= first <= datetime.now(UTC)
    for _ in range(3):
        await api.post("AddCaseNote", json={"CaseID": 7, "Note": "n"})
    assert await last_used(first) == first
    for ago, moves in ((timedelta(seconds=30), False), (timedelta(seconds=90), True)):
        earlier = datetime.now(UTC) - ago
        await used(earlier)
        async with server(database_url) as http:  # a server that has not seen this key before
            await Api(http, office.key).get("GetCasesToDial")
        now_used = await last_used(earlier, seconds=PATIENCE if moves else 0.3)
        assert now_used
        assert (now_used == earlier) is not moves
        assert not moves or now_used >= started


async def test_ignored_parameters_are_named(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    await add_seven(office)
    odd = ["Größe", "a, b", "a%20b", "x\r\nSet-Cookie: a=b", "\u2028", "😀", '"', "CaseIDs", "Api.Key"]
    for method, good in GOOD.items():
        for sent in [
            {"json": {**good, **dict.fromkeys(odd, 1)}},
            {"data": {**good, **dict.fromkeys(odd, "1")}},
            {"params": {**good, **dict.fromkeys(odd, "1")}},
            {"json": good, "params": dict.fromkeys(odd, "1")},
        ]:
            with subtests.test(method=method, sent=list(sent)):
                reply = await api.post(method, **sent)
                assert reply.status_code == 200
                assert sorted(ignored(reply)) == sorted(odd)
                assert "set-cookie" not in reply.headers
        with subtests.test(method=method, sent="nothing else"):
            assert "x-ignored-parameters" not in (await api.post(method, json=good)).headers
        with subtests.test(method=method, sent="repeated"):  # ignored whether or not its values agree
            reply = await api.post(method, json=good, params=[("Foo", "1"), ("Foo", "2"), ("Bar", "")])
            assert reply.status_code == 200
            assert ignored(reply) == ["Foo", "Bar"]
        with subtests.test(method=method, sent="too many"):
            names = [f"Parameter {number:03} – ignored" for number in range(200)]
            reply = await api.post(method, json={**dict.fromkeys(names, "x"), **good})
            assert reply.status_code == 200
            assert 512 < len(reply.headers["x-ignored-parameters"]) <= 1024
            assert ignored(reply) == names[: len(ignored(reply))]
        with subtests.test(method=method, sent="too long"):
            reply = await api.post(method, json={**good, "x" * 100_000: 1})
            assert reply.status_code == 200
            assert len(reply.headers.get("x-ignored-parameters", "")) <= 1024


async def test_a_typo_can_be_seen_in_a_refusal(api: Api, office: Office, subtests: pytest.Subtests) -> None:
    """Where a typo matters most: it is why the request was refused."""
    await add_seven(office)
    refusals: list[tuple[str, dict[str, Any], int, str]] = [
        ("GetCasesToDial", {"Records": 0, "Recrods": 5}, 400, "Recrods"),
        ("GetCaseInfo", {"CaesID": 7}, 400, "CaesID"),
        ("GetCaseInfo", {"CaseID": 70, "CaesID": 7}, 404, "CaesID"),
        ("UpdateCaseStatus", {"CaseID": 70, "Atempts": 1}, 404, "Atempts"),
        ("UpdateCaseStatus", {"Case": [{"CaseID": 7}]}, 400, "Case"),
        ("AddCaseNote", {"CaseID": 7, "Notes": "n"}, 400, "Notes"),
        ("AddCaseNote", {"CaseID": 70, "Note": "n", "Phone": "x"}, 404, "Phone"),
        ("AddCaseNoteByPhone", {"PhoneNo": NUMBER, "Note": "n"}, 400, "PhoneNo"),
        ("AddCaseNoteByPhone", {"Phone": "4025559999", "Note": "n", "CaseID": 7}, 404, "CaseID"),
    ]
    for method, sent, status, name in refusals:
        with subtests.test(method=method, sent=sent):
            reply = await api.post(method, json=sent)
            assert reply.status_code == status
            assert ignored(reply) == [name]


async def test_a_look_up_that_hangs_holds_up_nobody_else(
    api: Api, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a connection that was lost: requests that come later are on others."""
    await office.add(1)
    find, hang = keys.find, asyncio.Event()
    looked = 0

    async def find_late(*arguments: Any) -> Any:
        nonlocal looked
        looked += 1
        if looked == 1:
            await hang.wait()
        return await find(*arguments)

    monkeypatch.setattr(keys, "find", find_late)
    hanging = asyncio.create_task(api.get("GetCaseInfo", CaseID=1))
    await until(lambda: looked)
    async with asyncio.timeout(PATIENCE):
        assert (await api.get("GetCaseInfo", CaseID=1)).status_code == 200
    assert not hanging.done()
    hang.set()
    assert (await hanging).status_code == 200


async def test_a_key_is_for_so_many_campaigns(office: Office, http: httpx.AsyncClient) -> None:
    names = [f"Campaign {number}" for number in range(MAX_CAMPAIGNS + 1)]
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await add_statuses(tx, firm, [(StatusType.CAMPAIGN, name) for name in names])
    firm = await office.firm()
    async with office.store.write() as tx:
        with pytest.raises(InvalidSetting, match="at most 64 campaigns, not 65"):
            await add_key(tx, firm, "Bell", NOW, None, LimitChange(campaigns=names))
        key = await add_key(tx, firm, "Bell", NOW, None, LimitChange(campaigns=names[1:]))
    for number, name in enumerate(names):
        await office.add(number + 1, campaign=name)
    limited = Api(http, key.key)
    shown = (await limited.get("GetCasesToDial")).json()
    claimed = (await limited.post("GetCasesToDial", {"Auto-change": True})).json()
    assert [case["CaseID"] for case in shown] == [case["CaseID"] for case in claimed] == list(range(2, len(names) + 1))
