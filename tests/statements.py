"""Every statement that any database is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from casedial.storage.postgresql import Ready, Rows, Session


@contextmanager
def listening() -> Iterator[list[str]]:
    """Write down the texts of all statements meanwhile, but for what begins and ends a transaction of PostgreSQL."""
    asked: list[str] = []
    send = Session._send

    def listen(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    async def send_noted(session: Session, ready: Ready, text: str, several: list[list[Any]]) -> Rows:
        asked.append(text)
        return await send(session, ready, text, several)

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    Session._send = send_noted  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        Session._send = send  # type: ignore[method-assign]
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)
