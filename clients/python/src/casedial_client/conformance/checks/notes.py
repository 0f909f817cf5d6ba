"""AddCaseNote and AddCaseNoteByPhone. No method reads notes: which cases got one is known where the reply tells it."""

from __future__ import annotations

from casedial_client.conformance.judging import Fails, NotTried, check
from casedial_client.conformance.reading import accepted
from casedial_client.conformance.trial import Trial
from casedial_client.conformance.wire import Exchange

NOTE = "casedial conformance: this note may be removed."
FOUND = "note-by-phone-is-taken"


@check("AddCaseNote", "that-case-is-returned", writes=True)
def note_is_taken(trial: Trial) -> None:
    """AddCaseNote takes a note to one case."""
    case_id = trial.lent.one()
    accepted(trial.wire.call("AddCaseNote", {"CaseID": case_id, "Note": NOTE}), case_id)


@check("AddCaseNote", "note-is-taken", writes=True)
def note_to_several_is_taken(trial: Trial) -> None:
    """AddCaseNote takes a note to several cases.

    The published text does not show how: a list of CaseIDs is tried, then Cases, as UpdateCaseStatus has them.
    """
    case_ids = trial.lent.some(2)
    listed = trial.wire.call("AddCaseNote", {"CaseID": case_ids, "Note": NOTE})
    try:
        accepted(listed, *case_ids)
    except Fails:
        items = [{"CaseID": case_id, "Note": NOTE} for case_id in case_ids]
        accepted(trial.wire.call("AddCaseNote", {"Cases": items}), *case_ids)


@check("AddCaseNoteByPhone", "that-case-is-returned", writes=True)
def note_by_phone_is_taken(trial: Trial) -> None:
    """AddCaseNoteByPhone adds a note to a case that has this phone number.

    The number is sent as the server shows it.
    """
    number, open_, _ = trial.lent.sharing(1, 0)
    exchange = _note(trial, number)
    accepted(exchange)
    if exchange.results is not None and not exchange.results.keys() & set(open_):
        raise Fails(f"a note to case {open_[0]}, which has this number", exchange)


@check("AddCaseNoteByPhone", FOUND, writes=True)
def note_by_half_a_number_is_not_taken(trial: Trial) -> None:
    """AddCaseNoteByPhone finds cases by the whole number.

    The last seven digits of a case's number are sent after the area code 000, which nobody has.
    """
    number, *_ = trial.lent.sharing(1, 0)
    exchange = _note(trial, f"000{number[-7:]}")
    if exchange.is_refused:
        return
    if told := _told(exchange):
        raise Fails(f"no note, for case {min(told)} has another number", exchange)


@check("AddCaseNoteByPhone", FOUND, writes=True)
def note_by_phone_goes_to_all_open_cases(trial: Trial) -> None:
    """If several cases have the number, every open one gets the note.

    It needs two open cases with the same number among those named.
    """
    number, open_, _ = trial.lent.sharing(2, 0)
    exchange = _note(trial, number)
    if missing := set(open_) - _told(exchange):
        raise Fails(f"a note to case {min(missing)} too, which is open and has this number", exchange)


@check("AddCaseNoteByPhone", FOUND, writes=True)
def note_by_phone_spares_closed_cases(trial: Trial) -> None:
    """If one of the cases with the number is open, no closed one gets the note.

    It needs an open and a closed case with the same number among those named.
    """
    number, _, closed = trial.lent.sharing(1, 1)
    exchange = _note(trial, number)
    if wrong := set(closed) & _told(exchange):
        raise Fails(f"no note to case {min(wrong)}, which is closed while another is open", exchange)


@check("AddCaseNoteByPhone", FOUND, writes=True)
def note_by_phone_goes_to_all_closed_cases(trial: Trial) -> None:
    """If none of the cases with the number is open, all closed ones get the note.

    It needs two closed cases, and no open one, with the same number among those named.
    """
    number, _, closed = trial.lent.sharing(0, 2)
    exchange = _note(trial, number)
    told = _told(exchange)
    if told - set(closed):
        raise NotTried(f"case {min(told - set(closed))} has this number, too, and was not named")
    if missing := set(closed) - told:
        raise Fails(f"a note to case {min(missing)} too: it is closed, and none with this number is open", exchange)


def _note(trial: Trial, number: str) -> Exchange:
    return trial.wire.call("AddCaseNoteByPhone", {"Phone": number, "Note": NOTE})


def _told(exchange: Exchange) -> set[int]:
    """Return the cases that got a note. Raises NotTried where the reply does not tell."""
    results = exchange.results
    if exchange.is_done and results is None:
        raise NotTried("the reply does not tell which cases got the note, and no method reads notes")
    return {case_id for case_id, success in (results or {}).items() if success}
