"""What became of an imported file, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from casedial.cli.common import count, err, error_row, show_error
from casedial.domain.cases import StatusType
from casedial.domain.errors import CasedialError
from casedial.domain.phones import Kind
from casedial.service.imports import BatchReport
from casedial.wire.columns import meant

_SHOWN = 20  # bad rows on the screen
TOLD = 1000  # bad rows in the report for machines; all of them are in the file of rejects


@dataclass(slots=True)
class ImportTotal:
    """What became of a whole file."""

    dry_run: bool = False  # nothing is written but the file of rejects
    told: list[str] = field(default_factory=list)  # what is unusual about the file
    rejects_file: Path | None = None  # where the rejected rows are
    columns: Sequence[str] = ()
    unknown_columns: list[str] = field(default_factory=list)
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    statuses_kept: int = 0
    in_the_dialer: list[int] = field(default_factory=list)
    statuses_added: list[tuple[StatusType, str]] = field(default_factory=list)
    rejected: int = 0
    rejects: list[tuple[int, str, str]] = field(default_factory=list)  # the first of them: line, column, reason
    phones: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    doubtful: list[tuple[int, str, str]] = field(default_factory=list)  # likewise, of numbers that went in
    error: CasedialError | None = None  # what ended it before its time

    def add(self, report: BatchReport) -> None:
        """Add what became of a batch."""
        self.added += report.added
        self.updated += report.updated
        self.unchanged += report.unchanged
        self.statuses_kept += report.statuses_kept
        self.in_the_dialer += report.in_the_dialer
        self.statuses_added += report.statuses_added
        for kind, number in report.phones.items():
            self.phones[kind] += number

    def document(self) -> dict[str, Any]:
        """Return the report for machines."""
        return {
            "dry_run": self.dry_run,
            "told": self.told,
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "rejects": _places(self.rejects),
            "rejects_file": str(self.rejects_file) if self.rejects_file else None,
            "statuses_kept": self.statuses_kept,
            "in_the_dialer": self.in_the_dialer,
            "statuses_added": [{"type": kind.label, "name": name} for kind, name in self.statuses_added],
            "unknown_columns": self.unknown_columns,
            "did_you_mean": {column: like for column, like in self._hints() if like},
            "phones": {kind.lower(): number for kind, number in self.phones.items()},
            "doubtful_phones": _places(self.doubtful),
            **({"error": error_row(self.error)} if self.error else {}),
        }

    def show(self) -> None:
        """Say what became of the file, and what to do about what did not go in."""
        self._show_file()
        for kind, name in self.statuses_added:
            note = ", which is never dialed" if kind is StatusType.DIALER else ""
            err.print(f"Added the {kind.label} {name!r}{note}.", markup=False)
        if self.statuses_kept:
            kept = count(self.statuses_kept, "case")
            err.print(f"{kept} kept dial statuses as they were; --set-statuses changes them, too.")
        if self.in_the_dialer:
            some = ", ".join(map(str, self.in_the_dialer[:_SHOWN])) + (" …" if self.in_the_dialer[_SHOWN:] else "")
            err.print(
                f"In the dialer, so with statuses as they were: {count(len(self.in_the_dialer), 'case')}: {some}."
            )
        self._show_phones()
        for line, column, reason in self.rejects[:_SHOWN]:
            err.print(f"line {line}: {column + ' ' if column else ''}{reason}", markup=False, soft_wrap=True)
        if self.rejects_file:
            more = f", {self.rejected - _SHOWN} more than are shown," if self.rejected > _SHOWN else ""
            which = "Rejected rows until then" if self.error else "All rejected rows"
            do = "mend them before the import" if self.dry_run else "mend and import that file"
            err.print(f"{which}{more} are in {self.rejects_file}: {do}.", soft_wrap=True)
        if self.error:
            show_error(self.error)
        if self.error and not self.dry_run:
            err.print("That is what was done until then. Run it again: what went in is not added twice.")

    def _show_file(self) -> None:
        """Say what the file is, and how many rows did what."""
        if self.dry_run:
            err.print("Dry run: nothing was changed. This is what the import would do:")
        for told in self.told:
            err.print(told, markup=False, soft_wrap=True)
        err.print(f"{self.added} added, {self.updated} updated, {self.unchanged} unchanged, {self.rejected} rejected.")
        if self.unknown_columns:
            shown = ", ".join(f"{column} (did you mean {like}?)" if like else column for column, like in self._hints())
            err.print(f"Columns that mean nothing here: {shown}.", markup=False, soft_wrap=True)

    def _hints(self) -> list[tuple[str, str | None]]:
        """Return the columns that mean nothing, each with the one that was meant, perhaps."""
        return [(column, meant(column, self.columns)) for column in self.unknown_columns]

    def _show_phones(self) -> None:
        """Say what the numbers are, and which are never dialed."""
        us, abroad, doubtful = (self.phones[kind] for kind in Kind)
        if every := us + abroad + doubtful:
            err.print(f"{count(every, 'phone')}: {us} of the US, {abroad} abroad, {doubtful} doubtful.")
        if doubtful:
            err.print("The doubtful are kept as they are and never dialed; mend them in the file and import it again:")
        for line, column, why in self.doubtful[:_SHOWN]:
            err.print(f"line {line}: {column} {why}", markup=False, soft_wrap=True)
        if doubtful > _SHOWN:
            err.print(f"… and {doubtful - _SHOWN} more; --json lists the first {TOLD}.")


def _places(found: Sequence[tuple[int, str, str]]) -> list[dict[str, Any]]:
    return [{"line": line, "column": column, "reason": reason} for line, column, reason in found]
