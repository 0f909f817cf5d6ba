"""Health, metrics, the reference and its OpenAPI document."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import sqlalchemy as sa
from openapi_spec_validator import validate

from casedial.database import schema
from casedial.database.engine import Store, Transaction
from casedial.domain.errors import OperatorError, RequestError, TooLarge, every_error
from casedial.domain.statuses import StatusType
from casedial.storage import health, held_back
from casedial.web import probes
from casedial.web.api import METHODS
from casedial.web.calling import PATHS
from casedial.web.openapi import document
from casedial.web.problems import status_of
from casedial.web.v1.routes import ROUTES
from tests.conftest import Api, Office, assert_problem
from tests.waiting import PATIENCE
from tests.web import test_examples


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database is waited for, for as long as a machine may stall."""
    monkeypatch.setattr(probes, "COUNT_SECONDS", PATIENCE)
    monkeypatch.setattr(probes, "READY_SECONDS", PATIENCE)


async def test_health_and_readiness(http: httpx.AsyncClient, store: Store) -> None:
    assert (await http.get("/healthz")).json() == {"status": "alive"}
    ready = await http.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"
    async with store.write() as tx:
        await tx.execute(sa.text("DELETE FROM alembic_version"))
    assert_problem(await http.get("/readyz"), 503, "SchemaBehind")
    assert (await http.get("/healthz")).status_code == 200


async def test_the_reference_needs_no_network(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(linked) >= 3
    for path in [*linked, "/openapi.json"]:
        assert path.startswith("/")
        assert (await http.get(path)).status_code == 200
    assert "http" not in page.text.replace("http-equiv", "")
    assert (await http.get("/")).headers["location"] == "/docs"


@pytest.mark.parametrize(
    "name",
    ["%00", "favicon-32x32.png/x", "favicon-32x32.png%2fx", "a" * 300, "%ed%a0%80", "..%2f__init__.py", ".", "é"],
)
async def test_an_asset_that_is_none(http: httpx.AsyncClient, name: str) -> None:
    assert_problem(await http.get(f"/docs/assets/{name}"), 404, "PathNotFound")


async def test_an_asset_is_sent_as_what_it_is(http: httpx.AsyncClient) -> None:
    style = await http.get("/docs/assets/swagger-ui.css")
    assert style.status_code == 200
    assert style.headers["content-type"].startswith("text/css")  # browsers refuse another: nosniff is sent


async def test_each_problem_type_leads_to_a_page(http: httpx.AsyncClient) -> None:
    problem = (await http.get("/nowhere")).json()
    path, _, anchor = problem["type"].partition("#")
    page = await http.get(path)
    assert page.status_code == 200
    assert f'id="{anchor}"' in page.text
    listed = set(re.findall(r'<tr id="(\w+)">', page.text))
    assert listed == {e.__name__ for e in every_error() if not issubclass(e, OperatorError)}


@pytest.mark.parametrize("base", ["/PredictiveDialer", "/firm/api"])
def test_the_document_is_valid(base: str) -> None:
    validate(json.loads(json.dumps(document(base))))
    own = dict.fromkeys(route.path for route in ROUTES)
    assert list(document(base)["paths"]) == [*(f"{base}/{method}" for method in METHODS), *PATHS, *own]


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path.rpartition("/")[2], verb, operation)
        for path, verbs in document("/x")["paths"].items()
        for verb, operation in verbs.items()
    ]


def test_the_document_has_the_verbs_that_are_served() -> None:
    described = {path: {verb.upper() for verb in verbs} for path, verbs in document("/x")["paths"].items()}
    served = {f"/x/{name}": set(method.verbs) for name, method in METHODS.items()} | {path: {"GET"} for path in PATHS}
    for route in ROUTES:
        served.setdefault(route.path, set()).add(route.verb)
    assert described == served


def test_the_document_names_every_parameter_of_the_specification() -> None:
    text = json.dumps(document("/x"))
    for name in (
        "Campaign", "CaseGroup", "Records", "Auto-change", "CaseID", "Status", "NextCall", "Attempts",
        "Disposition", "Note", "Phone",
    ):  # fmt: skip
        assert f'"{name}"' in text


