"""Warnings of doctor that an administrator knows: why, and until which day they are not to count."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

from casedial.database import schema
from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.audit import NO_FIRM
from casedial.domain.errors import CasedialError, InvalidSetting
from casedial.service.audit import note
from casedial.service.operations.findings import Finding, Level
from casedial.storage import acknowledgements

_FIGURES = re.compile(r"\d[\d\s.,:+…-]*")
_MARK_LENGTH = 6
_REASON_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Known:
    """Until the end of which day (UTC) a warning is known, and why it stays."""

    until: date
    reason: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding, and what is known of it."""

    finding: Finding
    known: Known | None = None

    @property
    def level(self) -> Level:
        """Return how bad it is, as far as it counts."""
        return Level.OK if self.known else self.finding.level

    @property
    def mark(self) -> str:
        """Return what tells this warning from all others, its figures aside: those change from day to day."""
        text = f"{self.finding.check}: {_FIGURES.sub('#', self.finding.found)}"
        return sha256(text.encode()).hexdigest()[:_MARK_LENGTH]


async def judge(store: Store, actor: Actor, findings: Sequence[Finding]) -> list[Judged]:
    """Return findings with what is known of them; only a warning can be known."""
    known: dict[str, tuple[date, str]] = {}
    with suppress(CasedialError):  # of which one of the findings tells
        async with store.read() as tx:
            if (await schema.state(tx)).at_head:
                today = (await tx.clock()).date()
                known = {mark: said for mark, said in (await acknowledgements.every(tx)).items() if said[0] >= today}
    judged = []
    for finding in findings:
        one = Judged(finding)
        is_known = finding.level is Level.WARNING and one.mark in known
        judged.append(Judged(finding, Known(*known[one.mark])) if is_known else one)
    return judged


async def acknowledge(store: Store, actor: Actor, judged: Sequence[Judged], which: str, known: Known) -> None:
    """Note the warning of this mark as known, or all warnings of this check.

    Raises InvalidSetting where there is none, and for a day that has passed or a blank reason.
    """
    warnings = [one for one in judged if one.finding.level is Level.WARNING]
    marks = {one.mark for one in warnings if which.strip().lower() in (one.mark, one.finding.check)}
    if not marks:
        raise InvalidSetting(
            f"There is no warning {which!r}: give the letters and digits that doctor shows with the warning, or the "
            "name of its check. A failure cannot be acknowledged."
        )
    reason = known.reason.strip()
    if not reason or len(reason) > _REASON_LIMIT or not reason.isprintable():
        raise InvalidSetting(f"A reason is 1 to {_REASON_LIMIT} printable characters.")
    async with store.read() as tx:
        if known.until < (await tx.clock()).date():
            raise InvalidSetting(f"{known.until} has passed; give the last day on which to ignore the warning.")

    async def work(tx: Transaction) -> None:
        await acknowledgements.put(tx, marks, known.until, reason)
        said = {"until": known.until.isoformat(), "reason": reason}
        await note(tx, actor, NO_FIRM, "doctor.acknowledge", f"warning {which}", None, said)

    await store.transact(work)
