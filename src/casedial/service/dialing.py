"""The five methods of the Predictive Dialer API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from casedial.domain import dialing
from casedial.domain.cases import Caller, Case, Note, StatusChange, StatusType
from casedial.domain.dialing import CaseNote, CaseUpdate, DialQuery
from casedial.domain.errors import CasedialError, CaseNotFound, PhoneNotFound
from casedial.storage import cases, claims, notes
from casedial.storage.engine import Transaction

Outcomes = list[CasedialError | None]


async def get_cases_to_dial(tx: Transaction, caller: Caller, query: DialQuery, now: datetime) -> list[Case]:
    """Return the cases due now, oldest first; with ``auto_change`` they are claimed in the same step.

    They are returned as they were found ("To Dial", the original time) [specification: GetCasesToDial].
    """
    campaign = None
    if query.campaign:
        campaign = caller.firm.statuses.find(StatusType.CAMPAIGN, query.campaign)
        if campaign is None:
            return []
    if query.auto_change:
        return await claims.claim(tx, caller.firm, campaign, query.case_group, query.records, now, caller.vendor)
    return await claims.due(tx, caller.firm, campaign, query.case_group, query.records, now)


async def get_case_info(tx: Transaction, caller: Caller, case_id: int) -> Case:
    """Return one case [specification: GetCaseInfo]. Raises CaseNotFound."""
    case = await cases.fetch(tx, caller.firm, case_id)
    if case is None:
        raise _not_found(case_id)
    return case


async def update_case_status(
    tx: Transaction, caller: Caller, items: Sequence[CaseUpdate | CasedialError], now: datetime
) -> Outcomes:
    """Apply updates in request order, each whole or not at all [specification: UpdateCaseStatus].

    Return the outcome of each item. An item that is an error already keeps it.
    """
    held = await cases.lock(tx, caller.firm, [item.case_id for item in items if isinstance(item, CaseUpdate)])
    changed: dict[int, Case] = {}
    history: list[StatusChange] = []
    outcomes: Outcomes = []
    for item in items:
        if isinstance(item, CasedialError):
            outcomes.append(item)
        elif item.case_id not in held:
            outcomes.append(_not_found(item.case_id))
        else:
            try:
                case, recorded = dialing.update(caller.firm, held[item.case_id], item, caller.vendor, now)
            except CasedialError as error:
                outcomes.append(error)
                continue
            if recorded:
                held[item.case_id] = changed[item.case_id] = case
                history.extend(recorded)
            outcomes.append(None)
    await cases.save_statuses(tx, caller.firm, changed.values())
    await cases.record(tx, caller.firm, history)
    return outcomes


async def add_case_note(
    tx: Transaction, caller: Caller, items: Sequence[CaseNote | CasedialError], now: datetime
) -> Outcomes:
    """Add a note to each case; return the outcome of each item [specification: AddCaseNote]."""
    found = await cases.existing(tx, caller.firm, [item.case_id for item in items if isinstance(item, CaseNote)])
    outcomes: Outcomes = []
    added: list[Note] = []
    for item in items:
        if isinstance(item, CasedialError):
            outcomes.append(item)
        elif item.case_id not in found:
            outcomes.append(_not_found(item.case_id))
        else:
            added.append(Note(item.case_id, item.text, caller.vendor, now))
            outcomes.append(None)
    await notes.add(tx, caller.firm, added)
    return outcomes


async def add_case_note_by_phone(tx: Transaction, caller: Caller, number: str, text: str, now: datetime) -> list[int]:
    """Add a note to all open cases with this number, or to all closed ones if none is open.

    Return their CaseIDs [specification: AddCaseNoteByPhone]. Raises PhoneNotFound.
    """
    recipients = dialing.note_recipients(await cases.with_number(tx, caller.firm, number))
    if not recipients:
        raise PhoneNotFound("No case of this firm has a phone with this number.")
    await notes.add(tx, caller.firm, [Note(case.case_id, text, caller.vendor, now) for case in recipients])
    return [case.case_id for case in recipients]


def _not_found(case_id: int) -> CaseNotFound:
    return CaseNotFound(f"There is no case {case_id}.")
