"""Faults over real connections: what a client sees of each, and what the firm has afterwards."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

import httpx
import pytest

from casedial_client.testing import Sandbox
from tests.servers import connected, plain
from tests.waiting import PATIENCE

UPDATE = {"CaseID": 1, "Status": "To Dial", "Disposition": "No Answer", "Attempts": 1}


def asked(sandbox: Sandbox, method: str, body: dict[str, Any], **headers: str) -> bytes:
    """A request as it goes over the wire."""
    text = json.dumps(body)
    head = {"Host": "sandbox", "X-ApiKey": sandbox.key, "Content-Length": str(len(text)), **headers}
    lines = [f"POST /PredictiveDialer/{method} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    return ("\r\n".join(lines) + "\r\n\r\n" + text).encode()


def connect(sandbox: Sandbox) -> socket.socket:
    port = int(sandbox.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def heard(plug: socket.socket) -> bytes:
    """All that comes until the connection ends. Raises ConnectionResetError where it is reset."""
    found = b""
    while data := plug.recv(65536):
        found += data
    return found


def results(sandbox: Sandbox) -> list[str]:
    return [result for result in sandbox.case(1).results() if result != "Never Dialed"]


def update(sandbox: Sandbox, client: httpx.Client, **headers: str) -> httpx.Response:
    headers["X-ApiKey"] = sandbox.key
    return client.post(f"{sandbox.address}/UpdateCaseStatus", json=UPDATE, headers=headers)


@pytest.mark.parametrize("size", [0, 1, 40, 300])
def test_of_a_cut_reply_so_many_bytes_arrive(casedial_sandbox: Sandbox, size: int) -> None:
    casedial_sandbox.faults.cut(bytes=size, method="UpdateCaseStatus")
    with connect(casedial_sandbox) as plug:
        plug.sendall(asked(casedial_sandbox, "UpdateCaseStatus", UPDATE))
        found = heard(plug)
    assert len(found) == size
    assert b"HTTP/1.1 200 OK"[:size] == found[:15]
    assert results(casedial_sandbox) == ["No Answer"]  # it was done


def test_a_reply_that_is_shorter_is_whole_and_so_is_the_next(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.faults.cut(bytes=100_000)
    with connected() as client:  # one connection
        assert update(casedial_sandbox, client).json()["Succeeded"] == 1
        assert (
            len(
                client.get(
                    f"{casedial_sandbox.address}/GetCasesToDial", headers={"X-ApiKey": casedial_sandbox.key}
                ).json()
            )
            > 20
        )


def test_a_cut_in_the_middle_of_a_large_reply(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.reset("many")
    casedial_sandbox.faults.cut(bytes=50_001)
    with connect(casedial_sandbox) as plug:
        plug.sendall(asked(casedial_sandbox, "GetCasesToDial", {"Records": 1000}))
        assert len(heard(plug)) == 50_001


def test_reset_before_nothing_was_done(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.faults.reset_before()
    with connect(casedial_sandbox) as plug:
        plug.sendall(asked(casedial_sandbox, "UpdateCaseStatus", UPDATE))
        with pytest.raises(ConnectionResetError):
            heard(plug)
    assert results(casedial_sandbox) == []
    [call] = casedial_sandbox.calls()
    assert (call.method, call.fault, call.cases) == ("UpdateCaseStatus", "reset before", ())


def test_reset_after_it_was_done(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.faults.reset_after()
    with connect(casedial_sandbox) as plug:
        plug.sendall(asked(casedial_sandbox, "UpdateCaseStatus", UPDATE))
        with pytest.raises(ConnectionResetError):
            heard(plug)
    assert results(casedial_sandbox) == ["No Answer"]
    [call] = casedial_sandbox.calls()
    assert (call.status, call.cases, call.fault) == (200, (1,), "reset after")


def test_a_claim_whose_reply_is_lost_is_held_until_its_end(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.reset("short claims")
    casedial_sandbox.faults.reset_after(method="GetCasesToDial")
    with connect(casedial_sandbox) as plug:
        plug.sendall(asked(casedial_sandbox, "GetCasesToDial", {"Records": 1, "Auto-change": True}))
        with pytest.raises(ConnectionResetError):
            heard(plug)
    assert casedial_sandbox.case(1).statuses["Dialer Status"] == "In the Dialer"


def test_a_repeat_with_the_same_key_is_done_once(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.faults.reset_after()
    with connected() as client:
        with pytest.raises(httpx.TransportError):
            update(casedial_sandbox, client, **{"Idempotency-Key": "one"})
        assert update(casedial_sandbox, client, **{"Idempotency-Key": "one"}).json()["Succeeded"] == 1
    assert results(casedial_sandbox) == ["No Answer"]
    first, second = casedial_sandbox.calls("UpdateCaseStatus")
    assert (first.repeated, second.repeated) == (False, True)
    assert first.idempotency_key == second.idempotency_key == "one"
    assert first.request_id != second.request_id


def test_refusals_are_as_the_server_words_them(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.faults.limit(retry_after=7)
    casedial_sandbox.faults.be_away()
    with connected() as client:
        limited, away, done = (update(casedial_sandbox, client) for _ in range(3))
    assert (limited.status_code, limited.json()["code"], limited.headers["retry-after"]) == (429, "RateLimited", "7")
    assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (503, "StorageUnavailable", "1")
    assert done.status_code == 200
    assert results(casedial_sandbox) == ["No Answer"]
    assert [call.status for call in casedial_sandbox.calls()] == [429, 503, 200]
    assert [call.code for call in casedial_sandbox.calls()] == ["RateLimited", "StorageUnavailable", None]
    assert limited.headers["x-request-id"] == casedial_sandbox.calls()[0].request_id


def test_a_delay(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.faults.delay(0.5)
    with connected() as client:
        began = time.monotonic()
        assert update(casedial_sandbox, client).status_code == 200
        assert time.monotonic() - began >= 0.5


def test_a_fault_is_for_its_method_and_for_so_many_calls(casedial_sandbox: Sandbox) -> None:
    casedial_sandbox.faults.be_away(calls=2, method="AddCaseNote")
    casedial_sandbox.faults.limit(calls=1)
    key = {"X-ApiKey": casedial_sandbox.key}
    with connected(base_url=casedial_sandbox.address + "/", headers=key) as client:
        note = {"CaseID": 1, "Note": "Left a message."}
        assert client.post("addcasenote", json=note).status_code == 503
        assert client.get("GetCaseInfo", params={"CaseID": 1}).status_code == 429
        assert client.get("GetCaseInfo", params={"CaseID": 1}).status_code == 200
        assert casedial_sandbox.faults.waiting() == [{"fault": "503", "calls": 1, "method": "AddCaseNote"}]
        casedial_sandbox.faults.clear()
        assert client.post("AddCaseNote/", json=note).status_code == 200
    assert [note.note for note in casedial_sandbox.case(1).notes] == ["Left a message."]


@pytest.mark.parametrize("path", ["healthz", "readyz", "docs", "metrics"])
def test_pages_are_no_calls(casedial_sandbox: Sandbox, path: str) -> None:
    casedial_sandbox.faults.reset_before()
    assert plain.get(f"{casedial_sandbox.url}/{path}").status_code == 200
    assert casedial_sandbox.calls() == []
    assert len(casedial_sandbox.faults.waiting()) == 1


def test_a_client_that_leaves_or_resets_harms_nobody(casedial_sandbox: Sandbox) -> None:
    for reset in (True, False):
        for part in (b"", asked(casedial_sandbox, "GetCaseInfo", {"CaseID": 1})[:50]):
            plug = connect(casedial_sandbox)
            plug.sendall(part)
            if reset:
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            plug.close()
    with connect(casedial_sandbox) as plug:  # one that says no more, and still listens
        plug.sendall(asked(casedial_sandbox, "UpdateCaseStatus", UPDATE, Connection="close"))
        assert heard(plug).startswith(b"HTTP/1.1 200")
    assert results(casedial_sandbox) == ["No Answer"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "fault must be one of"),
        ({"fault": "fire"}, "fault must be one of"),
        ({"fault": "cut", "seconds": 1}, "'cut' takes calls, method, bytes, not 'seconds'"),
        ({"fault": "cut", "bytes": -1}, "bytes"),
        ({"fault": "cut", "bytes": "x"}, "bytes"),
        ({"fault": "503", "calls": 0}, "calls"),
        ({"fault": "503", "calls": 1.5}, "calls"),
        ({"fault": "503", "calls": True}, "calls"),
        ({"fault": "503", "method": "Nothing"}, "method must be one of"),
        ({"fault": "delay", "seconds": 1e9}, "seconds"),
    ],
)
def test_what_is_no_fault_is_refused(casedial_sandbox: Sandbox, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(RuntimeError, match=said):
        casedial_sandbox.ask("POST", "/faults", asked)
    assert casedial_sandbox.faults.waiting() == []
