"""GetCasesToDial: who is due, with cases that are made so. All others of the campaign rest meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

from casedial_client.conformance.judging import Fails, NotTried, check
from casedial_client.conformance.options import IN_THE_DIALER, TO_DIAL
from casedial_client.conformance.reading import Case, cases_of, folded, ids, is_one_moment, shown_time, written
from casedial_client.conformance.trial import MANY, Trial
from casedial_client.conformance.wire import Exchange

SECTION = "GetCasesToDial"
LIST, ONE, PAST, CLAIMED = "a-list-is-returned", "one-case-is-updated", "past-is-returned", "auto-change-claims"
_ALL = 1000
_CALLERS, _EACH, _ROUNDS = 6, 2, 2


@check(SECTION, LIST)
def only_to_dial(trial: Trial) -> None:
    """Only cases with the Dialer Status To Dial are returned.

    With --write a case that is Do not Dial and one that is In the Dialer must not be in the reply.
    """
    if trial.lent.is_ready:
        idle, busy = trial.lent.some(2)
        trial.lent.only_due()
        trial.lent.place(busy, IN_THE_DIALER)
        _is_left_out(trial, [idle, busy], "is not To Dial")
        trial.lent.rest(busy)
        return
    exchange = trial.ask()
    if wrong := [case for case in _some(exchange) if not trial.is_to_dial(case)]:
        raise Fails(f"only {trial.statuses[TO_DIAL]!r}, not {wrong[0].get('DialerStatus')!r}", exchange)


@check(SECTION, LIST, "next-call-is-set", writes=True)
def past_is_returned(trial: Trial) -> None:
    """A case that is To Dial is returned if its date/time has passed.

    Three days ago, and a year ago. (If the campaign has calling hours, try it within them.)
    """
    case_id = trial.lent.one()
    trial.lent.only_due(case_id)
    for days in (-3, -365):
        trial.lent.place(case_id, TO_DIAL, NextCall=trial.days(days))
        exchange = trial.ask()
        if case_id not in ids(cases_of(exchange)):
            raise Fails(f"case {case_id}, which is To Dial since {trial.days(days)}", exchange)


@check(SECTION, LIST)
def future_is_not_returned(trial: Trial) -> None:
    """A case with a future date/time is not returned.

    With --write a case that is To Dial in two days must not be in the reply.
    """
    if trial.lent.is_ready:
        case_id = trial.lent.one()
        trial.lent.only_due()
        trial.lent.place(case_id, TO_DIAL, NextCall=trial.days(2))
        _is_left_out(trial, [case_id], "is due in two days")
        trial.lent.rest(case_id)
        return
    exchange = trial.ask()
    latest = written(trial.latest_now())
    if wrong := [case for case in _some(exchange) if shown_time(case) > latest]:
        raise Fails(f"no date/time after {latest}, such as {shown_time(wrong[0])}", exchange)


@check(SECTION, "past-is-returned", "future-is-not-returned", writes=True)
def due_by_the_firms_clock(trial: Trial) -> None:
    """What has passed is told by the firm's own clock.

    A case due two minutes ago, local to the firm, is returned; one due in five minutes is not.
    """
    case_id = trial.lent.one()
    trial.lent.only_due()
    for minutes, is_due in ((-2, True), (5, False)):
        local = trial.now(minutes=minutes)
        if not is_one_moment(local, trial.zone):
            raise NotTried("the firm's clocks are just being changed: try it again in an hour or two")
        at = written(local)
        trial.lent.place(case_id, TO_DIAL, NextCall=at)
        exchange = trial.ask()
        if (case_id in ids(cases_of(exchange))) is not is_due:
            now = written(trial.now())
            raise Fails(f"{'' if is_due else 'not '}case {case_id}, due at {at}; for the firm it is {now}", exchange)
    trial.lent.rest(case_id)


@check(SECTION, LIST)
def only_that_campaign(trial: Trial) -> None:
    """With a Campaign, only cases of that campaign are returned.

    Every case of the reply has it; a campaign that does not exist has no cases, or is refused.
    """
    if trial.lent.is_ready:
        _due(trial)
    name = trial.wanted.campaign or next((case["Campaign"] for case in trial.due() if case.get("Campaign")), None)
    if not name:
        raise NotTried("no case with a campaign is due: name one with --campaign")
    exchange = trial.ask(Campaign=name)
    if any(folded(case.get("Campaign")) != folded(name) for case in _some(exchange)):
        raise Fails(f"no case but those of {name!r}", exchange)
    _nobodys(trial, "Campaign")


@check(SECTION, LIST)
def only_that_case_group(trial: Trial) -> None:
    """With a CaseGroup, cases of other groups are not returned.

    A reply does not tell a case's group. So a group that does not exist is asked for: it has no cases, or is refused.
    """
    if trial.lent.is_ready:
        _due(trial)
    _some(trial.ask())
    _nobodys(trial, "CaseGroup")


def _nobodys(trial: Trial, parameter: str) -> None:
    exchange = trial.ask(**{parameter: f"none-{uuid4().hex[:12]}"})
    if not exchange.is_refused and cases_of(exchange):
        raise Fails(f"no cases, for there is no such {parameter}", exchange)


@check(SECTION, LIST)
def empty_campaign_is_all(trial: Trial) -> None:
    """An empty Campaign returns the cases of all campaigns.

    Empty and absent are asked for. With --write a due case has to be in both replies.
    """
    _empty_is_all(trial, "Campaign")


@check(SECTION, LIST)
def empty_case_group_is_all(trial: Trial) -> None:
    """An empty CaseGroup returns the cases of all case groups.

    Empty and absent are asked for. With --write a due case has to be in both replies.
    """
    _empty_is_all(trial, "CaseGroup")


def _empty_is_all(trial: Trial, parameter: str) -> None:
    absent = trial.ask(**{parameter: None, "Records": _ALL})
    if not trial.lent.is_ready:
        empty = trial.ask(**{parameter: "", "Records": _ALL})
        if cases_of(absent) and not cases_of(empty):
            raise Fails("cases, as there are without it", empty)
        _some(absent)
        return
    case_id = _due(trial)
    for value in ("", None):
        exchange = trial.ask(**{parameter: value, "Records": _ALL})
        found = cases_of(exchange)
        if case_id not in ids(found):
            if parameter == "Campaign" and len(found) >= MANY:
                raise NotTried("more cases are due than one reply has room for")
            raise Fails(f"case {case_id}, which is due, among others", exchange)


@check(SECTION, "only-that-case-group", "past-is-returned", writes=True)
def that_case_group(trial: Trial) -> None:
    """With a CaseGroup, the cases of that group are returned.

    A due case of the group that --case-group names has to be in the reply.
    """
    if not trial.wanted.case_group:
        raise NotTried("no reply tells a case's group: say with --case-group which one these cases have")
    case_id = _due(trial)
    exchange = trial.ask(CaseGroup=trial.wanted.case_group)
    if case_id not in ids(cases_of(exchange)):
        raise Fails(f"case {case_id}, which is due and of {trial.wanted.case_group!r}", exchange)


@check(SECTION, LIST)
def records_is_the_number(trial: Trial) -> None:
    """Records is the number of cases that are returned.

    Never more; with --write and three due cases, for 1 and 2 exactly so many.
    """
    if trial.lent.is_ready:
        trial.lent.only_due(*trial.lent.some(3))
    for records in (1, 2):
        exchange = trial.ask(Records=records)
        count = len(cases_of(exchange))
        if count > records or (trial.lent.is_ready and count < records):
            raise Fails(f"{records} of the cases that are due, not {count}", exchange)


@check(SECTION, PAST, writes=True)
def auto_change_is_not_default(trial: Trial) -> None:
    """Without Auto-change, or with false, a returned case stays To Dial."""
    case_id = _due(trial)
    for parameters in ({}, {"Auto-change": False}):
        exchange = trial.ask(**parameters)
        cases_of(exchange)
        if not trial.is_to_dial(shown := trial.info(case_id)):
            raise Fails(f"case {case_id} still To Dial; GetCaseInfo shows {shown.get('DialerStatus')}", exchange)


@check(SECTION, PAST, "dialer-statuses-are-there", writes=True)
def auto_change_claims(trial: Trial) -> None:
    """With Auto-change true the returned cases become In the Dialer.

    Two cases are due; both are claimed, and GetCaseInfo has to show them so.
    """
    due = trial.lent.some(2)
    trial.lent.only_due(*due)
    trial.lent.alone()
    cases, exchange = trial.claim(2)
    for case_id in ids(cases):
        shown = trial.info(case_id).get("DialerStatus")
        if folded(shown) != folded(trial.statuses[IN_THE_DIALER]):
            raise Fails(f"case {case_id} In the Dialer; GetCaseInfo shows {shown}", exchange)
    if set(ids(cases)) != set(due):
        raise Fails(f"both cases that are due, {due[0]} and {due[1]}", exchange)


@check(SECTION, CLAIMED, "only-to-dial", writes=True)
def auto_change_only_what_is_returned(trial: Trial) -> None:
    """Auto-change leaves a case To Dial that is not returned.

    Three cases are due and one is asked for.
    """
    due = trial.lent.some(3)
    trial.lent.only_due(*due)
    trial.lent.alone()
    cases, exchange = trial.claim(1)
    if lost := [case_id for case_id in due if case_id not in ids(cases) and not trial.is_to_dial(trial.info(case_id))]:
        raise Fails(f"case {lost[0]} To Dial, for it was not returned", exchange)


@check(SECTION, CLAIMED, "only-to-dial", writes=True)
def nobody_gets_a_claimed_case(trial: Trial) -> None:
    """A case that was returned with Auto-change is In the Dialer, so that no other caller gets it.

    Six callers claim at the same time, twice; no case may be in two replies.
    """
    due = trial.lent.some(_CALLERS)
    for _ in range(_ROUNDS):
        trial.lent.only_due(*due)
        trial.lent.alone()
        together = Barrier(_CALLERS)

        def claim(_: int, together: Barrier = together) -> tuple[list[Case], Exchange]:
            together.wait()
            return trial.claim(_EACH)

        seen: set[int] = set()
        with ThreadPoolExecutor(_CALLERS) as callers:
            for cases, exchange in list(callers.map(claim, range(_CALLERS))):
                if twice := seen & set(ids(cases)):
                    raise Fails(f"no case {min(twice)}, which another caller got at the same time", exchange)
                seen |= set(ids(cases))


def _due(trial: Trial) -> int:
    case_id = trial.lent.one()
    trial.lent.only_due(case_id)
    return case_id


def _is_left_out(trial: Trial, case_ids: list[int], because: str) -> None:
    exchange = trial.ask()
    if there := set(case_ids) & set(ids(cases_of(exchange))):
        raise Fails(f"no case {min(there)}, which {because}", exchange)


def _some(exchange: Exchange) -> list[Any]:
    cases = cases_of(exchange)
    if not cases:
        raise NotTried("no case is due: with --write some are made so")
    return cases
