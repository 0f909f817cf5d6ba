"""A casedial that is killed in the midst of work on many cases: ``python -m tests.faults.dying PAGES serve ...``.

It does so many pages. Of the one after them it has written all but where it ends, and is gone with all its processes.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from casedial.cli import main
from casedial.database.engine import Transaction
from casedial.storage import changes, import_jobs

Update = Callable[..., Awaitable[None]]


def mortal(update: Update, pages: int) -> Update:
    """Return what stores how far a work is, and ends everything where that is one page too far."""
    done = 0

    async def update_or_die(tx: Transaction, *which: int, **values: Any) -> None:
        nonlocal done
        done += bool(values.get("last"))
        if done > pages:
            os.killpg(0, signal.SIGKILL)
        await update(tx, *which, **values)

    return update_or_die


if __name__ == "__main__":
    pages, *arguments = sys.argv[1:]
    for module in (changes, import_jobs):
        module.update = mortal(module.update, int(pages))
    sys.argv[1:] = arguments
    main()
