"""For how long no claim was granted is told by the dialers' journals alone."""

from __future__ import annotations

from tests.chaos.evidence import Asked, Attempt
from tests.ha.runner import pause_in


def claim(ended: float, status: int | None = 200, cases: str = '[{"CaseID": 1}]') -> Asked:
    body = {"Records": 1, "Auto-change": True}
    return Asked("a", "GetCasesToDial", "Acme", 1, None, None, body, [Attempt(ended - 1, ended, status, {}, cases)])


def test_the_longest_pause_that_touches_the_span() -> None:
    asked = [
        *(claim(10), claim(99), claim(101)),
        *(claim(103, 503, '{"code": "StorageUnavailable"}'), claim(104, None), claim(105, 200, "[]")),
        *(claim(110), claim(112), claim(190)),
    ]
    assert pause_in(asked, 100, 111) == 9
    assert pause_in(asked, 100, 120) == 78
    assert pause_in(asked, 100, 200) is None
