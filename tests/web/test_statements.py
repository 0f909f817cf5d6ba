"""How many statements each method takes: what a timed test cannot tell on a shared machine. They must not grow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from casedial.database.tables import keys
from casedial.domain.rules import Purpose
from casedial.service.operations import commands
from tests.conftest import ALWAYS, Api, Office
from tests.service.test_calling import NEW_YORK, decide
from tests.statements import listening
from tests.waiting import until


@pytest.fixture(autouse=True)
def nothing_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a request that took long looks at its key once more."""
    monkeypatch.setattr(commands, "SLOW_SECONDS", 60)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Every statement meanwhile, but those that begin a transaction, and the note of a key's use once a minute."""
    found: list[str] = []
    with listening() as asked:
        yield found
    some = (statement for statement in asked if not statement.startswith(("BEGIN", "UPDATE keys SET last_used_at")))
    found.extend(" ".join(statement.split()[:4]) for statement in some)


def five(**said: Any) -> dict[str, Any]:
    return {"Cases": [{"CaseID": case_id, **said} for case_id in range(1, 6)]}


# A method, what it is asked, and how many statements that takes on PostgreSQL: the first proves the caller; a claim is
# one statement, which does that, too.
CALLS: dict[str, tuple[str, Any, int]] = {
    "read": ("GetCasesToDial", {"Records": 5}, 2),
    "claim": ("GetCasesToDial", {"Records": 5, "Auto-change": True}, 1),
    "info": ("GetCaseInfo", {"CaseID": 7}, 2),
    "update": ("UpdateCaseStatus", five(Status="To Dial", Attempts=2), 4),  # lock, save, record
    "report": ("UpdateCaseStatus", five(Disposition="Busy"), 5),  # and the calls
    "enter": ("UpdateCaseStatus", five(Status="In the Dialer"), 6),  # the clock; and the claims
    "note": ("AddCaseNote", five(Note="A note"), 3),
    "note by phone": ("AddCaseNoteByPhone", {"Phone": "4025550007", "Note": "A note"}, 3),
}
# SQLite claims in steps: prove, move, open the claim, and record. Its clock is the server's.
ON_SQLITE = {"claim": 4, "enter": 5}


async def ask(api: Api, method: str, body: Any) -> list[str]:
    with counted() as asked:
        reply = await (api.get(method, **body) if method == "GetCaseInfo" else api.post(method, body))
    assert reply.status_code == 200, reply.text
    return asked


async def warm_up(api: Api, office: Office) -> None:
    """Have the firm read, and the use of the key noted: on SQLite the note may share the commit of another write."""
    await ask(api, "GetCaseInfo", {"CaseID": (await office.add(99)).case_id})

    async def is_noted() -> bool:
        async with office.store.read() as tx:
            query = sa.select(keys.c.last_used_at).where(keys.c.last_used_at.is_not(None))
            return (await tx.execute(query)).first() is not None

    await until(is_noted)


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_takes_no_more_statements_than_it_did(
    api: Api, office: Office, name: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, body, most = CALLS[name]
    await warm_up(api, office)
    for case_id in range(1, 11):
        await office.add(case_id)
    asked = await ask(api, method, body)
    assert len(asked) == (ON_SQLITE.get(name, most) if database == "sqlite" else most), asked


@pytest.mark.parametrize("name", ["claim", "report", "note"])
async def test_more_cases_take_no_more_statements(api: Api, office: Office, name: str) -> None:
    method, body, _ = CALLS[name]
    await warm_up(api, office)
    for case_id in range(1, 51):
        await office.add(case_id)
    few = await ask(api, method, body)
    item = {key: value for key, value in body.get("Cases", [{}])[0].items() if key != "CaseID"}
    many = {"Cases": [{"CaseID": n, **item} for n in range(6, 46)]} if item else {**body, "Records": 40}
    assert len(await ask(api, method, many)) <= len(few)


@pytest.mark.usefixtures("same_day")
async def test_calling_rules_take_a_known_number(api: Api, office: Office, database: str) -> None:
    """Bans, due; numbers in use and calls before the lock and after it; lock, reserve, clock, move, record, claim."""
    await decide(office, purpose=Purpose.CLIENT, hours=[ALWAYS])
    await office.add(1, **NEW_YORK)
    await warm_up(api, office)
    asked = await ask(api, "GetCasesToDial", {"Records": 5, "Auto-change": True})
    assert len(asked) <= 1 + (10 if database == "sqlite" else 12), asked
