"""When a request is sent again, and what is told where nobody can know what became of it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from clients.python.tests.odd import DONE, LOST, Odd, Says, refusal
from tests.postgres import free_port
from tests.waiting import PATIENCE

from casedial_client import AsyncClient, CaseUpdate, Client, errors

UPDATE = CaseUpdate(7, "To Dial", datetime(2026, 12, 1, 7, 30, tzinfo=UTC), 2)


def client(odd: Odd, **options: Any) -> Client:
    return Client(odd.base, key="a-key-of-16-chars", **{"timeout": PATIENCE, **options})


def other(odd: Odd, **options: Any) -> Client:
    """A client of a server that knows only the published methods."""
    return client(odd, time_zone="America/Chicago", **options)


@pytest.mark.parametrize(
    "first",
    [
        LOST,
        refusal(409, "RequestStillRunning", Retry_After="0"),
        refusal(429, "RateLimited", Retry_After="0"),
        refusal(503, "StorageUnavailable", Retry_After="0"),
        refusal(500, "InternalError"),
        refusal(408, "BodyTooSlow"),
        Says(502, b"<h1>Bad Gateway</h1>"),
    ],
)
def test_a_write_is_repeated_with_the_same_key_and_the_same_body(first: Says) -> None:
    with Odd(first, Says(body=DONE)) as odd, client(odd) as casedial:
        assert len(casedial.update_case_status(UPDATE)) == 1
    one, two = odd.asked
    assert one.headers["Idempotency-Key"] == two.headers["Idempotency-Key"]
    assert (
        one.body
        == two.body
        == {"Cases": [{"CaseID": 7, "Status": "To Dial", "NextCall": "2026-12-01T07:30:00Z", "Attempts": 2}]}
    )


async def test_asyncio_does_the_same() -> None:
    with Odd(LOST, Says(body=DONE)) as odd:
        async with AsyncClient(odd.base, key="a-key-of-16-chars") as casedial:
            assert len(await casedial.add_case_note(7, "Busy.")) == 1
    one, two = odd.asked
    assert one.headers["Idempotency-Key"] == two.headers["Idempotency-Key"]


async def test_a_cancelled_call_ends_at_once() -> None:
    with Odd(refusal(503, "TooBusy", Retry_After="300")) as odd:
        async with AsyncClient(odd.base, key="a-key-of-16-chars", patience=600) as casedial:
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await casedial.get_case_info(7)
    assert time.monotonic() - began < 300


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (refusal(400, "UnknownStatus"), errors.UnknownStatus),
        (refusal(401, "KeyRevoked"), errors.KeyRevoked),
        (refusal(403, "CampaignNotAllowed"), errors.CampaignNotAllowed),
        (refusal(404, "CaseNotFound"), errors.CaseNotFound),
        (refusal(409, "ClaimLost"), errors.ClaimLost),
        (refusal(422, "IdempotencyKeyReused"), errors.IdempotencyKeyReused),
        (refusal(418, "Unheard"), errors.UnexpectedReply),
        (refusal(400, "FromTheFuture"), errors.RequestError),
        (refusal(413, "NoReply"), errors.TooLarge),
        (Says(302, b"", {"Location": "/login"}), errors.UnexpectedReply),
        (Says(200, b"<h1>Log in to the hotel's network</h1>"), errors.OutcomeUnknown),
        (Says(200, {"Cases": 1}), errors.OutcomeUnknown),
    ],
)
def test_what_no_repeat_would_mend_is_told_at_once(said: Says, error: type[errors.CasedialError]) -> None:
    with Odd(said) as odd, client(odd) as casedial, pytest.raises(errors.CasedialError) as caught:
        casedial.update_case_status(UPDATE)
    assert type(caught.value) is error
    assert len(odd.asked) == 1
    assert caught.value.advice


def test_a_refusal_tells_the_field_the_request_and_its_code() -> None:
    body = {
        "code": "InvalidParameter",
        "detail": "Records must be 1 or more.",
        "errors": [{"pointer": "#/Records", "detail": "must be 1 or more"}],
    }
    said = Says(400, body, {"X-Request-Id": "r-9"})
    with Odd(said) as odd, client(odd) as casedial, pytest.raises(errors.InvalidParameter) as caught:
        casedial.get_cases_to_dial(records=0)
    error = caught.value
    assert (error.status, error.code, error.request_id, error.fields[0].pointer) == (
        400,
        "InvalidParameter",
        "r-9",
        "#/Records",
    )
    assert str(error) == "InvalidParameter: Records must be 1 or more. (request r-9)"


def test_patience_ends() -> None:
    with Odd(LOST) as odd, client(odd, patience=1) as casedial:
        began = time.monotonic()
        with pytest.raises(errors.OutcomeUnknown) as caught:
            casedial.add_case_note(7, "Busy.")
        assert time.monotonic() - began < PATIENCE
        assert caught.value.idempotency_key == odd.asked[0].headers["Idempotency-Key"]
        with pytest.raises(errors.NoReply):  # which asks only
            casedial.get_case_info(7)
    assert len(odd.asked) > 3


def test_a_refusal_after_a_lost_reply_settles_it_only_where_the_first_would_have_got_it_too() -> None:
    with Odd(LOST, refusal(404, "CaseNotFound")) as odd, client(odd) as casedial, pytest.raises(errors.CaseNotFound):
        casedial.add_case_note(7, "Busy.")
    with Odd(LOST, refusal(401, "KeyRevoked")) as odd, client(odd) as casedial, pytest.raises(errors.OutcomeUnknown):
        casedial.add_case_note(7, "Busy.")


def test_who_asks_for_more_patience_than_there_is_ends_it() -> None:
    with Odd(refusal(429, "RateLimited", Retry_After="600")) as odd, client(odd) as casedial:
        began = time.monotonic()
        with pytest.raises(errors.RateLimited) as caught:
            casedial.add_case_note(7, "Busy.")
    assert caught.value.retry_after == 600
    assert time.monotonic() - began < 600


@pytest.mark.parametrize("said", [LOST, Says(500, b""), Says(504, b"<h1>Gateway Timeout</h1>")])
def test_elsewhere_a_write_that_was_perhaps_done_is_not_repeated(said: Says) -> None:
    with Odd(said, casedial=False) as odd, other(odd) as dialer, pytest.raises(errors.OutcomeUnknown):
        dialer.update_case_status(UPDATE)
    assert len(odd.asked) == 1
    assert odd.asked[0].body["Cases"][0]["NextCall"] == "2026-12-01T01:30:00"  # local to the firm, as published


@pytest.mark.parametrize("said", [Says(429, b""), Says(503, b"")])
def test_elsewhere_what_was_surely_not_done_is_repeated(said: Says) -> None:
    with Odd(said, Says(body=b""), casedial=False) as odd, other(odd) as dialer:
        assert len(dialer.update_case_status(UPDATE)) == 0
    assert len(odd.asked) == 2


def test_elsewhere_no_write_meets_a_connection_that_has_just_ended() -> None:
    with Odd(Says(body={}), casedial=False) as odd, other(odd) as dialer:
        for _ in range(3):
            dialer.update_case_status(UPDATE)
    assert {asked.headers["Connection"] for asked in odd.asked} == {"close"}
    assert odd.connections == 4


def test_elsewhere_a_time_zone_is_needed_and_asked_for_before_anything_is_sent() -> None:
    with Odd(Says(body=[]), casedial=False) as odd, client(odd) as dialer, pytest.raises(errors.ZoneUnknown):
        dialer.get_cases_to_dial(auto_change=True)
    assert odd.asked == []


def test_elsewhere_verbs_may_be_others() -> None:
    verbs = {"UpdateCaseStatus": "PUT", "GetCasesToDial": "POST"}
    with Odd(Says(body=[]), casedial=False) as odd, other(odd, verbs=verbs) as dialer:
        dialer.update_case_status(UPDATE)
        dialer.get_cases_to_dial(records=2)
    assert [asked.verb for asked in odd.asked] == ["PUT", "POST"]


def test_a_case_of_another_server_is_read_as_far_as_it_goes() -> None:
    told = {
        "CaseID": "7",
        "Phones": [{"Phone": "4025550112", "PhoneName": None, "Primary": True}],
        "Attempts": None,
        "DialDateTime": "2026-11-01T01:30:00",
        "Extra": 1,
    }
    with Odd(Says(body=told), casedial=False) as odd, other(odd) as dialer:
        case = dialer.get_case_info(7)
    assert (case.case_id, case.attempts, case.phones[0].phone_name, case.zip_code) == (7, 0, "", "")
    assert case.dial_date_time
    assert case.dial_date_time.astimezone(UTC) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # the first of the two


def test_a_server_that_is_away_is_waited_for_because_nothing_was_sent() -> None:
    port = free_port()
    with (
        Client(
            f"http://127.0.0.1:{port}/x", key="a-key-of-16-chars", patience=1, time_zone="UTC", extensions=False
        ) as dialer,
        pytest.raises(errors.NoReply),
    ):
        dialer.add_case_note(7, "Busy.")


def test_the_key_is_in_no_message() -> None:
    dialer = Client("http://127.0.0.1:1/x", key="a-secret-of-a-firm", patience=0)
    with pytest.raises(errors.NoReply) as caught:
        dialer.get_case_info(7)
    assert "a-secret" not in f"{dialer!r} {dialer.session!r} {caught.value!r} {caught.value}"
    dialer.close()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        CaseUpdate(7, next_call=datetime(2026, 11, 1))


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x/y", "http:///x"])
def test_an_address_is_one(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url, key="a-key-of-16-chars")


@pytest.mark.parametrize("key", ["", "a-key-and-its\nline", "schlüssel-schlüssel"])
def test_a_key_is_one_and_is_not_told(key: str) -> None:
    with pytest.raises(ValueError, match="key") as caught:
        Client("http://127.0.0.1:1/x", key=key)
    assert not key or key not in str(caught.value)
