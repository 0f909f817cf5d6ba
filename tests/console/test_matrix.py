"""Who gets in where: every route, by every role, of the firm and of another one; who is refused has written nothing."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from casedial.console.routes import TABLE
from casedial.console.routing import Door, Route
from casedial.database.tables import audit, metadata
from casedial.domain.users import UserRole
from casedial.service.users import new_factor_secret
from casedial.storage import users
from tests.console.conftest import FIRM, Doors, Tab

WHO = ("nobody", "halfway", "viewer", "manager", "administrator", "other firm's administrator")
_VALUES = {"firm": FIRM, "case_id": "1"}


def path_of(route: Route, firm: str = FIRM) -> str:
    return re.sub(r"{(\w+)}", lambda found: {**_VALUES, "firm": firm}.get(found[1], "1"), route.path)


async def rows(doors: Doors) -> dict[str, int]:
    """How many rows there are in each table, but for what only counts visits."""
    async with doors.store.read() as tx:
        counted = {}
        for table in metadata.sorted_tables:
            if table.name not in ("sign_in_tries", "sessions"):
                counted[table.name] = (await tx.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
    return counted


async def everybody(doors: Doors) -> dict[str, Tab]:
    tabs = {role.label: await doors.signed_in(role) for role in UserRole}
    tabs["nobody"] = doors.tab()
    tabs[WHO[-1]] = await doors.signed_in(UserRole.ADMINISTRATOR, "Other & Sons", "theirs")
    tabs["halfway"] = await halfway(doors)
    return tabs


async def halfway(doors: Doors) -> Tab:
    """A browser in which the password was right, and the second factor is missing."""
    tab = doors.tab()
    name = await doors.user(UserRole.ADMINISTRATOR, name="halfway")
    async with doors.store.write() as tx:
        user = await users.find(tx, name)
        assert user
        await users.change(tx, user.id, factor=new_factor_secret(), factor_is_set=True)
    assert (await doors.sign_in(tab, name)).headers["location"] == "/console/factor"
    return tab


def expected(route: Route, who: str) -> str:
    """What becomes of a visit: in, away (to sign in), forbidden, or nothing there."""
    if route.least is Door.OPEN:
        return "in"
    if who in ("nobody", "halfway"):
        return "away"
    if route.least is Door.SIGNED_IN:
        return "in"
    assert isinstance(route.least, UserRole)
    if who == WHO[-1]:
        return "nothing" if route.of_firm else "in"
    return "in" if UserRole[who.upper()] >= route.least else "forbidden"


def became(reply: httpx.Response) -> str:
    if reply.status_code == 303 and re.match("/console/(sign-in|factor)", reply.headers["location"]):
        return "away"
    if reply.status_code == 404 and "There is no such page." in reply.text:  # a page may miss what it is about
        return "nothing"
    return "forbidden" if "This page is for" in reply.text else "in"


async def ask(tab: Tab, route: Route, token: str) -> httpx.Response:
    path = path_of(route)
    if route.verb == "GET":
        return await tab.get(path)
    return await tab.post(path, token=token)


# What ends the session by which the others are tried.
LAST = ("/sign-out",)


async def test_every_role_at_every_door(doors: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    await doors.office.add(1)
    tabs, wrong, tried, refused = await everybody(doors), list[str](), 0, 0
    routes = [route for route in TABLE.routes if route.path not in LAST]
    for who, tab in tabs.items():
        token = await tab.token("/sign-in" if who == "nobody" else "/factor" if who == "halfway" else "/account")
        for route in routes:
            before, should = await rows(doors), expected(route, who)
            reply = await ask(tab, route, token)
            tried += 1
            found = became(reply)
            if route.least is Door.OPEN and should == "in":
                found = "in"  # it may well lead to the sign-in
            if found != should or reply.status_code >= 500:
                wrong.append(f"{who} {route.verb} {route.path}: {reply.status_code}, not {should}")
            if should != "in":
                refused += 1
                if await rows(doors) != before:
                    wrong.append(f"{who} {route.verb} {route.path}: wrote")
    assert wrong == []
    with capsys.disabled():
        print(f"\n{len(routes)} routes by {len(tabs)}: {tried} visits, {refused} refused, 0 got through")


async def test_no_form_without_a_token(doors: Doors) -> None:
    """None at all, one of another browser, and one of another session of the same user."""
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    other = await doors.signed_in(UserRole.ADMINISTRATOR)
    foreign = [None, "", "0" * 64, await other.token(), await doors.tab().token("/sign-in")]
    before = await rows(doors)
    for route in TABLE.routes:
        if route.verb == "GET":
            continue
        for token in foreign:
            reply = await tab.http.post(f"/console{path_of(route)}", data={} if token is None else {"token": token})
            assert reply.status_code == 403, f"{route.path} {token}"
            assert "no longer valid" in reply.text
    crossed = await tab.http.post(
        "/console/account/look", data={"token": await tab.token()}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert crossed.status_code == 403
    assert await rows(doors) == before


async def test_no_id_of_another_firm_gets_through(doors: Doors, capsys: pytest.CaptureFixture[str]) -> None:
    """An administrator of one firm names the other's things in every path and field: as if they were not there."""
    await doors.office.add(1)
    victim = await doors.user(UserRole.MANAGER, name="victim")
    tab = await doors.signed_in(UserRole.ADMINISTRATOR, "Other & Sons", "theirs")
    token, before, tried = await tab.token(), await rows(doors), 0
    fields: dict[str, Any] = {"firm": FIRM, "role": "administrator", "name": victim, "user_id": 1, "case_id": 1}
    for route in TABLE.routes:
        if route.least in Door or (route.verb == "GET" and "{" not in route.path):
            continue
        reply = (
            await tab.get(path_of(route))
            if route.verb == "GET"
            else await tab.post(path_of(route), token=token, **fields)
        )
        tried += 1
        assert reply.status_code == 404, f"{route.path}: {reply.status_code}"
        assert victim not in reply.text
        assert "Lex" not in reply.text
    assert await rows(doors) == before
    async with doors.store.read() as tx:
        written = (await tx.execute(sa.select(sa.func.count()).select_from(audit))).scalar_one()
    assert written == before["audit"]
    with capsys.disabled():
        print(f"\n{tried} requests with another firm's ids, 0 got through")
