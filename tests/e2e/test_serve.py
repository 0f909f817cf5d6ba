"""The server as it is run: several workers, metrics added up, what is changed by command seen by all, clean logs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from contextlib import suppress
from http.client import HTTPConnection

import httpx
import pytest
import sqlalchemy as sa

from casedial.database import sqlite
from casedial.database.engine import Store
from casedial.domain.keys import Scope
from tests.conftest import Office, make_office
from tests.postgres import is_listening
from tests.servers import CASEDIAL, Server, plain, unread
from tests.waiting import PATIENCE, until, wait_until
from tests.web.v1.conftest import key_of


async def command(*arguments: str, url: str) -> str:
    process = await asyncio.create_subprocess_exec(
        CASEDIAL, *arguments, "--database-url", url, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


def ask(server: Server, key: str, method: str, **parameters: object) -> httpx.Response:
    """Ask on a connection of its own, so that any worker may answer."""
    return plain.get(f"{server.base}/{method}", params={**parameters}, headers={"X-ApiKey": key})


async def test_every_worker_sees_a_rename_and_a_revoked_key_at_once(office: Office, database_url: str) -> None:
    await office.add(1)
    with Server(database_url, "--workers", "2") as server:
        for _ in range(20):  # so that every worker has the old name in its memory
            assert ask(server, office.key, "GetCasesToDial").json()[0]["DialerStatus"] == "To Dial"
        await command(
            "status", "rename", "To Dial", "Ready", "--firm", office.name, "--type", "Dialer Status", url=database_url
        )
        for _ in range(20):
            assert ask(server, office.key, "GetCasesToDial").json()[0]["DialerStatus"] == "Ready"
        body = {"Cases": [{"CaseID": 1, "Status": "ready"}]}
        done = plain.post(f"{server.base}/UpdateCaseStatus", json=body, headers={"X-ApiKey": office.key})
        assert done.status_code == 200
        await command("key", "revoke", "1", url=database_url)
        for _ in range(20):
            refused = ask(server, office.key, "GetCasesToDial")
            assert (refused.status_code, refused.json()["code"]) == (401, "KeyRevoked")


async def test_who_waits_for_the_feed_does_not_keep_a_server_from_stopping(office: Office, database_url: str) -> None:
    key = await key_of(office, Scope.FEED)
    with Server(database_url, "--workers", "2") as server:
        waiting = [HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE) for _ in range(6)]
        for one in waiting:
            one.request("GET", "/v1/changes?After=end&Wait=30", headers={"X-ApiKey": key})
        await until(lambda: [unread(server.port, one.sock.getsockname()[1]) for one in waiting] == [0] * len(waiting))
        server.process.terminate()
        replies = [one.getresponse() for one in waiting]
        assert {(reply.status, json.loads(reply.read())["More"]) for reply in replies} == {(200, False)}
        assert "refused to gracefully stop" not in server.stop()
        assert server.process.returncode == 0


async def test_metrics_are_summed_over_workers(office: Office, database_url: str) -> None:
    for case_id in range(1, 41):
        await office.add(case_id)
    wanted = {
        'casedial_requests_total{method="GetCasesToDial",outcome="Success"} 40.0',
        'casedial_cases_claimed_total{method="GetCasesToDial",outcome="Success"} 40.0',
    }
    with Server(database_url, "--workers", "2") as server:
        for _ in range(40):
            ask(server, office.key, "GetCasesToDial", **{"Auto-change": "true", "Records": 1})

        def are_told() -> bool:
            told = [plain.get(f"{server.url}/metrics").text.splitlines() for _ in range(5)]
            return all(wanted <= set(lines) for lines in told)  # whichever worker answers

        await until(are_told)  # workers show each other twice a second what they counted


async def test_logs_hold_a_line_for_each_request(office: Office, database_url: str) -> None:
    await office.add(1)
    with Server(database_url) as server:
        replies = [
            ask(server, office.key, "GetCaseInfo", CaseID=1),
            ask(server, office.key + "x", "GetCaseInfo", CaseID=1),
            plain.get(f"{server.url}/nowhere"),
        ]
        log = server.stop()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    logged = {line["request_id"]: line for line in lines if line["event"] == "request"}
    first, *_ = found = [logged[reply.headers["x-request-id"]] for reply in replies]
    assert [line["outcome"] for line in found] == ["Success", "KeyMistyped", "PathNotFound"]
    assert (first["method"], first["status"], first["cases"]) == ("GetCaseInfo", 200, 1)
    assert {"firm", "key", "ms", "verb", "timestamp", "level"} <= set(first)


async def test_a_fault_of_ours_is_a_500_that_tells_nothing_and_is_logged(office: Office, database_url: str) -> None:
    """The one way to a 5xx: the schema is broken behind the server's back."""
    with Server(database_url) as server:
        async with office.store.write() as tx:
            await tx.execute(sa.text("DROP TABLE notes"))
        await office.add(1)
        reply = plain.post(
            f"{server.base}/AddCaseNote", json={"CaseID": 1, "Note": "A note"}, headers={"X-ApiKey": office.key}
        )
        assert reply.status_code in (500, 503)  # SQLite has one class of error for both
        assert "notes" not in reply.text
        assert '"event": "fault"' in server.stop() or reply.status_code == 503


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGINT, signal.SIGTERM]])
def test_it_stops_when_told(tmp_path: object, signals: list[signal.Signals]) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", "--workers", "2") as server:
        for number in signals:  # both at once had it wait for ever
            server.process.send_signal(number)
        status = server.process.wait(PATIENCE)  # it ends after 10 s a worker that was still starting and did not hear
        assert status == 0 or (len(signals) > 1 and status == -signal.SIGTERM)
        assert "Traceback" not in server.output()


def test_a_port_in_use_is_said(tmp_path: object) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db") as server:
        done = subprocess.run([CASEDIAL, "serve", "--port", str(server.port)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Cannot listen" in done.stderr


def test_workers_end_with_a_killed_parent(tmp_path: object) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db", "--workers", "2") as server:
        wait_until(lambda: len(server.workers()) == 2)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        wait_until(lambda: not is_listening(server.port))  # or they would go on without anybody to watch them


async def test_a_read_does_not_wait_for_another_process_that_writes(store: Store, database_url: str) -> None:
    office = await make_office(store)
    await office.add(1)
    keys = [await key_of(office, Scope.READ) for _ in range(3)]  # never used, so that their use is to be noted
    with Server(database_url) as server:
        async with store.write() as tx:
            await tx.execute(sa.text("UPDATE cases SET zip_code = 'held'"))
            replies = [await asyncio.to_thread(ask, server, key, "GetCaseInfo", CaseID=1) for key in keys]
        assert [(reply.status_code, reply.json()["ZipCode"]) for reply in replies] == [(200, "")] * 3
        quickest = min(reply.elapsed.total_seconds() for reply in replies)  # the machine may stall once
        assert quickest < sqlite.BUSY_SECONDS / 2


def test_a_killed_worker_is_replaced(tmp_path: object) -> None:
    with Server(f"sqlite:///{tmp_path}/x.db") as server:
        [killed] = server.workers()
        os.kill(killed, signal.SIGKILL)

        def answers_again() -> bool:
            with suppress(httpx.TransportError):
                return killed not in server.workers() and plain.get(f"{server.url}/healthz").status_code == 200
            return False

        wait_until(answers_again)
