"""What became of an imported file, for people and for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from casedial.cli.common import count, err, error_row, listed, show_error
from casedial.domain.phones import Kind
from casedial.domain.statuses import StatusType
from casedial.service.operations.imports import TOLD, ImportTotal
from casedial.wire.columns import meant

_SHOWN = 20  # bad rows on the screen


def document(total: ImportTotal) -> dict[str, Any]:
    """Return the report for machines."""
    return {
        "dry_run": total.dry_run,
        "told": total.told,
        "added": total.added,
        "updated": total.updated,
        "unchanged": total.unchanged,
        "rejected": total.rejected,
        "rejects": _places(total.rejects),
        "rejects_file": str(total.rejects_file) if total.rejects_file else None,
        "statuses_kept": total.statuses_kept,
        "in_the_dialer": total.in_the_dialer,
        "statuses_added": [{"type": kind.label, "name": name} for kind, name in total.statuses_added],
        "unknown_columns": total.unknown_columns,
        "did_you_mean": {column: like for column, like in _hints(total) if like},
        "phones": {kind.lower(): number for kind, number in total.phones.items()},
        "doubtful_phones": _places(total.doubtful),
        **({"error": error_row(total.error)} if total.error else {}),
    }


def show(total: ImportTotal) -> None:
    """Say what became of the file, and what to do about what did not go in."""
    _show_file(total)
    for kind, name in total.statuses_added:
        note = ", which is never dialed" if kind is StatusType.DIALER else ""
        err.print(f"Added the {kind.label} {name!r}{note}.")
    if total.statuses_kept:
        kept = count(total.statuses_kept, "case")
        err.print(f"{kept} kept dial statuses as they were; --set-statuses also changes them.")
    if total.in_the_dialer:
        some = listed(total.in_the_dialer)
        err.print(f"In the dialer, so with statuses as they were: {count(len(total.in_the_dialer), 'case')}: {some}.")
    _show_phones(total)
    for line, column, reason in total.rejects[:_SHOWN]:
        err.print(f"line {line}: {column + ' ' if column else ''}{reason}", soft_wrap=True)
    if total.rejects_file:
        more = f", {total.rejected - _SHOWN} more than are shown," if total.rejected > _SHOWN else ""
        which = "Rejected rows until then" if total.error else "All rejected rows"
        do = "fix them before the import" if total.dry_run else "fix and import that file"
        err.print(f"{which}{more} are in {total.rejects_file}: {do}.", soft_wrap=True)
    if total.error:
        show_error(total.error)
    if total.error and not total.dry_run:
        err.print("This much was imported before the error. Run it again: rows already imported are not added twice.")


def _show_file(total: ImportTotal) -> None:
    """Say what the file is, and how many rows did what."""
    if total.dry_run:
        err.print("Dry run: nothing was changed. This is what the import would do:")
    for told in total.told:
        err.print(told, soft_wrap=True)
    err.print(f"{total.added} added, {total.updated} updated, {total.unchanged} unchanged, {total.rejected} rejected.")
    if total.unknown_columns:
        shown = ", ".join(f"{column} (did you mean {like}?)" if like else column for column, like in _hints(total))
        err.print(f"Unknown columns, ignored: {shown}.", soft_wrap=True)


def _hints(total: ImportTotal) -> list[tuple[str, str | None]]:
    """Return the columns that mean nothing, each with the one that was meant, perhaps."""
    return [(column, meant(column, total.columns)) for column in total.unknown_columns]


def _show_phones(total: ImportTotal) -> None:
    """Say what the numbers are, and which are never dialed."""
    us, abroad, doubtful = (total.phones[kind] for kind in Kind)
    if every := us + abroad + doubtful:
        err.print(f"{count(every, 'phone')}: {us} of the US, {abroad} abroad, {doubtful} doubtful.")
    if doubtful:
        err.print("Doubtful numbers are kept as they are and never dialed; fix them in the file and import it again:")
    for line, column, why in total.doubtful[:_SHOWN]:
        err.print(f"line {line}: {column} {why}", soft_wrap=True)
    if doubtful > _SHOWN:
        err.print(f"… and {doubtful - _SHOWN} more; --json lists the first {TOLD}.")


def _places(found: Sequence[tuple[int, str, str]]) -> list[dict[str, Any]]:
    return [{"line": line, "column": column, "reason": reason} for line, column, reason in found]
