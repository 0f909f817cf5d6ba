"""A firm is deleted with every row of it, whatever interrupts that, and nothing of any other firm."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from casedial.database.engine import Store
from casedial.database.tables import cases, keys, metadata, statuses
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.calling import Listing
from casedial.domain.dialing import CaseFilter, OperatorChange
from casedial.domain.errors import FirmNotFound
from casedial.domain.feed import Source
from casedial.domain.phone_changes import PhoneEdit, with_phone
from casedial.domain.refused import Refusal
from casedial.domain.rules import Purpose
from casedial.domain.users import UserRole
from casedial.domain.webhooks import Queued
from casedial.service import do_not_call
from casedial.service.campaigns import CampaignChange, set_campaign
from casedial.service.firms import open_firm, rename_firm
from casedial.service.keys import LimitChange, add_key
from casedial.service.operations import case, changes, users, views, webhooks
from casedial.service.operations.cases import change_phones
from casedial.service.operations.counting import Counter
from casedial.service.operations.feed import Feed
from casedial.service.operations.removal import remove_firm
from casedial.storage import feed, refused, removal
from casedial.storage import webhooks as stored_webhooks
from casedial.storage.refused import Refused
from tests.conftest import ME, NOW, Api, Office, assert_problem, make_office
from tests.service.test_import_jobs import check, receive, run

NOT_OF_FIRMS = {
    "bans",
    "overrides",
    "acknowledgements",
    "duties",
    "users",
    "sessions",
    "sign_in_tries",
    "figures_place",
    "feed_line",
}


async def fill(office: Office, http: httpx.AsyncClient) -> None:
    """Put something of the firm into every table."""
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        limited = await add_key(tx, firm, "Acme Dialer", NOW, None, LimitChange(rate_limit=100))
        await set_campaign(tx, firm, "Intake follow-up", CampaignChange(60, purpose=Purpose.CLIENT))
    for number in range(1, 6):
        await office.add(number, campaign="Notification campaign", plaintiff="Ann Lee")
    api = Api(http, limited.key)
    assert len((await api.post("GetCasesToDial", {"Auto-change": True}, {"Idempotency-Key": "one"})).json()) == 5
    await api.post("UpdateCaseStatus", {"CaseID": 1, "Disposition": "Busy"})
    await api.post("AddCaseNote", {"CaseID": 2, "Note": "n"})
    await change_phones(office.store, ME, office.name, 3, partial(with_phone, edit=PhoneEdit("4025559999")))
    first = CaseFilter(case_ids=(4,))
    previewed = await changes.preview(office.store, ME, office.name, first, lambda firm: OperatorChange(priority=1))
    await changes.run(office.store, ME, office.name, previewed.change.id)
    user = (await users.add(office.store, ME, f"of {office.name}", office.name, UserRole.VIEWER)).user
    looking = Actor(ActorKind.USER, user.name, user.id)
    await views.save(office.store, looking, office.name, "Mine", "q=ann")
    await case.look(office.store, looking, office.name, 2, datetime.now(UTC))
    async with office.store.write() as tx:
        await refused.keep(tx, refusals(firm.id), NOW)
    async with office.store.write() as tx:
        firm = await open_firm(tx, office.name, lock=True)
        await do_not_call.add(tx, firm, [Listing(datetime.now(UTC).date(), "a test", number="4025550005")])
    _, hook = await webhooks.add(office.store, ME, Feed(office.store), office.name, "https://firm.example/")
    async with office.store.write() as tx:
        message = Queued(uuid4(), "case.noted", 2, NOW, "{}")
        await stored_webhooks.put_in_line(tx, hook.webhook, [message], NOW)
    imported = await receive(office, "CaseID,Campaign\n9,Intake follow-up\n")
    await check(office, imported)
    await run(office, imported)
    imported = await receive(office, "CaseID,Plaintiff\n9,Ann\n")
    await check(office, imported)
    await run(office, imported)
    async with office.store.write() as tx:
        await feed.note_gone(tx, firm.id, Source.HISTORY, [1])
    await Counter().catch_up(office.store)


def refusals(firm_id: int) -> Refused:
    refusal = Refusal(1, "UnknownStatus", "Status", "Gone")
    return Refused({firm_id: [(NOW, 1, refusal)]}, {(firm_id, 1, refusal.code): 1})


async def rows_of(store: Store, firm_id: int) -> dict[str, int]:
    """How many rows of a firm each table has; tables that are no firm's are left out."""
    found = {}
    async with store.read() as tx:
        key_ids = set((await tx.execute(sa.select(keys.c.id).where(keys.c.firm_id == firm_id))).scalars())
        status_ids = set((await tx.execute(sa.select(statuses.c.id).where(statuses.c.firm_id == firm_id))).scalars())
        for table in metadata.sorted_tables:
            every = (await tx.execute(sa.select(table))).all()
            names = {"firms": ("id", {firm_id})}.get(table.name)
            if table.name in NOT_OF_FIRMS:
                continue
            if names is None and "firm_id" in table.c:
                names = ("firm_id", {firm_id})
            elif names is None:
                names = ("key_id", key_ids) if "key_id" in table.c else ("status_id", status_ids)
            found[table.name] = sum(getattr(row, names[0]) in names[1] for row in every)
    return found


async def whole(store: Store) -> dict[str, list[Any]]:
    async with store.read() as tx:
        return {
            table.name: sorted(map(repr, (await tx.execute(sa.select(table))).all()))
            for table in metadata.sorted_tables
        }


