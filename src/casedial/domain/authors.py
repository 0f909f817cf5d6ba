"""Who signs notes, history and claims: vendors by their names, and casedial by names that no vendor may have."""

from __future__ import annotations

from casedial.domain.cases import CASEDIAL, fold
from casedial.domain.importing import IMPORT

_COMMAND_LINE = "(command line)"


def operator(user: str) -> str:
    """Return what a user of the machine signs with."""
    return f"{user} {_COMMAND_LINE}"


def is_own(author: str) -> bool:
    """Tell whether casedial signs with this name itself, in whatever spelling: a vendor would hold what is not his."""
    folded = fold(author)
    return folded in (CASEDIAL, IMPORT) or folded.endswith(_COMMAND_LINE)
