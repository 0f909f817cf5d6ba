"""UpdateCaseStatus. What became of a case is seen with GetCaseInfo."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from casedial_client.conformance.judging import Fails, NotTried, check
from casedial_client.conformance.options import DO_NOT_DIAL, IN_THE_DIALER, TO_DIAL
from casedial_client.conformance.reading import Case, accepted, folded, shown_time, written
from casedial_client.conformance.trial import Trial

SECTION, CONFIGURATION = "UpdateCaseStatus", "Configuration"
ONE = "one-case-is-updated"
_CLOCKS = 300  # seconds that two clocks may differ by


@check(SECTION, "that-case-is-returned", writes=True)
def one_case_is_updated(trial: Trial) -> None:
    """UpdateCaseStatus updates the case that is named, and no other.

    The request is that of the published example, but for the Disposition. Another case stays as it is.
    """
    first, second = trial.lent.some(2)
    other = trial.info(second)
    item = {"CaseID": first, "Status": trial.statuses[TO_DIAL], "NextCall": trial.days(9), "Attempts": trial.counts[1]}
    exchange = trial.update(item)
    accepted(exchange, first)
    if _same(trial.info(second), other):
        shown = trial.info(first)
        facts = (folded(shown.get("DialerStatus")), shown_time(shown), str(shown.get("Attempts")))
        if any(map(_equal, facts, (item["Status"], item["NextCall"], item["Attempts"]))):
            return
        raise Fails(f"case {first} updated; GetCaseInfo shows {facts}", exchange)
    raise Fails(f"case {second} unchanged, which was not named; it was {_told(other)}", exchange)


@check(CONFIGURATION, ONE, writes=True)
def dialer_statuses_are_there(trial: Trial) -> None:
    """To Dial, In the Dialer and Do not Dial can each be set, and are shown.

    What the firm calls them is said with --status, unless the server tells it.
    """
    case_id = trial.lent.one()
    for name in (DO_NOT_DIAL, IN_THE_DIALER, TO_DIAL):
        item = {"CaseID": case_id, "Status": trial.statuses[name]}
        exchange = trial.update(item)
        accepted(exchange, case_id)
        if differing := trial.lent.differing(item):
            raise Fails(f"case {case_id} {name}; GetCaseInfo shows {differing}", exchange)
    trial.lent.rest(case_id)


@check(SECTION, ONE, writes=True)
def next_call_is_set(trial: Trial) -> None:
    """NextCall is the date/time of the next call.

    It is sent with To Dial, and has to be shown as DialDateTime.
    """
    case_id = trial.lent.one()
    for days in (20, -20):
        item = {"CaseID": case_id, "Status": trial.statuses[TO_DIAL], "NextCall": trial.days(days)}
        exchange = trial.update(item)
        accepted(exchange, case_id)
        if (shown := shown_time(trial.info(case_id))) != item["NextCall"]:
            raise Fails(f"DialDateTime {item['NextCall']}; GetCaseInfo shows {shown}", exchange)
    trial.lent.rest(case_id)


@check(SECTION, ONE, writes=True)
def current_time_is_taken(trial: Trial) -> None:
    """In the Dialer and Do not Dial are set with the current date/time.

    It is sent as NextCall, local to the firm, and has to be shown.
    """
    case_id = trial.lent.one()
    for name in (IN_THE_DIALER, DO_NOT_DIAL):
        trial.lent.place(case_id, TO_DIAL)
        now = trial.now()
        item = {"CaseID": case_id, "Status": trial.statuses[name], "NextCall": written(now)}
        exchange = trial.update(item)
        accepted(exchange, case_id)
        shown = shown_time(trial.info(case_id))
        if not _is_near(shown, now):
            raise Fails(f"a DialDateTime of {item['NextCall']}; GetCaseInfo shows {shown}", exchange)


@check(SECTION, ONE, writes=True)
def attempts_are_set(trial: Trial) -> None:
    """Attempts updates the Attempts status.

    It is sent as a number, as in the published example.
    """
    _counts_are_set(trial, [count for count in (2, 1) if count in trial.counts])


@check(CONFIGURATION, "attempts-are-set", writes=True)
def attempts_from_0_to_20_are_there(trial: Trial) -> None:
    """The Attempts statuses are numbers from 0 to 20.

    The lowest and the highest are set; where the server tells which the firm has, it is those.
    """
    _counts_are_set(trial, [trial.counts[0], trial.counts[-1]])


def _counts_are_set(trial: Trial, counts: list[int]) -> None:
    case_id = trial.lent.one()
    for count in counts:
        exchange = trial.update({"CaseID": case_id, "Attempts": count})
        accepted(exchange, case_id)
        if (shown := str(trial.info(case_id).get("Attempts"))) != str(count):
            raise Fails(f"Attempts {count}; GetCaseInfo shows {shown}", exchange)


@check(SECTION, ONE, writes=True)
def disposition_is_taken(trial: Trial) -> None:
    """Disposition sets a new Last Dialer Disposition: each of the typical ones is taken.

    No reply tells a case's disposition, so this is tried only with --disposition, which says what to put back.
    """
    if not trial.wanted.disposition:
        raise NotTried("no reply tells a case's disposition: say with --disposition which one these cases have")
    if not trial.dispositions:
        raise NotTried("the firm has other dispositions: say with --status what it calls Busy or No Answer")
    case_id = trial.lent.one()
    for name in trial.dispositions:
        accepted(trial.update({"CaseID": case_id, "Disposition": name}), case_id)


@check(SECTION, "attempts-are-set", writes=True)
def several_cases_are_updated(trial: Trial) -> None:
    """One request can update several cases.

    Two items with different Attempts are sent, and both have to be shown.
    """
    items = [{"CaseID": case_id, "Attempts": count} for case_id, count in zip(trial.lent.some(2), (3, 4), strict=True)]
    exchange = trial.update(*items)
    accepted(exchange, *(item["CaseID"] for item in items))
    for item in items:
        if differing := trial.lent.differing(item):
            raise Fails(f"case {item['CaseID']} with Attempts {item['Attempts']}, not {differing}", exchange)


@check(SECTION, "that-case-is-returned", writes=True)
def only_case_id_is_required(trial: Trial) -> None:
    """Only CaseID is required: an item with nothing else is taken, and changes nothing."""
    case_id = trial.lent.one()
    before = trial.info(case_id)
    exchange = trial.update({"CaseID": case_id})
    accepted(exchange, case_id)
    if not _same(trial.info(case_id), before):
        raise Fails(f"case {case_id} unchanged; it was {_told(before)}", exchange)


@check(SECTION, "that-case-is-returned", writes=True)
def case_id_is_required(trial: Trial) -> None:
    """CaseID is required: an item without it is refused.

    The item names a count and no case. A success fails, and a 4xx or a result that is no success holds.
    """
    exchange = trial.update({"Attempts": trial.counts[0]})
    document = exchange.document
    results = document.get("Results") if isinstance(document, dict) else None
    told = isinstance(results, list) and any(isinstance(one, dict) and one.get("Success") is False for one in results)
    if not exchange.is_refused and not told:
        raise Fails("a refusal", exchange)


@check(SECTION, "attempts-are-set", writes=True)
def omitted_attempts_stay(trial: Trial) -> None:
    """What is omitted is not updated: Attempts stay when Status and NextCall are set."""
    case_id = trial.lent.one()
    trial.lent.place(case_id, DO_NOT_DIAL, Attempts=2)
    exchange = trial.update({"CaseID": case_id, "Status": trial.statuses[TO_DIAL], "NextCall": trial.days(9)})
    if (shown := str(trial.info(case_id).get("Attempts"))) != "2":
        raise Fails(f"Attempts 2, as before; GetCaseInfo shows {shown}", exchange)
    trial.lent.rest(case_id)


@check(SECTION, "attempts-are-set", writes=True)
def omitted_status_stays(trial: Trial) -> None:
    """What is omitted is not updated: the Dialer Status and its date/time stay when Attempts are set."""
    case_id = trial.lent.one()
    trial.lent.place(case_id, TO_DIAL, NextCall=trial.days(9), Attempts=1)
    _status_stays(trial, {"CaseID": case_id, "Attempts": 2})


@check(SECTION, "omitted-status-stays", writes=True)
def empty_status_stays(trial: Trial) -> None:
    """An empty Status does not update the Dialer Status."""
    case_id = trial.lent.one()
    trial.lent.place(case_id, TO_DIAL, NextCall=trial.days(9), Attempts=1)
    _status_stays(trial, {"CaseID": case_id, "Status": "", "Attempts": 2})


def _status_stays(trial: Trial, item: dict[str, Any]) -> None:
    before = trial.info(item["CaseID"])
    exchange = trial.update(item)
    accepted(exchange, item["CaseID"])
    if not _same(trial.info(item["CaseID"]), before, "DialerStatus", "DialDateTime"):
        raise Fails(f"the Dialer Status and its time as they were, {_told(before)}", exchange)
    trial.lent.rest(item["CaseID"])


def _same(now: Case, before: Case, *names: str) -> bool:
    return all(now.get(name) == before.get(name) for name in names or ("DialerStatus", "DialDateTime", "Attempts"))


def _equal(shown: Any, sent: Any) -> bool:
    return folded(str(shown)) == folded(str(sent))


def _told(case: Case) -> str:
    return f"{case.get('DialerStatus')} at {case.get('DialDateTime')} with Attempts {case.get('Attempts')}"


def _is_near(shown: str, at: datetime) -> bool:
    try:
        return abs((datetime.fromisoformat(shown) - at).total_seconds()) < _CLOCKS
    except (ValueError, TypeError):
        return False
