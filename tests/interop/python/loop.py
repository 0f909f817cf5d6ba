"""A dialer's loop with the client that openapi-python-client made of our document: claim, report, note."""

from __future__ import annotations

import json
import os
from uuid import uuid4

import httpx
from made import AuthenticatedClient
from made.api.add_case_note import add_case_note_post
from made.api.add_case_note_by_phone import add_case_note_by_phone_post
from made.api.get_case_info import get_case_info_get
from made.api.get_cases_to_dial import get_cases_to_dial_get, get_cases_to_dial_post
from made.api.preflight import preflight_get
from made.api.release_claim import release_claim_post
from made.api.update_case_status import update_case_status_post
from made.models import CaseUpdate, CaseUpdates, DialQuery, NoteByPhone, NoteToCases, ProblemReply, ReleaseQuery

key = {"token": os.environ["KEY"], "prefix": "", "auth_header_name": "X-ApiKey"}
client = AuthenticatedClient(os.environ["ROOT"], **key, timeout=httpx.Timeout(60))
with client:
    due = get_cases_to_dial_get.sync(client=client, campaign="Intake follow-up", records=10)
    told = get_cases_to_dial_post.sync_detailed(
        client=client,
        body=DialQuery(campaign="Intake follow-up", records=3, auto_change=True),
        idempotency_key=str(uuid4()),
        x_claim_seconds=600,
    )
    claim, cases = told.headers["X-Claim-Id"], told.parsed
    for case in cases[:2]:
        item = CaseUpdate(
            case_id=case.case_id,
            status="To Dial",
            next_call="2031-05-06T09:00:00",
            attempts=int(case.attempts or 0) + 1,
            disposition="No Answer",
        )
        reported = update_case_status_post.sync(client=client, body=CaseUpdates(cases=[item]), x_claim_id=claim)
        noted = add_case_note_post.sync(client=client, body=NoteToCases(case_id=case.case_id, note="Left a message."))
        assert (reported.succeeded, noted.succeeded) == (1, 1), (reported, noted)
    phone = NoteByPhone(phone=cases[2].phones[0].phone, note="Called in.")
    by_phone = add_case_note_by_phone_post.sync(client=client, body=phone)
    released = release_claim_post.sync(client=client, body=ReleaseQuery(claim_id=claim))
    refused = get_case_info_get.sync(client=client, case_id=999)
    late = update_case_status_post.sync(
        client=client, body=CaseUpdates(cases=[CaseUpdate(case_id=cases[2].case_id, attempts=9)]), x_claim_id=claim
    )
    assert isinstance(refused, ProblemReply)
    told_now = preflight_get.sync(client=client, campaign="Intake follow-up")

found = {
    "due": len(due),
    "claimed": [case.case_id for case in cases],
    "noted_by_phone": [result.case_id for result in by_phone.results],
    "released": released.succeeded,
    "refused": refused.code,
    "late": late.code,
    "due_later": told_now.due,
}
print(json.dumps(found))
