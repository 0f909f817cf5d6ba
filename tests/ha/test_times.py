"""When claims go on is told by the dialers' journals alone."""

from __future__ import annotations

from tests.chaos.evidence import Asked, Attempt
from tests.ha.runner import until_claims


def claim(sent: float, ended: float, status: int | None, cases: str = '[{"CaseID": 1}]') -> Asked:
    body = {"Records": 1, "Auto-change": True}
    return Asked("a", "GetCasesToDial", "Acme", 1, None, None, body, [Attempt(sent, ended, status, {}, cases)])


def test_the_first_claim_that_was_sent_later_and_granted() -> None:
    asked = [
        claim(99, 101, 200),  # which was sent before
        claim(101, 102, 503, '{"code": "StorageUnavailable"}'),
        claim(103, 104, None),
        claim(104, 105, 200, "[]"),  # which got nothing
        claim(107, 109, 200),
        claim(106, 108, 200),
    ]
    assert until_claims(asked, 100) == 8
    assert until_claims(asked[:4], 100) is None