def test_the_document_names_every_code_a_method_can_answer() -> None:
    described = {
        code
        for _, _, operation in operations()
        for status, reply in operation["responses"].items()
        for code in re.findall(r"`(\w+)`", reply["description"])
        if status_of(next(e for e in every_error() if e.__name__ == code)) == int(status)
    }
    of_requests = {e.__name__ for e in every_error() if issubclass(e, RequestError | TooLarge)}
    assert of_requests <= described
    assert {"KeyMissing", "KeyMistyped", "KeyUnknown", "KeyRevoked", "CaseNotFound", "PhoneNotFound"} <= described
    assert {"MethodNotAllowed", "UnsupportedContentType", "StorageUnavailable"} <= described


def test_the_document_shows_the_specifications_examples() -> None:
    shown = [
        json.dumps(media["example"])
        for _, _, operation in operations()
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for media in part.get("content", {}).values()
        if "example" in media
    ]
    for example in (test_examples.GET_CASES_TO_DIAL, test_examples.GET_CASE_INFO, test_examples.UPDATE_CASE_STATUS):
        assert json.dumps(json.loads(example)) in shown


async def test_metrics_count_by_method_and_outcome(api: Api, http: httpx.AsyncClient) -> None:
    await api.get("GetCaseInfo", CaseID=404404)
    await http.get("/PredictiveDialer/GetCaseInfo", params={"CaseID": 1})
    text = (await http.get("/metrics")).text
    assert re.search(r'casedial_requests_total\{method="GetCaseInfo",outcome="CaseNotFound"\} \d', text)
    assert re.search(r'casedial_requests_total\{method="GetCaseInfo",outcome="KeyMissing"\} \d', text)
    assert 'casedial_request_seconds_bucket{le="0.1",method="GetCaseInfo"}' in text
    assert "404404" not in text


async def test_metrics_tell_of_each_list(api: Api, office: Office) -> None:
    now = datetime.now(UTC)
    for case_id in (1, 2, 3):
        await office.add(case_id, dial_at=now - timedelta(hours=case_id))
    await office.add(4, dial_at=now + timedelta(hours=1))
    await office.add(5, campaign="Notification campaign")
    await office.add(6, campaign=None)
    firm = await office.firm()
    intake, notification = (status.id for status in firm.statuses.of(StatusType.CAMPAIGN))
    assert [case["CaseID"] for case in (await api.post("GetCasesToDial", {"Auto-change": True, "Records": 3})).json()]
    async with office.store.write() as tx:
        await held_back.hold_back(tx, firm, {2: now + timedelta(hours=1)})
    text = (await api.http.get("/metrics")).text
    value = {
        (name, campaign): float(number)
        for name, campaign, number in re.findall(
            rf'^casedial_(\w+){{campaign="(\d*)",firm="{firm.id}"}} (\S+)$', text, re.MULTILINE
        )
    }
    assert value["cases_due", str(intake)] == 2
    assert value["cases_callable", str(intake)] == 1
    assert 3590 < value["oldest_due_seconds", str(intake)] < 3700
    assert value["seconds_since_last_claim", str(intake)] < 60
    assert ("cases_due", str(notification)) not in value
    assert "last_claim_" not in text.replace("since_last_claim", "")


