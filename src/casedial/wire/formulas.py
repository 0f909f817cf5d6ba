"""Cells that a spreadsheet program would take for a formula: CSV has a ' in front of them, and an import takes it off.

Opened as it is, ``=HYPERLINK(…)`` in the name of a plaintiff would be run, and ``+44 20 7946 0958`` lose its plus.
"""

from __future__ import annotations

import re

_LIKE_A_FORMULA = re.compile(r"'*[=+\-@\t\r]")  # with what was guarded before: the way back is exact


def guarded(cell: str) -> str:
    """Return a cell as CSV for people has it."""
    return f"'{cell}" if _LIKE_A_FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """Return a cell of CSV as it was."""
    return cell[1:] if cell[:1] == "'" and _LIKE_A_FORMULA.match(cell) else cell
