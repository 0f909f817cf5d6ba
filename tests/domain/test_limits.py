"""How often somebody may be called: what counts against a limit, and from when on it allows another call."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casedial.domain.limits import (
    Call,
    Calls,
    Deferral,
    Limit,
    counted,
    deferrals,
    of_firm,
    of_rules,
    own_limit,
    show_span,
)
from casedial.domain.rules import Attempts, Purpose, Row
from tests.domain.firm import DAY, HOUR, MINUTE, NOW

NUMBER, ANOTHER = "4025550101", "4025550102"
TWICE_A_DAY = Limit(2, DAY, "a rule")


def calls(*made: Call) -> Calls:
    return Calls.of(made)


def call(ago: timedelta, number: str = NUMBER, case_id: int = 7, conversation: bool = False) -> Call:
    return Call(number, case_id, NOW - ago, conversation)


def row(attempts: Attempts | None = None, rest: int | None = None) -> Row:
    return Row("FL", frozenset({Purpose.SOLICITATION}), "Statute", date(2026, 1, 1), "H", attempts=attempts, rest=rest)


def test_a_limit_that_is_reached_allows_a_call_when_the_oldest_that_counts_is_over() -> None:
    made = calls(call(5 * HOUR), call(3 * HOUR), call(20 * HOUR))
    assert deferrals([TWICE_A_DAY], made, NUMBER, 7, NOW) == (
        Deferral(TWICE_A_DAY, NOW - 3 * HOUR, NOW - 5 * HOUR + DAY),
    )
    assert deferrals([Limit(4, DAY, "a rule")], made, NUMBER, 7, NOW) == ()
    assert deferrals([Limit(3, DAY, "a rule")], made, NUMBER, 7, NOW)[0].until == NOW + 4 * HOUR


def test_a_call_counts_until_its_span_is_over_to_the_instant() -> None:
    once = Limit(1, HOUR, "a rule")
    assert deferrals([once], calls(call(HOUR - timedelta(microseconds=1))), NUMBER, 7, NOW)
    assert deferrals([once], calls(call(HOUR)), NUMBER, 7, NOW) == ()


def test_a_limit_counts_the_calls_of_the_number_and_those_of_the_case_apart() -> None:
    of_number, of_case = call(HOUR, NUMBER, 8), call(2 * HOUR, ANOTHER, 7)
    assert deferrals([TWICE_A_DAY], calls(of_number, of_case), NUMBER, 7, NOW) == ()
    once = Limit(1, DAY, "a rule")
    assert [found.last for found in deferrals([once], calls(of_number, of_case), NUMBER, 7, NOW)] == [
        NOW - HOUR,
        NOW - 2 * HOUR,
    ]
    only_number, only_case = Limit(1, DAY, "a rule", of_case=False), Limit(1, DAY, "a rule", of_number=False)
    assert [found.last for found in deferrals([only_number], calls(of_number, of_case), NUMBER, 7, NOW)] == [NOW - HOUR]
    assert [found.last for found in deferrals([only_case], calls(of_number, of_case), NUMBER, 7, NOW)] == [
        NOW - 2 * HOUR
    ]
    assert deferrals([only_number], calls(of_number), None, 7, NOW) == ()  # a number that cannot be read
    assert deferrals([only_number], calls(of_number), ANOTHER, 8, NOW) == ()


def test_one_attempt_at_several_numbers_is_one_of_the_case_and_is_said_once() -> None:
    both = calls(call(HOUR), call(HOUR, ANOTHER))
    assert deferrals([TWICE_A_DAY], both, NUMBER, 7, NOW) == ()
    assert len(deferrals([Limit(1, DAY, "a rule")], both, NUMBER, 7, NOW)) == 1


def test_a_rest_counts_conversations_only() -> None:
    rest = Limit(1, DAY, "a rule", conversations=True)
    assert deferrals([rest], calls(call(HOUR)), NUMBER, 7, NOW) == ()
    assert deferrals([rest], calls(call(HOUR), call(3 * HOUR, conversation=True)), NUMBER, 7, NOW) == (
        Deferral(rest, NOW - 3 * HOUR, NOW + 21 * HOUR),
    )


def test_each_limit_says_how_many_calls_count() -> None:
    made = calls(call(HOUR), call(2 * HOUR), call(3 * HOUR, ANOTHER))
    assert counted([TWICE_A_DAY, Limit(9, 90 * MINUTE, "the firm")], made, NUMBER, 7, NOW) == (
        "3 calls, at most 2 in 24h (a rule)",
        "1 call, at most 9 in 90m (the firm)",
    )
    assert counted([TWICE_A_DAY], Calls(), NUMBER, 7, NOW) == ("0 calls, at most 2 in 24h (a rule)",)
    nothing = Limit(1, DAY, "a rule", of_number=False, of_case=False)
    assert counted([nothing], made, NUMBER, 7, NOW) == ("0 calls, at most 1 in 24h (a rule)",)


def test_limits_are_said_in_words() -> None:
    rest = Limit(1, 36 * HOUR, "Statute", conversations=True)
    assert str(rest) == "none within 36h after a conversation (Statute)"
    deferral = Deferral(TWICE_A_DAY, NOW, NOW + DAY)
    assert deferral.words(lambda at: f"{at:%H:%M}") == "at most 2 in 24h (a rule); the last was at 15:00"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((1, "1s"), (59, "59s"), (60, "1m"), (90, "90s"), (3600, "1h"), (5400, "90m"), (0, "0s")),
        *((86400, "24h"), (2 * 86400, "2d"), (7 * 86400, "7d"), (90000, "25h")),
    ],
)
def test_a_span_is_said_in_the_largest_whole_unit(seconds: int, said: str) -> None:
    assert show_span(timedelta(seconds=seconds)) == said


@given(st.integers(1, 40 * 86400))
def test_what_is_said_of_a_span_is_the_span(seconds: int) -> None:
    said = show_span(timedelta(seconds=seconds))
    assert int(said[:-1]) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[said[-1]] == seconds


@pytest.mark.parametrize(
    ("per", "of_number", "of_case"), [("debt", False, True), ("number", True, False), ("subject", True, True)]
)
def test_a_row_of_the_rules_limits_whom_it_names(per: str, of_number: bool, of_case: bool) -> None:
    [limit] = of_rules([row(Attempts(3, 24, per))])
    assert limit == Limit(3, DAY, "Statute", of_number, of_case)


def test_a_row_with_a_rest_limits_the_case_after_a_conversation() -> None:
    found = of_rules([row(), row(Attempts(3, 24, "number"), rest=168)])
    assert found[1:] == [Limit(1, 7 * DAY, "Statute", of_number=False, of_case=True, conversations=True)]
    assert len(found) == 2


def test_the_firms_gap_is_of_a_number_and_a_campaigns_limit_of_both() -> None:
    assert of_firm(900) == [Limit(1, 15 * MINUTE, "minimum gap set by the firm", of_number=True, of_case=False)]
    assert of_firm(0) == []
    assert own_limit(3, DAY) == Limit(3, DAY, "limit set by the campaign", of_number=True, of_case=True)
    assert own_limit(1, DAY, conversations=True).conversations is True


@given(
    st.lists(st.tuples(st.integers(0, 3 * 1440), st.sampled_from((NUMBER, ANOTHER)), st.sampled_from((7, 8)))),
    st.integers(1, 4),
    st.integers(1, 2 * 1440),
)
def test_after_the_last_deferral_a_call_is_allowed_and_not_before(
    made: list[tuple[int, str, int]], count: int, span: int
) -> None:
    limit = Limit(count, span * MINUTE, "a rule")
    before = calls(*(call(ago * MINUTE, number, case_id) for ago, number, case_id in made))
    found = deferrals([limit], before, NUMBER, 7, NOW)
    until = max((one.until for one in found), default=NOW)
    assert deferrals([limit], before, NUMBER, 7, until) == ()
    if found:
        assert until > NOW
        assert deferrals([limit], before, NUMBER, 7, until - timedelta(microseconds=1))
