"""Cases as they are shown: on the screen in words and the firm's time, as JSON in figures and UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer

from casedial.cli.common import Row, show_moment, show_table
from casedial.domain.calling import DoNotCall, Listing
from casedial.domain.case_files import CaseFile
from casedial.domain.cases import Case, Hold, Phone, PriorityChange
from casedial.domain.dialing import StatusPeriod
from casedial.domain.fact_changes import FactChange
from casedial.domain.firms import Firm
from casedial.domain.phone_changes import PhoneChange
from casedial.domain.phones import is_fax, key_of, read
from casedial.domain.statuses import StatusType
from casedial.wire import exports
from casedial.wire.replies import case_reply
from casedial.wire.values import instant


@dataclass(frozen=True, slots=True)
class Showing:
    """How cases of a firm are shown."""

    firm: Firm
    as_json: bool

    def listed(self, case: Case, vendor: str | None) -> Row:
        """Return a case of a list, and the vendor that holds it."""
        reply = case_reply(case, self.firm.zone)
        phones = [phone.number for phone in case.each_phone()]
        return {
            "CaseID": case.case_id,
            "Plaintiff": case.plaintiff,
            "DialerStatus": reply.DialerStatus,
            "DialDateTime": self._time(case.dial_at),
            "Campaign": reply.Campaign,
            "CaseGroup": case.case_group,
            "Attempts": reply.Attempts,
            "Disposition": case.name_of(StatusType.DISPOSITION),
            "HeldBy": vendor,
            "Phones": phones if self.as_json else ", ".join(phones),
        }

    def document(self, found: CaseFile, listed: DoNotCall) -> Row:
        """Return all there is of a case, and what the do-not-call list says of it."""
        case = found.case
        reply = case_reply(case, self.firm.zone)
        return {
            "CaseID": case.case_id,
            "Plaintiff": case.plaintiff,
            "CaseStatus": case.case_status,
            "CaseGroup": case.case_group,
            "Closed": case.closed_on.isoformat() if case.closed_on else case.closed,
            "ZipCode": case.zip_code,
            "DialerStatus": reply.DialerStatus,
            "DialDateTime": self._time(case.dial_at),
            "Priority": case.priority,
            "Campaign": reply.Campaign,
            "Attempts": reply.Attempts,
            "Disposition": case.name_of(StatusType.DISPOSITION),
            "Claim": self._claim(case.hold),
            "DoNotCall": self._listing(listed.cases.get(case.case_id)),
            "Phones": [
                {
                    "PhoneName": p.name,
                    "Phone": p.number,
                    "Primary": p.primary,
                    "Text": p.text,
                    "Kind": _kind(p),
                    "DoNotCall": self._listing(listed.numbers.get(key_of(p.number) or "")),
                }
                for p in case.each_phone()
            ],
            "History": self._history(found),
            "Notes": [
                {"Time": self._time(note.created_at), "Author": note.author, "Note": note.text} for note in found.notes
            ],
        }

    def _time(self, moment: datetime | None) -> str | None:
        return instant(moment) if self.as_json else show_moment(moment, self.firm.zone)

    def _claim(self, hold: Hold | None) -> Any:
        """Show who holds a case that is In the Dialer, and for how long."""
        if self.as_json:
            return hold and {
                "ClaimID": str(hold.claim_id),
                "Until": instant(hold.until),
                "AnsweredAt": instant(hold.answered_at),
            }
        if hold is None:
            return ""
        if hold.answered_at:
            return f"{hold.claim_id}, answered at {self._time(hold.answered_at)}"
        return f"{hold.claim_id}, {f'runs out at {self._time(hold.until)}' if hold.until else 'never runs out'}"

    def _listing(self, listing: Listing | None) -> Any:
        """Show since when something is on the do-not-call list, and who asked for it."""
        if self.as_json:
            return listing and {"Date": listing.listed_on.isoformat(), "Source": listing.source}
        return f"since {listing.listed_on}{listing.source and ': ' + listing.source}" if listing else ""

    def _history(self, found: CaseFile) -> list[Row]:
        """Return what became of the statuses of a case, its phones, priority and fields, in the order of time."""
        periods = [(one.change.changed_at, self._period(one)) for one in found.history]
        phones = [(one.changed_at, self._phone_change(one)) for one in found.phone_changes]
        priorities = [(one.changed_at, self._priority_change(one)) for one in found.priority_changes]
        facts = [(one.changed_at, self._fact_change(one)) for one in found.fact_changes]
        return [row for _, row in sorted([*periods, *phones, *priorities, *facts], key=lambda pair: pair[0])]

    def _period(self, period: StatusPeriod) -> Row:
        change = period.change
        return {
            "Type": change.type.label,
            "Status": change.status.name if change.status else "",
            "DialDateTime": self._time(change.dial_at),
            "From": self._time(change.changed_at),
            "Until": self._time(period.until),
            "By": change.changed_by,
            "Why": change.reason or "",
        }

    def _phone_change(self, change: PhoneChange) -> Row:
        return self._edit(change, exports.PHONE, exports.shown_phone(change.after), exports.was(change))

    def _priority_change(self, change: PriorityChange) -> Row:
        return self._edit(change, exports.PRIORITY, str(change.after), f"was {change.before}")

    def _fact_change(self, change: FactChange) -> Row:
        return self._edit(change, exports.FIELDS, exports.shown_facts(change.after), exports.were(change))

    def _edit(self, change: PhoneChange | PriorityChange | FactChange, kind: str, now: str, was: str) -> Row:
        """Show a change of what is no status: what it is now as its status, what it was as why."""
        return {
            "Type": kind,
            "Status": now,
            "DialDateTime": None,
            "From": self._time(change.changed_at),
            "Until": None,
            "By": change.changed_by,
            "Why": was,
        }


def _kind(phone: Phone) -> str:
    """Say what a phone is, and of one that is never dialed why."""
    number = read(phone.number)
    return "fax" if is_fax(phone.name) else f"{number.kind}: it {number.why}" if number.why else number.kind


def show_document(document: Row) -> None:
    """Write a case to the screen."""
    lists = {name: document.pop(name) for name in ("Phones", "History", "Notes")}
    show_table(("Case", str(document.pop("CaseID"))), document.items())
    for name, rows in lists.items():
        typer.echo()
        if rows:
            show_table(list(rows[0]), [list(row.values()) for row in rows], title=name)
        else:
            typer.echo(f"{name}: none")
