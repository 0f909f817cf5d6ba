"""What webhooks sign, and when a message is tried again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from standardwebhooks import Webhook as Independent
from standardwebhooks.webhooks import WebhookVerificationError

from casedial.domain.errors import InvalidSetting
from casedial.domain.webhooks import Answer, headers, message_id, next_try, read_secret, written_secret

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
OLD, NEW, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_both_secrets_are_verified_by_others(secret: bytes) -> None:
    body = json.dumps({"type": "case.updated", "data": {"note": "Ann — Lee"}}).encode()
    signed = headers([NEW, OLD], message_id(uuid4()), datetime.now(UTC), body)
    assert Independent(written_secret(secret)).verify(body, signed)["type"] == "case.updated"
    with pytest.raises(WebhookVerificationError):
        Independent(written_secret(OTHER)).verify(body, signed)
    with pytest.raises(WebhookVerificationError):
        Independent(written_secret(secret)).verify(body + b" ", signed)
    with pytest.raises(WebhookVerificationError):
        Independent(written_secret(secret)).verify(body, {**signed, "webhook-id": "msg_other"})


def test_a_secret_is_written_and_read() -> None:
    assert written_secret(OLD).startswith("whsec_")
    assert read_secret(written_secret(OLD)) == OLD
    for wrong in ("whsec_", "whsec_AAAA", written_secret(OLD)[6:], "whsec_???", written_secret(b"x" * 65)):
        with pytest.raises(InvalidSetting):
            read_secret(wrong)


def test_a_message_is_tried_for_a_day() -> None:
    """By a schedule that gets longer; not one of them sooner than the one before, and the last at the day's end."""
    for chance in (0.0, 0.5, 1.0):
        at, attempts, waits = NOW, 0, list[float]()
        while True:
            attempts += 1
            following = next_try(attempts, NOW, at, chance)
            if following is None:
                break
            waits.append((following - at).total_seconds())
            at = following
        assert at == NOW + timedelta(days=1)
        assert 4 <= waits[0] <= 6
        assert waits[:-1] == sorted(waits[:-1])
        assert 11 <= attempts <= 15


def test_what_an_answer_tells() -> None:
    assert Answer(204).is_taken
    assert not Answer(302).is_taken
    assert "redirects are not followed" in Answer(302).told
    assert Answer(410).is_gone
    assert Answer(None, "nothing listens there").told == "nothing listens there"
