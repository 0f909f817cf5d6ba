"""Cases as dialers are shown them: the specification's JSON, written without a detour [Return Values].

What many cases of a firm have in common is written once, such as the names of their statuses: a claim of 25 cases takes
a fifth of what it takes to make an object of each case, phone and reply. ``replies.CaseReply`` is the same JSON as a
type, for those who want its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from casedial.domain.cases import Case, Phone, ShownCase
from casedial.domain.firms import Firm
from casedial.domain.phones import dialable, is_bare, is_fax

_KEPT = 10_000  # of each kind of thing that is written once
_FLAGS = {True: b"true", False: b"false"}
_json = msgspec.json.encode
_Told = tuple[str, int | None, int | None, int | None, int | None]  # the Case Status, and the ids of its statuses
K = TypeVar("K")
V = TypeVar("V")


class CaseWriter:
    """Writes the cases of one firm, as the firm is at one version."""

    def __init__(self, firm: Firm) -> None:
        self._statuses, self._zone = firm.statuses, firm.zone
        self._common: dict[_Told, bytes] = {}
        self._names: dict[str, bytes | None] = {}
        self._texts: dict[str, bytes] = {}

    def write(self, case: ShownCase) -> bytes:
        """Return the JSON of one case. Raises whatever a row may that makes no sense."""
        case_id, case_status, zip_code, phones, dialer, campaign, attempts, disposition, dial_at = case
        told = case_status, dialer, campaign, attempts, disposition
        common = self._common.get(told) or self._write_common(told)
        place = self._texts.get(zip_code) or _keep(self._texts, zip_code, _json(zip_code))
        at = self._time(dial_at) if dial_at else b"null"
        shown = case_id, b",".join(self._phones(phones)), common, at, place
        return b'{"CaseID":%d,"Phones":[%b],%b,"DialDateTime":%b,"ZipCode":%b}' % shown

    def _write_common(self, told: _Told) -> bytes:
        case_status, *ids = told
        dialer, campaign, attempts, _ = (status.name if (status := self._statuses.by_id(id)) else "" for id in ids)
        shown = {"CaseStatus": case_status, "DialerStatus": dialer, "Campaign": campaign, "Attempts": attempts}
        return _keep(self._common, told, _json(shown)[1:-1])

    def _time(self, moment: datetime) -> bytes:
        """Write an instant as ``values.show_time`` does, in a third of its time: years have four digits there, too."""
        return b'%.20b"' % _json(moment.astimezone(self._zone))

    def _phones(self, phones: Sequence[Sequence[Any]]) -> list[bytes]:
        """Return those a dialer may dial, primary first, and no doubtful one; most are ten digits."""
        if not isinstance(phones, list | tuple):
            raise TypeError("The phones of a case are not a list.")
        first: list[bytes] = []
        others: list[bytes] = []
        for phone in phones:
            if len(phone) != 4 or not is_bare(phone[1]):
                return self._write_any(phones)
            name, number, primary, text = phone
            head = self._names[name] if name in self._names else self._write_name(name)
            if head:
                flags = _FLAGS[primary], _FLAGS[text]
                written = b'%b,"Phone":"%b","Primary":%b,"Text":%b}' % (head, number.encode(), *flags)
                (first if primary else others).append(written)
        return first + others

    def _write_name(self, name: str) -> bytes | None:
        return _keep(self._names, name, None if is_fax(name) else b'{"PhoneName":%b' % _json(name))

    def _write_any(self, phones: Sequence[Sequence[Any]]) -> list[bytes]:
        case = Case(0, phones=tuple(Phone(*phone) for phone in phones))
        dialed = ((phone, dialable(phone.number)) for phone in case.voice_phones)
        return [
            _json({"PhoneName": phone.name, "Phone": number, "Primary": phone.primary, "Text": phone.text})
            for phone, number in dialed
            if number
        ]


def _keep(known: dict[K, V], key: K, value: V) -> V:
    """Remember a value, of so many that memory does not grow with what is entered; return it."""
    if len(known) >= _KEPT:
        known.clear()
    known[key] = value
    return value


_WRITERS: dict[int, tuple[Firm, CaseWriter]] = {}  # of firms by their ids, each as it is at its latest version


def writer_of(firm: Firm) -> CaseWriter:
    """Return what writes the cases of a firm."""
    found = _WRITERS.get(firm.id)
    if found is None or found[0] is not firm:
        found = _keep(_WRITERS, firm.id, (firm, CaseWriter(firm)))
    return found[1]


def listed(cases: Iterable[bytes]) -> bytes:
    """Return the JSON of a list of cases that are written."""
    return b"[%b]" % b",".join(cases)
