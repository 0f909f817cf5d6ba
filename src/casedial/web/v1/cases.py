"""Cases of the firm: listed, read."""

from __future__ import annotations

from casedial.database.engine import Store
from casedial.domain.cases import PRIORITIES
from casedial.domain.dialing import CaseFilter
from casedial.domain.errors import CaseNotFound, CaseUnreadable, StatusNotFound, UnknownStatus
from casedial.domain.keys import Scope
from casedial.service.operations import cases
from casedial.service.replies import Reply
from casedial.web.v1.calls import Call, Work, done
from casedial.web.v1.routing import Described, Route, Schema
from casedial.wire import values
from casedial.wire.v1.cases import CasesPage, ManagedCase, case_filter, cases_page, managed_case

MOST, USUAL = 1000, 100  # cases of a page
MANAGE = (Scope.MANAGE,)


def _list(call: Call) -> Work:
    which = case_filter(call.query, call.firm, call.now)
    after = call.query.optional("After", values.case_id) or 0
    limit = call.limit(MOST, USUAL)

    async def work(store: Store) -> Reply:
        found = await cases.list_cases(store, call.actor, call.firm.name, which, after, limit)
        return done(cases_page(found.firm, found.cases, found.more, found.unreadable), cases=len(found.cases))

    return Work(work, limit)


def _read(call: Call) -> Work:
    case_id = call.place("case_id", "CaseID", values.case_id)

    async def work(store: Store) -> Reply:
        which = CaseFilter(case_ids=(case_id,))
        found = await cases.list_cases(store, call.actor, call.firm.name, which, 0, 1)
        if found.unreadable:
            raise CaseUnreadable(f"What is stored of case {case_id} cannot be read: run casedial doctor.")
        if not found.cases:
            raise CaseNotFound(f"{found.firm.name} has no case {case_id}.")
        [(case, held_by)] = found.cases
        return done(managed_case(found.firm, case, held_by), cases=1)

    return Work(work)


_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
FILTER: dict[str, Schema] = {
    "DialerStatus": {**_TEXT, "description": "Cases with this Dialer Status."},
    "Campaign": {**_TEXT, "description": "Cases of this campaign."},
    "Disposition": {**_TEXT, "description": "Cases whose last disposition is this."},
    "Attempts": {"type": ["integer", "string"], "description": "Cases with so many attempts."},
    "CaseGroup": {**_TEXT, "description": "Cases of this case group."},
    "Due": {**_FLAG, "description": "Cases To Dial whose time has come."},
    "Phone": {**_TEXT, "description": "Cases with this number, in any form."},
    "Plaintiff": {**_TEXT, "description": "Cases whose plaintiff has names that begin so."},
    "HeldBy": {**_TEXT, "description": "Cases that this vendor has In the Dialer."},
    "Priority": {"type": "integer", "minimum": PRIORITIES[0], "maximum": PRIORITIES[-1]},
    "DoNotCall": {**_FLAG, "description": "Cases on the do-not-call list, or with a number on it."},
    "HeldBack": {**_FLAG, "description": "Due cases that no calling rule allows to be called now."},
    "Answered": {**_FLAG, "description": "Cases In the Dialer of which somebody was reached, and nothing decided."},
}
PAGE: dict[str, Schema] = {
    "After": {"type": "integer", "minimum": 1, "description": "`Next` of the page before."},
    "Limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
}
CASE: Schema = {
    "CaseID": 6,
    "Phones": [{"PhoneName": "Cell", "Phone": "4025555759", "Primary": True, "Text": True}],
    "CaseStatus": "LIT 04 - Answer Received",
    "DialerStatus": "To Dial",
    "Campaign": "Intake follow-up",
    "Attempts": "1",
    "Disposition": "No Answer",
    "DialDateTime": "2026-07-28T23:02:00",
    "Priority": 5,
    "ZipCode": "68046",
    "CaseGroup": "Auto",
    "Closed": False,
    "Plaintiff": "Ada Example",
    "HeldBy": None,
}
ROUTES = (
    Route(
        "GET",
        "/v1/cases",
        "ListCases",
        MANAGE,
        _list,
        Described(
            "Lists cases, by filters, page by page",
            CasesPage,
            {"Cases": [CASE], "Next": 6, "Unreadable": []},
            query={**FILTER, **PAGE},
            errors=(UnknownStatus, StatusNotFound),
        ),
    ),
    Route(
        "GET",
        "/v1/cases/{case_id}",
        "ReadCase",
        MANAGE,
        _read,
        Described("Returns a case with every field", ManagedCase, CASE, errors=(CaseNotFound, CaseUnreadable)),
    ),
)
