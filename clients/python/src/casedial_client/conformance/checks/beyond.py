"""What casedial promises beyond the published text. No other server is asked for any of it."""

from __future__ import annotations

import re
from uuid import uuid4

from casedial_client.conformance.judging import BEYOND, Fails, check
from casedial_client.conformance.reading import accepted, cases_of, ids
from casedial_client.conformance.trial import NOBODYS, Trial

_FAX = re.compile(r"\bfax\b", re.IGNORECASE)


@check(BEYOND, "phones-are-as-shown")
def no_fax_is_given_out(trial: Trial) -> None:
    """A phone whose name has the word fax in it is left out.

    Those of the cases that were named are looked at, and of those that are due.
    """
    exchanges = [trial.wire.call("GetCaseInfo", {"CaseID": case_id}) for case_id in trial.wanted.case_ids]
    for exchange in (trial.ask(), *exchanges):
        document = exchange.document
        for case in document if isinstance(document, list) else [document]:
            if any(_FAX.search(phone["PhoneName"]) for phone in case.get("Phones", ())):
                raise Fails(f"no fax among the phones of case {case['CaseID']}", exchange)


@check(BEYOND, "several-cases-are-updated", writes=True)
def a_bad_item_fails_alone(trial: Trial) -> None:
    """If one item of an update is wrong, the others are applied, and the reply tells of each."""
    case_id = trial.lent.one()
    trial.lent.place(case_id, "Do not Dial", Attempts=1)
    item = {"CaseID": case_id, "Attempts": 2}
    exchange = trial.update({"CaseID": NOBODYS, "Attempts": 2}, item)
    if differing := trial.lent.differing(item):
        raise Fails(f"case {case_id} updated all the same; GetCaseInfo shows {differing}", exchange)
    if exchange.results != {NOBODYS: False, case_id: True}:
        raise Fails(f"a success for case {case_id}, and a failure for {NOBODYS}", exchange)


@check(BEYOND, "that-case-is-returned")
def a_refusal_says_why(trial: Trial) -> None:
    """A refusal is a problem document with a code, and every reply has an X-Request-Id."""
    exchange = trial.wire.call("GetCaseInfo", {"CaseID": NOBODYS})
    told = exchange.document if isinstance(exchange.document, dict) else {}
    request_id = exchange.headers.get("X-Request-Id")
    if exchange.status != 404 or told.get("code") != "CaseNotFound":
        raise Fails("404 with the code CaseNotFound", exchange)
    if not request_id or told.get("request_id") != request_id:
        raise Fails("the same request_id in the document and in X-Request-Id", exchange)


@check(BEYOND, "auto-change-claims", writes=True)
def a_repeat_claims_nothing_new(trial: Trial) -> None:
    """A claim that is repeated with its Idempotency-Key gets the first reply, and takes no more cases."""
    due = trial.lent.some(2)
    trial.lent.only_due(*due)
    trial.lent.alone()
    wanted = {"Campaign": trial.wanted.campaign, "Records": 1, "Auto-change": True}
    key = {"Idempotency-Key": str(uuid4())}
    first, again = (trial.wire.call("GetCasesToDial", wanted, headers=key) for _ in range(2))
    for exchange in (first, again):
        trial.lent.claimed(cases_of(exchange))
    if first.body != again.body:
        raise Fails(f"the first reply again, with case {ids(cases_of(first))}", again)


@check(BEYOND, "auto-change-claims", writes=True)
def a_lost_claim_changes_nothing(trial: Trial) -> None:
    """An update with the X-Claim-Id of a claim that no longer holds the case is refused, and changes nothing."""
    case_id = trial.lent.one()
    trial.lent.only_due(case_id)
    trial.lent.alone()
    _, claimed = trial.claim(1)
    claim = claimed.headers.get("X-Claim-Id")
    if not claim:
        raise Fails("the header X-Claim-Id", claimed)
    trial.lent.place(case_id, "Do not Dial", Attempts=1)
    late = trial.update({"CaseID": case_id, "Attempts": 2}, headers={"X-Claim-Id": claim})
    differing = trial.lent.differing({"CaseID": case_id, "Status": trial.statuses["Do not Dial"], "Attempts": 1})
    if not late.is_refused or differing:
        raise Fails(f"409 ClaimLost, and case {case_id} as it was", late)


@check(BEYOND, "one-case-is-updated", writes=True)
def strict_refuses_what_is_unknown(trial: Trial) -> None:
    """With X-Strict a parameter that the method does not have is refused; without, it is ignored."""
    case_id = trial.lent.one()
    item = {"CaseID": case_id, "Dispositon": "Busy"}
    accepted(trial.update(item), case_id)
    exchange = trial.update(item, headers={"X-Strict": "true"})
    if not exchange.is_refused:
        raise Fails("400 UnknownParameter", exchange)
