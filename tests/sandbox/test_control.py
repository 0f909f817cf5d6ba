"""/sandbox: its key, the clock, resets and the log of calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from casedial.sandbox.scenarios import KEYS, SCENARIOS
from casedial_client import Client, errors
from casedial_client.testing import Sandbox
from tests.conftest import assert_problem
from tests.servers import Server, connected, plain

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.fixture
def database() -> str:
    """The sandbox has no other."""
    return "sqlite"


@pytest.fixture
def dialer(casedial_sandbox: Sandbox) -> Iterator[Client]:
    with Client(casedial_sandbox.address, key=casedial_sandbox.key, patience=0) as client:
        yield client


def test_it_wants_its_own_key(casedial_sandbox: Sandbox) -> None:
    for path in ("", "/clock", "/nowhere"):
        assert_problem(plain.get(f"{casedial_sandbox.url}/sandbox{path}"), 401, "KeyMissing")
        for key in (casedial_sandbox.key, "sandbox_wrong", "\u00e9"):
            reply = plain.get(f"{casedial_sandbox.url}/sandbox{path}", headers={"X-Sandbox-Key": key.encode("latin-1")})
            assert_problem(reply, 401, "KeyUnknown")
    own = {"X-Sandbox-Key": casedial_sandbox.environment["CASEDIAL_SANDBOX_KEY"]}
    assert_problem(plain.get(f"{casedial_sandbox.url}/sandbox/nowhere", headers=own), 404, "PathNotFound")
    wrong = plain.put(f"{casedial_sandbox.url}/sandbox/clock", headers=own)
    assert_problem(wrong, 405, "MethodNotAllowed")
    assert wrong.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff", b"x" * 70_000])
def test_what_cannot_be_read_is_refused(casedial_sandbox: Sandbox, body: bytes) -> None:
    own = {"X-Sandbox-Key": casedial_sandbox.environment["CASEDIAL_SANDBOX_KEY"]}
    reply = plain.post(f"{casedial_sandbox.url}/sandbox/reset", headers=own, content=body)
    assert reply.status_code == (413 if len(body) > 65536 else 400)


def test_the_server_that_people_use_has_no_sandbox(database_url: str) -> None:
    with Server(database_url) as server:
        for path in ("", "/", "/clock", "/reset", "/calls", "/faults", "/cases/1"):
            for verb in ("GET", "POST", "DELETE"):
                reply = plain.request(verb, f"{server.url}/sandbox{path}", headers={"X-Sandbox-Key": "sandbox_x"})
                assert_problem(reply, 404, "PathNotFound")


def test_hours_pass_in_milliseconds_and_what_is_due_was_done(casedial_sandbox: Sandbox, dialer: Client) -> None:
    """In 40 on a machine that is not busy; here others may work, and once in five hours it may stall."""
    casedial_sandbox.reset("short claims")
    claimed = dialer.get_cases_to_dial(records=10, auto_change=True)
    assert len(claimed) == 10
    assert len(dialer.get_cases_to_dial(records=10)) == 0
    took = []
    for _ in range(5):
        began = time.monotonic()
        casedial_sandbox.clock.move(HOUR)
        took.append(time.monotonic() - began)
    assert casedial_sandbox.case(1).statuses["Dialer Status"] == "To Dial"  # without a request in between
    assert len(dialer.get_cases_to_dial(records=10)) == 10
    assert claimed.lease
    with pytest.raises(errors.ClaimLost):
        dialer.extend_claim(claimed.lease.claim_id)
    assert min(took) < 2


def test_calling_hours_open(casedial_sandbox: Sandbox, dialer: Client) -> None:
    casedial_sandbox.reset("hours")
    night = casedial_sandbox.clock.now
    assert casedial_sandbox.clock.now == night == datetime(2027, 3, 2, 7, 0, tzinfo=UTC)  # it stands
    assert len(dialer.get_cases_to_dial(records=100, auto_change=True)) == 0
    casedial_sandbox.clock.move(timedelta(hours=6, minutes=30))  # half past eight in New York
    zips = {case.zip_code for case in dialer.get_cases_to_dial(records=100)}
    assert zips == {"10001"}
    casedial_sandbox.clock.move(4 * HOUR)
    assert len({case.zip_code for case in dialer.get_cases_to_dial(records=100)}) == 4


def test_a_policy_tries_again(casedial_sandbox: Sandbox, dialer: Client) -> None:
    casedial_sandbox.reset("retries")
    [case] = dialer.get_cases_to_dial(records=1, auto_change=True)
    key = {"X-ApiKey": casedial_sandbox.key}
    said = {"CaseID": case.case_id, "Disposition": "No Answer"}
    plain.post(f"{casedial_sandbox.address}/UpdateCaseStatus", json=said, headers=key)
    assert casedial_sandbox.case(case.case_id).history[-1].reason == "retry policy: 1 of 2"
    due = {found.case_id for found in dialer.get_cases_to_dial(records=100)}
    casedial_sandbox.clock.move(4 * HOUR)
    assert {found.case_id for found in dialer.get_cases_to_dial(records=100)} == due | {case.case_id}


def test_keys_expire_and_minutes_end(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.clock.freeze()
    key = {"X-ApiKey": casedial_sandbox.keys["slow"]}
    with connected(base_url=casedial_sandbox.url, headers=key) as slow:
        assert [slow.get("/v1/firm").status_code for _ in range(3)] == [200, 200, 429]
        casedial_sandbox.clock.move(timedelta(minutes=1))
        assert slow.get("/v1/firm").status_code == 200


def test_replies_are_dated_by_it_and_so_a_lease_is_a_span(casedial_sandbox: Sandbox, dialer: Client) -> None:
    casedial_sandbox.reset("short claims")
    casedial_sandbox.clock.set(datetime(2030, 5, 6, 12, 0, tzinfo=UTC))
    claimed = dialer.get_cases_to_dial(records=1, auto_change=True)
    assert claimed.lease
    assert claimed.lease.expires_at
    assert claimed.lease.expires_at.year == 2030
    assert claimed.lease.deadline
    assert 30 < claimed.lease.deadline - time.monotonic() <= 60


def test_the_clock(casedial_sandbox: Sandbox) -> None:
    clock, noon = casedial_sandbox.clock, datetime(2027, 5, 6, 12, 0, tzinfo=UTC)
    assert datetime.now(UTC) - SECOND <= clock.now <= datetime.now(UTC)
    began = time.monotonic()
    assert noon <= clock.set(noon) <= noon + timedelta(seconds=time.monotonic() - began)
    stood = clock.freeze()
    time.sleep(0.05)
    assert clock.now == stood
    assert clock.move(timedelta(days=1)) == stood + timedelta(days=1)
    assert clock.move(-timedelta(days=2)) == stood - timedelta(days=1)
    clock.run()
    time.sleep(0.05)
    assert stood - timedelta(days=1) < clock.now < stood
    both = {"set_to": "2027-05-06T07:00:00-05:00", "frozen": True, "move_by": 60}
    assert casedial_sandbox.ask("POST", "/clock", both) == {"now": "2027-05-06T12:01:00Z", "frozen": True}
    casedial_sandbox.reset()
    assert datetime.now(UTC) - SECOND <= clock.now <= datetime.now(UTC)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"set": 1},
        {"set_to": "2027-05-06T12:00:00"},
        {"set_to": "soon"},
        {"set_to": None},
        {"move_by": "1h"},
        {"move_by": True},
        {"move_by": 1e18},
        {"move_by": -1e11},
        {"frozen": 1},
        {"frozen": None},
    ],
)
def test_no_time(casedial_sandbox: Sandbox, asked: dict[str, Any]) -> None:
    with pytest.raises(RuntimeError, match="refused POST /clock"):
        casedial_sandbox.ask("POST", "/clock", asked)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_reset_brings_a_scenario_and_keeps_the_keys(casedial_sandbox: Sandbox, dialer: Client, name: str) -> None:
    casedial_sandbox.faults.be_away(calls=100, method="AddCaseNote")
    dialer.get_case_info(1)
    casedial_sandbox.reset(name)
    assert casedial_sandbox.calls() == []
    assert casedial_sandbox.faults.waiting() == []
    assert dialer.firm().name == casedial_sandbox.firm
    assert casedial_sandbox.ask("GET", "")["scenario"] == name
    assert set(casedial_sandbox.keys) == set(KEYS)


def test_a_reset_while_a_dialer_works(casedial_sandbox: Sandbox) -> None:
    """No call fails for it: those that go on are answered by what was there when they came."""
    over, faults = threading.Event(), []

    def work() -> None:
        with connected(headers={"X-ApiKey": casedial_sandbox.key}) as http:
            while not over.is_set():
                reply = http.post(
                    f"{casedial_sandbox.address}/GetCasesToDial", json={"Records": 2, "Auto-change": True}
                )
                faults.extend([reply.text] if reply.status_code != 200 else [])

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(5):
        casedial_sandbox.reset("many")
    over.set()
    for worker in workers:
        worker.join()
    assert faults == []


def test_what_happened(casedial_sandbox: Sandbox, dialer: Client) -> None:
    claimed = dialer.get_cases_to_dial(records=2, auto_change=True)
    dialer.add_case_note(1, "Private.")
    with pytest.raises(errors.CaseNotFound):
        dialer.get_case_info(999)
    calls = [call for call in casedial_sandbox.calls() if call.method != "Firm"]
    assert [(call.method, call.status, call.code) for call in calls] == [
        ("GetCasesToDial", 200, None),
        ("AddCaseNote", 200, None),
        ("GetCaseInfo", 404, "CaseNotFound"),
    ]
    assert calls[0].cases == (1, 2)
    assert claimed.lease
    assert calls[0].claim_id == claimed.lease.claim_id
    assert calls[1].cases == (1,)
    assert all(call.request_id for call in calls)
    assert "Private" not in str(casedial_sandbox.ask("GET", "/calls"))
    after = casedial_sandbox.ask("GET", f"/calls?after={calls[0].number}&method=GetCaseInfo")["calls"]
    assert [call["method"] for call in after] == ["GetCaseInfo"]
    assert casedial_sandbox.ask("DELETE", "/calls") == {"calls": []}
    assert casedial_sandbox.calls() == []
    with pytest.raises(RuntimeError, match="after must be"):
        casedial_sandbox.ask("GET", "/calls?after=x")


@pytest.mark.parametrize("case_id", ["0", "999", "x", "9" * 30, "1/2"])
def test_a_case_that_is_not_there(casedial_sandbox: Sandbox, case_id: str) -> None:
    with pytest.raises(RuntimeError, match="no case"):
        casedial_sandbox.ask("GET", f"/cases/{case_id}")
