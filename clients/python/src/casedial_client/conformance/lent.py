"""The cases that were lent to a run: its checks put them into the state they need, and the run puts them back.

A case that is not being used rests: it is Do not Dial, so that nobody gets it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from casedial_client.conformance.judging import NotTried
from casedial_client.conformance.options import DO_NOT_DIAL, TO_DIAL
from casedial_client.conformance.reading import Case, folded, ids, shown_time
from casedial_client.conformance.wire import whole

if TYPE_CHECKING:
    from casedial_client.conformance.trial import Trial

_LISTED = 5


class Lent:
    """Cases that may be changed, and what they were before."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._before: dict[int, dict[str, Any]] = {}  # what puts each back, as an item of UpdateCaseStatus
        self._numbers: dict[int, list[str]] = {}
        self._awake: set[int] = set()
        self.is_ready = False

    def begin(self) -> None:
        """Look at every case, and keep what it is, also in a file.

        Raises NotTried if one could not be put back, FileExistsError if an earlier run did not.
        """
        if self._trial.wanted.put_back.exists():
            raise FileExistsError
        wrong: list[str] = []
        for case_id in self._trial.wanted.case_ids:
            case = self._trial.info(case_id)
            wrong += [f"case {case_id} {reason}" for reason in self._unfit(case)]
            self._keep(case_id, case)
        if wrong:
            more = f", and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
            raise NotTried(f"{'; '.join(wrong[:_LISTED])}{more}")
        with self._trial.wanted.put_back.open("xb") as file:
            file.write(msgspec.json.format(msgspec.json.encode({"Cases": list(self._before.values())})))
        self._awake = set(self._before)
        self.is_ready = True

    def _unfit(self, case: Case) -> list[str]:
        fit = {folded(self._trial.statuses[name]) for name in (TO_DIAL, DO_NOT_DIAL)}
        reasons = {
            f"is {case.get('DialerStatus') or 'without a Dialer Status'}: it has to be To Dial or Do not Dial": folded(
                case.get("DialerStatus")
            )
            in fit,
            f"is in the campaign {case.get('Campaign')!r}": folded(case.get("Campaign"))
            == folded(self._trial.wanted.campaign),
            "has no date/time, which no call can give back": bool(case.get("DialDateTime")),
            "has no Attempts, which no call can give back": str(case.get("Attempts")).isdigit(),
        }
        return [reason for reason, is_fit in reasons.items() if not is_fit]

    def _keep(self, case_id: int, case: Case) -> None:
        item = {
            "CaseID": case_id,
            "Status": case.get("DialerStatus"),
            "NextCall": shown_time(case),
            "Attempts": int(count) if (count := str(case.get("Attempts"))).isdigit() else None,
            "Disposition": self._trial.wanted.disposition,
        }
        self._before[case_id] = {name: value for name, value in item.items() if value is not None}
        phones = case.get("Phones")
        self._numbers[case_id] = [
            str(phone["Phone"])
            for phone in (phones if isinstance(phones, list) else ())
            if isinstance(phone, dict) and phone.get("Phone")
        ]

    # Cases for a check

    def some(self, count: int) -> list[int]:
        """Return so many cases. Raises NotTried where fewer were lent."""
        if len(self._trial.wanted.case_ids) < count:
            raise NotTried(f"it needs {count} cases: name more with --cases")
        return list(self._trial.wanted.case_ids[:count])

    def one(self) -> int:
        """Return a case."""
        return self.some(1)[0]

    def sharing(self, wanted_open: int, wanted_closed: int) -> tuple[str, list[int], list[int]]:
        """Return a number that at least so many open and closed cases have (no open one for 0), and those cases."""
        for number in dict.fromkeys(number for numbers in self._numbers.values() for number in numbers):
            having = [case_id for case_id, numbers in self._numbers.items() if number in numbers]
            closed = [case_id for case_id in having if case_id in self._trial.wanted.closed]
            open_ = [case_id for case_id in having if case_id not in closed]
            if len(open_) >= wanted_open and len(closed) >= wanted_closed and (wanted_open or not open_):
                return number, open_, closed
        what = f"{wanted_open or 'no'} open and {wanted_closed or 'no'} closed"
        raise NotTried(f"no number is that of {what} cases among those named; --closed says which are closed")

    def only_due(self, *case_ids: int, **facts: Any) -> None:
        """Make these cases To Dial, due for days, and let all others rest. Raises NotTried where that cannot be."""
        for case_id in sorted(self._awake - set(case_ids)):
            self.rest(case_id)
        for case_id in case_ids:
            self.place(case_id, TO_DIAL, NextCall=self._trial.days(-3), **facts)

    def rest(self, case_id: int) -> None:
        """Make a case Do not Dial."""
        self.place(case_id, DO_NOT_DIAL)
        self._awake.discard(case_id)

    def place(self, case_id: int, status: str, **facts: Any) -> None:
        """Put a case into a state, and see that it is. Raises NotTried where it is not."""
        self._awake.add(case_id)
        item = {"CaseID": case_id, "Status": self._trial.statuses[status], **facts}
        exchange = self._trial.update(item)
        if differing := self.differing(item):
            told = f"{exchange.request()} was answered {exchange.reply()}"
            raise NotTried(f"its state could not be made: {told}, but GetCaseInfo then shows {differing}")

    def differing(self, item: dict[str, Any]) -> str:
        """Return in what a case is not as an update says; nothing where it is."""
        case = self._trial.info(item["CaseID"])
        shown = {
            "Status": case.get("DialerStatus"),
            "NextCall": shown_time(case),
            "Attempts": str(case.get("Attempts")),
        }
        wrong = [
            f"{name} {shown[name]!r}"
            for name in shown
            if item.get(name) is not None and folded(shown[name]) != folded(str(item[name]))
        ]
        return ", ".join(wrong)

    def alone(self) -> None:
        """Raise NotTried where a claim would also take cases that nobody lent."""
        if strangers := set(ids(self._trial.due())) - set(self._before):
            raise NotTried(f"a claim would also take cases that were not named, such as {min(strangers)}")

    def claimed(self, cases: list[Case]) -> None:
        """Take note of a claim's cases. One that became due in this very moment is given back at once."""
        for case in cases:
            case_id = whole(case.get("CaseID"))
            if case_id in self._before:
                self._awake.add(case_id)
            elif case_id and case.get("DialDateTime"):
                back = {"CaseID": case_id, "Status": self._trial.statuses[TO_DIAL]}
                self._trial.update({**back, "NextCall": shown_time(case)})

    # The end

    def put_back(self) -> list[str]:
        """Put every case back; return what could not be."""
        if not self.is_ready:
            return []
        lost = []
        for case_id, item in self._before.items():
            exchange = self._trial.update(item)
            differing = f"GetCaseInfo does not show it after {exchange.reply()}"
            with suppress(NotTried):
                differing = self.differing(item)
            if differing:
                lost.append(f"case {case_id}: {differing}")
        if not lost:
            self._trial.wanted.put_back.unlink()
        return lost