async def test_nothing_of_it_is_left(
    office: Office, other_office: Office, http: httpx.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "PAGE", 2)
    firm_id, other_id = (await office.firm()).id, (await other_office.firm()).id
    await fill(office, http)
    await fill(other_office, http)
    before, others = await rows_of(store, firm_id), await rows_of(store, other_id)
    empty = {name for name, rows in before.items() if not rows}
    assert empty <= {"calls"}, "a table is not tried"
    removed = await remove_firm(store, ME, office.name)
    assert set((await rows_of(store, firm_id)).values()) == {0}
    assert await rows_of(store, other_id) == others
    assert removed.rows["cases"] == 6
    assert removed.wiped
    with pytest.raises(FirmNotFound):
        await remove_firm(store, ME, office.name)


async def test_every_table_is_somebodys() -> None:
    """A table that is added is a firm's, or stands among those that are no firm's."""
    theirs = {table.name for table in (*removal.GROWING, *removal._LAST)}
    assert theirs == {table.name for table in metadata.sorted_tables} - NOT_OF_FIRMS


async def test_its_keys_are_refused_at_once_and_all_the_way(
    api: Api, office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.add(1)
    assert (await api.get("GetCaseInfo", CaseID=1)).status_code == 200
    remove_page, seen = removal.remove_page, []

    async def looked_at(*arguments: Any, **more: Any) -> Any:
        if not seen:
            seen.append(await api.get("GetCaseInfo", CaseID=1))
        return await remove_page(*arguments, **more)

    if store.dialect.name == "postgresql":  # SQLite's one writer would wait for itself
        monkeypatch.setattr(removal, "remove_page", looked_at)
    await remove_firm(store, ME, office.name)
    for reply in seen:
        assert_problem(reply, 401, "KeyRevoked")
    assert_problem(await api.get("GetCaseInfo", CaseID=1), 401, "KeyUnknown")


async def test_the_next_firm_is_not_taken_for_it(api: Api, office: Office, store: Store) -> None:
    """SQLite gives it the same number: a server that knew the first must not show its names to the second."""
    assert (await api.http.get("/v1/firm", headers={"X-ApiKey": api.key})).json()["Name"] == office.name
    version = (await office.firm()).version
    await remove_firm(store, ME, office.name)
    for _ in range(3):
        after = await make_office(store, "The next one", "UTC")
        assert (await after.firm()).version > version + 5
        shown = (await api.http.get("/v1/firm", headers={"X-ApiKey": after.key})).json()
        assert (shown["Name"], shown["TimeZone"]) == ("The next one", "UTC")
        await remove_firm(store, ME, after.name)


async def test_what_comes_meanwhile_goes_too(office: Office, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await office.add(1)
    remove_rest, late = removal.remove_rest, []

    async def later(tx: Any, firm_id: int) -> bool:
        if not late:
            late.append(firm_id)
            row = {"firm_id": firm_id, "case_id": 9, "case_status": "", "case_group": "", "case_group_folded": ""}
            await tx.execute(cases.insert(), {**row, "closed": False, "zip_code": "", "plaintiff": "", "phones": []})
        return await remove_rest(tx, firm_id)

    monkeypatch.setattr(removal, "remove_rest", later)
    await remove_firm(store, ME, office.name)
    assert set((await rows_of(store, late[0])).values()) == {0}


async def test_killed_at_any_moment_it_is_made_whole(
    office: Office, other_office: Office, http: httpx.AsyncClient, store: Store
) -> None:
    """The process that deletes is killed after each of its first transactions; the firm stays until the last."""
    await fill(office, http)
    firm_id, others = (await office.firm()).id, await rows_of(store, (await other_office.firm()).id)
    for transactions in (1, 2, 4, 7):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _DYING, store.url, str(transactions))
        assert await process.wait() == -signal.SIGKILL
        assert (await rows_of(store, firm_id))["firms"] == 1
        async with store.read() as tx:
            assert not (
                await tx.execute(sa.select(keys.c.id).where(keys.c.firm_id == firm_id, keys.c.revoked_at.is_(None)))
            ).all()
    await remove_firm(store, ME, office.name)
    assert set((await rows_of(store, firm_id)).values()) == {0}
    assert await rows_of(store, (await other_office.firm()).id) == others


_DYING = """
import asyncio, os, signal, sys
from casedial.domain.actors import operator
from casedial.service.operations.removal import remove_firm
from casedial.database.engine import Store

async def main():
    store, left = Store(sys.argv[1]), int(sys.argv[2])
    transact = store.transact

    async def mortal(*arguments, **more):
        global left
        done = await transact(*arguments, **more)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    globals()["left"] = left
    store.transact = mortal
    await remove_firm(store, operator("somebody"), "Lex & Partners")

asyncio.run(main())
"""


async def test_what_was_refused_for_it_is_kept_no_more(office: Office, other_office: Office, store: Store) -> None:
    """A server writes refused reports a moment later: those of a firm that is gone are dropped, others are kept."""
    gone, stays = (await office.firm()).id, (await other_office.firm()).id
    await remove_firm(store, ME, office.name)
    late, other = refusals(gone), refusals(stays)
    async with store.write() as tx:
        await refused.keep(tx, late, NOW)
        await refused.keep(tx, Refused({**late.last, **other.last}, {**late.counts, **other.counts}), NOW)
    assert (await rows_of(store, stays))["refused_reports"] == 1
    assert (await rows_of(store, gone))["refused_reports"] == 0


async def test_a_renamed_firm_is_the_same(api: Api, office: Office, other_office: Office, store: Store) -> None:
    await office.add(1)
    async with store.write() as tx:
        await rename_firm(tx, await open_firm(tx, office.name, lock=True), "  Lex, Partners & Co ")
    assert (await api.http.get("/v1/firm", headers={"X-ApiKey": api.key})).json()["Name"] == "Lex, Partners & Co"
    assert (await api.get("GetCaseInfo", CaseID=1)).status_code == 200
