"""GetCaseInfo."""

from __future__ import annotations

from casedial_client.conformance.judging import Fails, NotTried, check
from casedial_client.conformance.reading import ids
from casedial_client.conformance.trial import NOBODYS, Trial
from casedial_client.conformance.wire import whole

_LOOKED_AT = 3


@check("GetCaseInfo")
def that_case_is_returned(trial: Trial) -> None:
    """GetCaseInfo returns the case that its CaseID names.

    Some cases are asked for, those named or those that are due. One that does not exist is asked for, too: any
    reply is right that is not a case.
    """
    nobodys = trial.wire.call("GetCaseInfo", {"CaseID": NOBODYS})
    if nobodys.is_done and isinstance(nobodys.document, dict) and "CaseID" in nobodys.document:
        raise Fails(f"no case, for there is no case {NOBODYS}", nobodys)
    wanted = trial.wanted.case_ids or ids(trial.due())
    if not wanted:
        raise NotTried("no case is due that could be asked for")
    for case_id in wanted[:_LOOKED_AT]:
        exchange = trial.wire.call("GetCaseInfo", {"CaseID": case_id})
        document = exchange.document
        if not exchange.is_done or not isinstance(document, dict) or whole(document.get("CaseID")) != case_id:
            raise Fails(f"one object, case {case_id}", exchange)
