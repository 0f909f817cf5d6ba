"""Servers that are wrong on purpose, each in one sentence of the published text.

The name of a class's check is in ``fails``: that one has to fail, and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

from clients.python.tests.plain import DIALER_STATUSES, Held, Plain, Refused


class Wrong(Plain):
    fails: str


class NoKeyNeeded(Wrong):
    fails = "key-is-required"

    def allows(self, key: str | None) -> bool:
        return key is None or super().allows(key)


class AnyKeyWillDo(Wrong):
    fails = "key-is-known"

    def allows(self, key: str | None) -> bool:
        return key is not None


class WrapsTheList(Wrong):
    fails = "a-list-is-returned"

    def get_cases_to_dial(self, asked: dict[str, Any]) -> Any:
        return {"Cases": super().get_cases_to_dial(asked)}


class DialsDoNotDial(Wrong):
    fails = "only-to-dial"

    def may_be_dialed(self, case: Held) -> bool:
        return case.status in ("To Dial", "Do not Dial")


class DialsClaimedCases(Wrong):
    fails = "only-to-dial"

    def may_be_dialed(self, case: Held) -> bool:
        return case.status in ("To Dial", "In the Dialer")


class IgnoresTheDueTime(Wrong):
    fails = "future-is-not-returned"

    def is_due(self, case: Held) -> bool:
        return self.may_be_dialed(case)


class ForgetsOldCases(Wrong):
    fails = "past-is-returned"

    def is_due(self, case: Held) -> bool:
        return super().is_due(case) and case.at > self.now() - timedelta(days=30)


class ComparesWithUtc(Wrong):
    fails = "due-by-the-firms-clock"

    def is_due(self, case: Held) -> bool:
        return self.may_be_dialed(case) and case.at <= datetime.now(UTC).replace(tzinfo=None)


class IgnoresTheCampaign(Wrong):
    fails = "only-that-campaign"

    def is_asked_for(self, case: Held, asked: dict[str, Any]) -> bool:
        return self.matches(asked.get("CaseGroup"), case.group)


class EmptyCampaignIsNone(Wrong):
    fails = "empty-campaign-is-all"

    def is_asked_for(self, case: Held, asked: dict[str, Any]) -> bool:
        return asked.get("Campaign") != "" and super().is_asked_for(case, asked)


class IgnoresTheCaseGroup(Wrong):
    fails = "only-that-case-group"

    def is_asked_for(self, case: Held, asked: dict[str, Any]) -> bool:
        return self.matches(asked.get("Campaign"), case.campaign)


class KnowsNoCaseGroup(Wrong):
    fails = "that-case-group"

    def is_asked_for(self, case: Held, asked: dict[str, Any]) -> bool:
        return not asked.get("CaseGroup") and super().is_asked_for(case, asked)


class EmptyCaseGroupIsNone(Wrong):
    fails = "empty-case-group-is-all"

    def is_asked_for(self, case: Held, asked: dict[str, Any]) -> bool:
        return asked.get("CaseGroup") != "" and super().is_asked_for(case, asked)


class IgnoresRecords(Wrong):
    fails = "records-is-the-number"

    def records(self, asked: dict[str, Any]) -> int:
        return 100


class OneRecordTooFew(Wrong):
    fails = "records-is-the-number"

    def records(self, asked: dict[str, Any]) -> int:
        wanted = super().records(asked)
        return 1 if wanted == 2 and "Auto-change" not in asked else wanted


class AlwaysClaims(Wrong):
    fails = "auto-change-is-not-default"

    def get_cases_to_dial(self, asked: dict[str, Any]) -> Any:
        asked_for_one = asked.get("Records") == "200" and "Auto-change" in asked
        return super().get_cases_to_dial({**asked, "Auto-change": "true"} if asked_for_one else asked)


class NeverClaims(Wrong):
    fails = "auto-change-claims"

    def claim(self, found: Sequence[Held], asked: dict[str, Any]) -> None:
        pass


class ClaimsTheWholeList(Wrong):
    fails = "auto-change-only-what-is-returned"

    def claim(self, found: Sequence[Held], asked: dict[str, Any]) -> None:
        super().claim(self.select({**asked, "Records": 1000}), asked)


class GivesACaseToTwoCallers(Wrong):
    """It keeps what it selected for a claim until it is asked for something else, and gives it to whoever comes."""

    fails = "nobody-gets-a-claimed-case"

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Held] = []

    def reply(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        if b'"Auto-change":true' not in body:
            self.kept = []
        return super().reply(request, body)

    def select(self, asked: dict[str, Any]) -> list[Held]:
        if asked.get("Auto-change") is not True:
            return super().select(asked)
        self.kept = self.kept or super().select(asked)
        return self.kept


class CaseIdAsText(Wrong):
    fails = "case-id-is-a-number"

    def shown(self, case: Held) -> dict[str, Any]:
        return super().shown(case) | {"CaseID": str(case.case_id)}


class PhonesWithoutPrimary(Wrong):
    fails = "phones-are-as-shown"

    def phone(self, name: str, number: str) -> dict[str, Any]:
        return {"PhoneName": name, "Phone": number, "Text": False}


class LeavesOutTheZipCode(Wrong):
    fails = "texts-are-text"

    def shown(self, case: Held) -> dict[str, Any]:
        return {name: value for name, value in super().shown(case).items() if name != "ZipCode"}


class AttemptsAsNumber(Wrong):
    fails = "attempts-are-text"

    def shown(self, case: Held) -> dict[str, Any]:
        return super().shown(case) | {"Attempts": int(case.attempts)}


class TimesWithAZone(Wrong):
    fails = "dial-date-time-is-local"

    def shown(self, case: Held) -> dict[str, Any]:
        shown = super().shown(case)
        return shown | {"DialDateTime": f"{shown['DialDateTime']}-06:00"}


class ShowsTheWrongCase(Wrong):
    fails = "that-case-is-returned"

    def get_case_info(self, asked: dict[str, Any]) -> Any:
        return self.shown(self.cases[7])


class UpdatesNothing(Wrong):
    fails = "one-case-is-updated"

    def apply(self, case: Held, item: dict[str, Any]) -> None:
        pass


class UpdatesTheWholeCampaign(Wrong):
    fails = "one-case-is-updated"

    def apply(self, case: Held, item: dict[str, Any]) -> None:
        for other in self.cases.values():
            if other.campaign == case.campaign:
                super().apply(other, item)


class UpdatesOnlyTheFirst(Wrong):
    fails = "several-cases-are-updated"

    def apply_all(self, items: list[dict[str, Any]]) -> None:
        super().apply_all(items[:1])


class WantsEveryField(Wrong):
    fails = "only-case-id-is-required"

    def apply_all(self, items: list[dict[str, Any]]) -> None:
        if any(item.keys() == {"CaseID"} for item in items):
            raise Refused(400)
        super().apply_all(items)


class NeedsNoCaseId(Wrong):
    fails = "case-id-is-required"

    def update_case_status(self, asked: dict[str, Any]) -> Any:
        return super().update_case_status({"Cases": [item for item in asked["Cases"] if "CaseID" in item]})


class LosesAttemptsWhenAbsent(Wrong):
    fails = "omitted-attempts-stay"

    def set_attempts(self, case: Held, item: dict[str, Any]) -> None:
        if item.get("Status") == "To Dial" or "Attempts" in item:
            case.attempts = str(item.get("Attempts", 0))


class LosesTheTimeWhenAbsent(Wrong):
    fails = "omitted-status-stays"

    def set_status(self, case: Held, item: dict[str, Any]) -> None:
        super().set_status(case, item)
        if set(item) == {"CaseID", "Attempts"}:
            case.at = self.now()


class EmptyStatusIsAStatus(Wrong):
    fails = "empty-status-stays"

    def set_status(self, case: Held, item: dict[str, Any]) -> None:
        super().set_status(case, item)
        if item.get("Status") == "":
            case.status = ""


class KnowsNoDoNotDial(Wrong):
    fails = "dialer-statuses-are-there"

    def set_status(self, case: Held, item: dict[str, Any]) -> None:
        super().set_status(case, item)
        if case.status == "In the Dialer":
            case.status = DIALER_STATUSES["to dial"]


class IgnoresNextCall(Wrong):
    fails = "next-call-is-set"

    def next_call(self, case: Held, item: dict[str, Any]) -> datetime:
        return self.now()


class KeepsTheOldTime(Wrong):
    fails = "current-time-is-taken"

    def next_call(self, case: Held, item: dict[str, Any]) -> datetime:
        return super().next_call(case, item) if item.get("Status") == "To Dial" else case.at - timedelta(hours=6)


class CountsByItself(Wrong):
    fails = "attempts-are-set"

    def set_attempts(self, case: Held, item: dict[str, Any]) -> None:
        if "Attempts" in item:
            case.attempts = str(int(case.attempts) + 1)


class CountsToTen(Wrong):
    fails = "attempts-from-0-to-20-are-there"

    def set_attempts(self, case: Held, item: dict[str, Any]) -> None:
        if "Attempts" in item:
            case.attempts = str(min(10, item["Attempts"]))


class KnowsNoAnsweringMachine(Wrong):
    fails = "disposition-is-taken"

    def apply(self, case: Held, item: dict[str, Any]) -> None:
        if item.get("Disposition") == "Answering Machine":
            item["Disposition"] = "Voicemail"
        super().apply(case, item)


class TakesNoNote(Wrong):
    fails = "note-is-taken"

    def add_case_note(self, asked: dict[str, Any]) -> Any:
        return {"Results": [{"CaseID": asked["CaseID"], "Success": False}]}


class NotesOneCaseOnly(Wrong):
    fails = "note-to-several-is-taken"

    def add_case_note(self, asked: dict[str, Any]) -> Any:
        return super().add_case_note({**asked, "CaseID": asked["CaseID"][:1]} if "[" in str(asked) else asked)


class FindsNobodyByPhone(Wrong):
    fails = "note-by-phone-is-taken"

    def has(self, case: Held, number: str) -> bool:
        return False


class MatchesHalfANumber(Wrong):
    fails = "note-by-half-a-number-is-not-taken"

    def has(self, case: Held, number: str) -> bool:
        return any(own[-7:] == number[-7:] for _, own in case.phones)


class NotesTheFirstOpenCaseOnly(Wrong):
    fails = "note-by-phone-goes-to-all-open-cases"

    def noted(self, having: list[Held]) -> list[Held]:
        open_ = [case for case in having if not case.closed]
        return open_[:1] or having


class NotesClosedCasesToo(Wrong):
    fails = "note-by-phone-spares-closed-cases"

    def noted(self, having: list[Held]) -> list[Held]:
        return having


class NeverNotesClosedCases(Wrong):
    fails = "note-by-phone-goes-to-all-closed-cases"

    def noted(self, having: list[Held]) -> list[Held]:
        return [case for case in having if not case.closed] or having[:1]


def every() -> list[type[Wrong]]:
    return Wrong.__subclasses__()
