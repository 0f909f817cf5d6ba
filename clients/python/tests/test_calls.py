"""Each call against a real server, by Client and AsyncClient, and what they return."""

from __future__ import annotations

import inspect
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clients.python.tests.conftest import fill
from tests.conftest import Office
from tests.servers import Server

from casedial.domain import errors as servers_errors
from casedial.web.api import METHODS
from casedial.web.calling import PATHS
from casedial_client import AsyncClient, CaseNote, CaseUpdate, Client, calls, errors
from casedial_client.sending import Call

ERRORS_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"
LATER = datetime(2031, 5, 6, 14, 0, tzinfo=UTC)


def described() -> dict[str, Any]:
    """Every function of calls.py that describes a call."""
    return {
        name: function
        for name, function in vars(calls).items()
        if inspect.isfunction(function)
        and not name.startswith("_")
        and name not in ("new_key", "case_from", "without_nulls")
    }


def test_both_clients_have_every_call_and_every_method_has_one() -> None:
    for name, function in described().items():
        for kind in (Client, AsyncClient):
            method = getattr(kind, name)
            assert method.__doc__ == function.__doc__
            assert inspect.signature(method, follow_wrapped=True) == inspect.signature(function)
    made: list[Call[Any]] = [
        calls.get_cases_to_dial(),
        calls.get_case_info(7),
        calls.update_case_status(),
        calls.add_case_note(7, "x"),
        calls.add_case_notes(),
        calls.add_case_note_by_phone("4025550112", "x"),
        calls.extend_claim("c"),
        calls.release_claim("c"),
        calls.firm(),
        calls.explain(7),
        calls.preflight(),
    ]
    assert {call.method for call in made} == METHODS.keys() | {path.replace("{case_id}", "7") for path in PATHS}
    assert len(made) == len(described()) - 1  # but for the one that takes any


async def test_a_whole_day(server: Server, office: Office, client: Client) -> None:
    await fill(office, 6)
    async with AsyncClient(server.base, key=office.key) as awaited:
        assert (client.firm(), client.firm().zone.key) == (await awaited.firm(), "America/Chicago")
        due = await awaited.get_cases_to_dial("Intake follow-up", records=2)
        assert list(due) == list(client.get_cases_to_dial("Intake follow-up", records=2))
        assert [case.case_id for case in due] == [1, 2]
        assert due.lease is None
        assert due[0] == client.get_case_info(1) == await awaited.get_case_info(1)
        assert due[0].phones[0].phone == "4025550001"
        assert due[0].dial_date_time == datetime(2020, 1, 1, tzinfo=UTC)
        assert str(due[0].dial_date_time) == "2019-12-31 18:00:00-06:00"

        claimed = await awaited.get_cases_to_dial(records=3, auto_change=True, claim_seconds=60)
        assert claimed.lease
        claim = claimed.lease.claim_id
        longer = client.extend_claim(claim, [1, 2, 3], seconds=600)
        assert longer.lease
        assert (
            timedelta(seconds=500)
            < timedelta(seconds=longer.lease.deadline - claimed.lease.deadline)
            < timedelta(seconds=600)
        )
        results = await awaited.update_case_status(
            CaseUpdate(1, "To Dial", LATER, 1, "No Answer"), CaseUpdate(999, attempts=1), claim_id=claim
        )
        assert [result.code for result in results] == [None, "CaseNotFound"]
        assert [result.case_id for result in results.failed] == [999]
        with pytest.raises(errors.ClaimLost) as caught:
            client.update_case_status(CaseUpdate(1, "Do not Dial"), claim_id=claim)
        assert caught.value.results[0].case_id == 1
        assert len(client.release_claim(claim, 2)) == 1
        assert (await awaited.release_claim(claim)).results[0].case_id == 3

        assert len(client.add_case_note([1, 2], "Office closed.")) == 2
        assert len(await awaited.add_case_notes(CaseNote(1, "Busy."), CaseNote(2, "Moved."))) == 2
        assert client.add_case_note_by_phone("(402) 555-0003", "Called in.").results[0].case_id == 3
        assert {note.text for note in await office.notes(1)} == {"Office closed.", "Busy."}

        assert client.get_case_info(1).attempts == 1
        assert client.get_case_info(1).dial_date_time == LATER
        told = await awaited.explain(1)
        assert (told.callable, told.checks[0].name, told.held) == (False, "dialer status", None)
        counted = client.preflight("Intake follow-up")
        assert (counted.due, counted.callable) == (5, 5)
        raw = client.call("GetCaseInfo", {"CaseID": 1}, writes=False)
        assert raw.document["CaseID"] == 1
        assert raw.request_id


async def test_a_lease_is_measured_by_spans_whatever_the_clocks_say(client: Client, office: Office) -> None:
    await fill(office, 1)
    before = time.monotonic()
    lease = client.get_cases_to_dial(auto_change=True, claim_seconds=60).lease
    after = time.monotonic()
    assert lease
    assert before + 57 - (after - before) < lease.deadline <= after + 60  # the header Date has seconds only


async def test_the_same_idempotency_key_claims_once(client: Client, office: Office) -> None:
    await fill(office, 4)
    first, again = (client.get_cases_to_dial(records=2, auto_change=True, idempotency_key="one") for _ in range(2))
    assert list(first) == list(again)
    assert len(client.get_cases_to_dial()) == 2
    with pytest.raises(errors.IdempotencyKeyReused):
        client.get_cases_to_dial(records=3, auto_change=True, idempotency_key="one")


def test_the_tree_of_errors_is_the_servers() -> None:
    for told in servers_errors.every_error():
        if issubclass(told, servers_errors.OperatorError):
            continue
        ours = getattr(errors, told.__name__)
        assert issubclass(ours, errors.Refusal)
        parent = told.__mro__[1].__name__
        assert parent == "CasedialError" or issubclass(ours, getattr(errors, parent))


def test_what_to_do_is_what_the_reference_says() -> None:
    rows = re.findall(r"^\| `(\w+)` \| \d+ \| [^|]+ \| ([^|]+) \|$", ERRORS_PAGE.read_text(), re.MULTILINE)
    assert len(rows) > 30
    assert {code: getattr(errors, code)("").advice for code, _ in rows} == dict(rows)


def test_every_error_says_what_to_do() -> None:
    for error in errors.every_error():
        assert error.__doc__
        assert error.__doc__.rstrip().endswith((".", "()."))