async def test_metrics_wait_for_no_database(
    http: httpx.AsyncClient, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are wanted most when it does not answer; what it counted last is shown for as long as it does not fail."""
    await office.add(1)
    assert "casedial_cases_due{" in (await http.get("/metrics")).text
    answers = asyncio.Event()

    async def answered(tx: Transaction) -> list[Any]:
        await answers.wait()
        raise KeyError("a fault")

    monkeypatch.setattr(health, "answered", answered)
    monkeypatch.setattr(probes, "COUNT_SECONDS", 0.2)
    async with asyncio.timeout(PATIENCE):
        reply = await http.get("/metrics")
    assert reply.status_code == 200
    assert "casedial_cases_due{" in reply.text
    answers.set()
    monkeypatch.setattr(probes, "COUNT_SECONDS", PATIENCE)
    reply = await http.get("/metrics")
    assert reply.status_code == 200
    assert "casedial_requests_total" in reply.text
    assert "casedial_cases_due{" not in reply.text
    assert 'casedial_upkeep_faults_total{chore="metrics"}' in (await http.get("/metrics")).text


async def test_ready_says_no_in_time_whatever_hangs(
    http: httpx.AsyncClient, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = asyncio.Event()

    async def ready(store: object) -> None:
        try:
            await over.wait()
        finally:
            await over.wait()  # for the transaction to be taken back

    monkeypatch.setattr(probes, "READY_SECONDS", 0.2)
    monkeypatch.setattr(schema, "ready", ready)
    async with asyncio.timeout(PATIENCE):
        assert_problem(await http.get("/readyz"), 503, "StorageUnavailable")
    over.set()


async def test_in_the_dialer_by_an_update_is_a_claim(api: Api, office: Office) -> None:
    await office.add(1)
    assert (await api.post("UpdateCaseStatus", {"CaseID": 1, "Status": "In the Dialer"})).status_code == 200
    firm, campaign = await office.firm(), (await office.case(1)).campaign_id
    told = f'casedial_seconds_since_last_claim{{campaign="{campaign}",firm="{firm.id}"}}'
    assert told in (await api.http.get("/metrics")).text  # without it, only lists with due cases are told of


@pytest.mark.parametrize(
    "path", ["/metrics", "/readyz", "/healthz", "/docs", "/docs/errors", "/openapi.json", "/v1/preflight"]
)
async def test_a_page_has_one_spelling(http: httpx.AsyncClient, path: str) -> None:
    """A proxy that keeps a page inside goes by its name."""
    encoded = f"/%{ord(path[1]):02x}{path[2:]}"
    for other in (
        f"{path}/", f"/{path}", f"{path}//", f"{path}%2f", f"{path}%2F", f"{path};x", f"{path}%20", f"/.{path}",
        f"/x/..{path}", f"{path}/.", f"{path}%00", path.upper(), encoded,
    ):  # fmt: skip
        assert await status(http, other) == 404, other
    assert await status(http, path) in (200, 401)


async def status(http: httpx.AsyncClient, raw_path: str) -> int:
    """Ask for a path exactly as it is written, which a client would tidy up; return the status."""
    found = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal found
        found = message.get("status", found)

    path = {"path": unquote(raw_path), "raw_path": raw_path.encode(), "query_string": b"x=1", "root_path": ""}
    about = {"type": "http", "method": "GET", "headers": [], "client": None, "http_version": "1.1", "scheme": "http"}
    await http._transport.app({**about, **path, "server": None, "state": {}}, receive, send)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("verb", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "TRACE", "PATCH"])
async def test_a_page_takes_get_only(http: httpx.AsyncClient, verb: str) -> None:
    for path in ("/metrics", "/docs", "/"):
        refused = await http.request(verb, path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET")


async def test_methods_are_tolerant_but_of_no_encoded_slash(http: httpx.AsyncClient) -> None:
    for path in ("/PredictiveDialer/GetCaseInfo", "/predictivedialer/GETCASEINFO/"):
        assert_problem(await http.get(path), 401, "KeyMissing")
    for path in ("GetCaseInfo%2f", "/GetCaseInfo", "GetCaseInfo//", "../PredictiveDialer/GetCaseInfo"):
        assert await status(http, f"/PredictiveDialer/{path}") == 404
    assert await status(http, "/PredictiveDialer%2FGetCaseInfo") == 404


async def test_a_scrape_has_its_counts_though_another_begins_the_next_at_that_moment(store: Store) -> None:
    counting = probes._Census(store)
    asked = asyncio.create_task(counting.counts())
    await asyncio.sleep(0)
    first, another = counting._counting, asyncio.create_task(asyncio.sleep(60))
    assert first
    first.add_done_callback(lambda _: setattr(counting, "_counting", another))
    assert await asked is not None
    another.cancel()
