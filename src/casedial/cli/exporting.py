"""Export to files: all of them whole, or none."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import typer

from casedial.cli import output
from casedial.cli.common import me
from casedial.database.engine import Store
from casedial.domain.dialing import CaseFilter
from casedial.service.operations import exports
from casedial.service.operations.exports import Exported
from casedial.wire.exporting import CaseSheets
from casedial.wire.sheets import Form, form_of


async def export_cases(
    store: Store, firm: str, which: CaseFilter, path: Path | None, form: Form, further: dict[str, Path]
) -> Exported:
    """Write those of a firm's cases that are meant to a file, and to further ones by what they hold.

    Raises FirmNotFound or StatusNotFound, and InvalidSetting where a file cannot be written.
    """
    paths = [named for named in (path, *further.values()) if named and not output.is_standard(named)]
    if len({named.resolve() for named in paths}) < len(paths):
        raise typer.BadParameter("two files have the same name: give each its own name")
    if any(map(output.is_standard, further.values())):
        raise typer.BadParameter("notes, history and calls go to files: standard output is for the cases")
    with ExitStack() as stack:
        raw = stack.enter_context(output.opened(path))
        others = {what: (stack.enter_context(output.opened(to)), form_of(to)) for what, to in further.items()}
        can_rewind = not output.is_standard(path)
        sheets = stack.enter_context(CaseSheets(raw, form, others, can_rewind))
        return await exports.export_cases(store, me(), firm, which, sheets)
