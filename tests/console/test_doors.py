"""The doors: passwords, sessions, second factors, links, and those who try to get past."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import argon2
import pyotp
import pytest
import sqlalchemy as sa

from casedial.database import tables
from casedial.domain.errors import InvalidSetting, LinkOver, RateLimited, RoleNotAllowed, TooBusy
from casedial.domain.firms import Firm
from casedial.domain.users import UserRole
from casedial.service import users as steps
from casedial.service.campaigns import CampaignChange
from casedial.service.firms import FirmChange
from casedial.service.keys import LimitChange
from casedial.service.looks import note_look
from casedial.service.operations import campaigns, cases, firms, keys, signing_in, users
from casedial.service.operations.signing_in import MOST_OF_NAME, Browser
from tests.conftest import DATABASES, ME
from tests.console.conftest import FIRM, PASSWORD, REAL_HASHER, Doors, Tab
from tests.sampling import LONG, dice
from tests.statements import listening

HERE = Browser("192.0.2.1", "a test")
AT_ONCE = 200  # tries; the first of them are wrong, whichever is counted first


async def change_rows(doors: Doors, table: sa.Table, **values: Any) -> None:
    async with doors.store.write() as tx:
        await tx.execute(table.update().values(**values))


async def is_in(tab: Tab) -> bool:
    return (await tab.get("/account")).status_code == 200


# Passwords.


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "password1234",
        "Passw0rd2026!",
        "123456789012",
        "aaaaaaaaaaaa",
        "qwertyqwerty",
        "ana castillo",
        "2026-11-28 15:00",
    ],
)
def test_passwords_that_are_tried_first_are_refused(password: str) -> None:
    with pytest.raises(InvalidSetting):
        steps.checked_password(password, "Ana Castillo")


@pytest.mark.parametrize("password", [PASSWORD, "Tr0ub4dor&3-xkcd", "grüne Äpfel im Mai"])
def test_others_are_not(password: str) -> None:
    assert steps.checked_password(password, "Ana Castillo") == password


def test_in_production_a_password_costs_much() -> None:
    assert REAL_HASHER.type is argon2.Type.ID
    assert REAL_HASHER.memory_cost >= 64 * 1024
    assert REAL_HASHER.time_cost >= 3


async def test_nobody_learns_who_has_an_account(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same page, after as much work: one password is looked at, whoever is asked for."""
    looked = list[str]()

    class Counting(argon2.PasswordHasher):
        def verify(self, hash: Any, password: Any) -> Any:
            looked.append(str(hash)[:20])
            return super().verify(hash, password)

    monkeypatch.setattr(steps, "hasher", Counting(time_cost=1, memory_cost=8, parallelism=1))
    await doors.user(UserRole.VIEWER, name="there")
    await doors.user(UserRole.VIEWER, name="disabled")
    await users.disable(doors.store, ME, "disabled")
    await users.add(doors.store, ME, "without", doors.office.name, UserRole.VIEWER)
    replies = []
    for name in ("there", "disabled", "without", "nobody"):
        looked.clear()
        tab = doors.tab()
        token = await tab.token("/sign-in")
        with listening() as statements:
            reply = await tab.post("/sign-in", token=token, name=name, password="wrong, and long enough")
        replies.append(
            (reply.status_code, reply.text.replace(name, "").replace(token, ""), len(looked), len(statements))
        )
    assert len(set(replies)) == 1, [(status, n, m) for status, _, n, m in replies]
    assert replies[0][0] == 422
    assert replies[0][2] == 1


async def test_ten_thousand_tries(doors: Doors, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """From a thousand addresses, at fifty names, of which one is there; later tries have its password.

    Which of the databases gets a fifth of them, another day is another.
    """
    tries = 10_000 if LONG or database == dice("tries").choice(DATABASES) else 2_000
    await doors.user(UserRole.ADMINISTRATOR, name="Ana")
    became: Counter[str] = Counter()

    async def guess(number: int) -> None:
        name = "Ana" if number % 2 else f"nobody {number % 49}"
        password = PASSWORD if number >= AT_ONCE else f"wrong password {number}"
        where = Browser(f"198.51.{number % 8}.{number % 250}")
        try:
            found = await signing_in.sign_in(doors.store, name, password, where)
            became["in" if found else "wrong"] += 1
        except RateLimited:
            became["refused: too many"] += 1
        except TooBusy:
            became["refused: too busy"] += 1

    for start in range(0, tries, AT_ONCE):
        await asyncio.gather(*(guess(number) for number in range(start, start + AT_ONCE)))
    assert became["in"] == 0
    assert sum(became.values()) == tries
    assert became["wrong"] <= 50 * MOST_OF_NAME
    with capsys.disabled():
        print(f"\n{tries:,} sign-in tries: {dict(became)}")


async def test_one_address_at_many_names(doors: Doors) -> None:
    tab = doors.tab("203.0.113.9")
    token, found = await tab.token("/sign-in"), Counter[int]()
    for number in range(60):
        reply = await tab.post("/sign-in", token=token, name=f"name {number}", password="wrong password")
        found[reply.status_code] += 1
    assert found == {422: signing_in.MOST_OF_ADDRESS, 429: 60 - signing_in.MOST_OF_ADDRESS}
    assert reply.headers["retry-after"] == "900"


async def test_who_tries_elsewhere_keeps_nobody_out_who_is_there(doors: Doors) -> None:
    first = await doors.signed_in(UserRole.VIEWER, name="Ana")
    for number in range(MOST_OF_NAME + 1):
        with pytest.raises(RateLimited) if number == MOST_OF_NAME else nullcontext():
            await signing_in.sign_in(doors.store, "ana", "wrong password", Browser("203.0.113.77"))
    assert await is_in(first)
    again = doors.tab("192.0.2.1")
    await doors.sign_in(again, "Ana")


# Sessions.


async def test_a_planted_session_is_not_the_one_that_is_signed_in(doors: Doors) -> None:
    planted = steps.new_token()
    tab = doors.tab()
    tab.http.cookies.set("casedial", planted, domain="casedial.test", path="/")
    name = await doors.user(UserRole.VIEWER)
    await doors.sign_in(tab, name)
    assert await is_in(tab)
    token = next(cookie.value for cookie in tab.http.cookies.jar if cookie.name == "casedial")
    assert token != planted
    attacker = doors.tab()
    attacker.http.cookies.set("casedial", planted, domain="casedial.test", path="/")
    assert not await is_in(attacker)
    async with doors.store.read() as tx:
        stored = {bytes(row.digest) for row in await tx.execute(sa.select(tables.sessions.c.digest))}
    assert stored == {steps.digest(token or "")}  # and the token itself is stored nowhere


async def test_signing_in_again_ends_the_session_of_before(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    old = dict(tab.http.cookies)
    await tab.post("/sign-in", name=tab.name, password=PASSWORD)
    stolen = doors.tab()
    for name, value in old.items():
        stolen.http.cookies.set(name, value, domain="casedial.test", path="/")
    assert await is_in(tab)
    assert not await is_in(stolen)


@pytest.mark.parametrize(
    ("values", "goes_on"),
    [
        ({"used_at": timedelta(hours=11, minutes=55)}, True),
        ({"used_at": timedelta(hours=12)}, False),
        ({"made_at": timedelta(days=6, hours=23)}, True),
        ({"made_at": timedelta(days=7)}, False),
    ],
)
async def test_sessions_end(doors: Doors, values: dict[str, timedelta], goes_on: bool) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    now = datetime.now(UTC)
    await change_rows(doors, tables.sessions, **{name: now - span for name, span in values.items()})
    assert await is_in(tab) is goes_on
    await signing_in.forget(doors.store, now + timedelta(minutes=1))


async def test_a_part_that_stays_fresh_is_no_use_of_the_session(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    then = datetime.now(UTC) - timedelta(hours=1)
    await change_rows(doors, tables.sessions, used_at=then)
    live = [route for route in doors.routes if route.live and route.path.count("{") == 1]
    for route in live:
        assert (await tab.get(route.path.replace("{firm}", FIRM))).status_code == 200
    async with doors.store.read() as tx:
        assert (await tx.execute(sa.select(tables.sessions.c.used_at))).scalar_one() == then
    await tab.get("/account")
    async with doors.store.read() as tx:
        assert (await tx.execute(sa.select(tables.sessions.c.used_at))).scalar_one() > then


async def test_what_ends_all_sessions(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER, name="Ana")
    await tab.post("/sign-out")
    assert not await is_in(tab)
    await doors.sign_in(tab, "Ana")
    await users.disable(doors.store, ME, "Ana")
    assert not await is_in(tab)
    await users.disable(doors.store, ME, "Ana", disabled=False)
    assert not await is_in(tab)
    await doors.sign_in(tab, "Ana")
    linked = await users.reset(doors.store, ME, "Ana")
    assert await is_in(tab)  # until the link is used
    await signing_in.use_link(doors.store, linked.token, "other words nobody expects", HERE)
    assert not await is_in(tab)


async def test_sessions_are_listed_and_ended(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER, name="Ana")
    other = doors.tab("198.51.100.4")
    await doors.sign_in(other, "Ana")
    assert "198.51.100.4" in (await tab.get("/account")).text
    await tab.post("/account/sessions/end")
    assert await is_in(tab)
    assert not await is_in(other)


async def test_a_visitor_writes_nothing(doors: Doors) -> None:
    with listening() as statements:
        for path in ("", "/sign-in", "/account", f"/{FIRM}/", "/users", "/nowhere", "/password/x", "/factor"):
            await doors.tab().get(path)
        tab = doors.tab()
        tab.http.cookies.set("casedial", steps.new_token(), domain="casedial.test", path="/")
        await tab.get("/account")
    assert statements
    assert [one for one in statements if not one.lstrip().upper().startswith("SELECT")] == []


# Links by which a password is set.


async def test_a_link_works_once_and_an_hour(doors: Doors) -> None:
    linked = await users.add(doors.store, ME, "Ana", doors.office.name, UserRole.VIEWER)
    tab, path = doors.tab(), f"/password/{linked.token}"
    assert "Ana" in (await tab.get(path)).text
    differs = await tab.post(path, page=path, password=PASSWORD, again="another one, longer")
    assert differs.status_code == 422
    short = await tab.post(path, page=path, password="short", again="short")
    assert short.status_code == 422
    assert (await tab.post(path, page=path, password=PASSWORD, again=PASSWORD)).status_code == 303
    assert (await tab.get(path)).status_code == 422
    await doors.sign_in(tab, "Ana")
    over = await users.reset(doors.store, ME, "Ana")
    await change_rows(doors, tables.users, link_until=datetime.now(UTC))
    with pytest.raises(LinkOver):
        await signing_in.use_link(doors.store, over.token, "other words nobody expects", HERE)


async def test_a_link_is_for_one_of_two_who_use_it_at_a_time(doors: Doors) -> None:
    linked = await users.add(doors.store, ME, "Ana", doors.office.name, UserRole.VIEWER)
    tries = [signing_in.use_link(doors.store, linked.token, f"{PASSWORD} {n}", HERE) for n in range(5)]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(one, Exception) for one in done) == 1


# The second factor.


async def add_factor(tab: Tab) -> tuple[pyotp.TOTP, str, list[str]]:
    """Set up a second factor; return it, the code by which that was done, and those for recovery."""
    assert (await tab.post("/account/factor", password="not the password")).status_code == 422
    assert (await tab.post("/account/factor", password=PASSWORD)).status_code == 303
    shown = await tab.get("/account")
    secret = re.search(r'<code class="long">([A-Z2-7]{32})</code>', shown.text)
    assert secret
    picture = await tab.get("/account/factor.svg")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    assert "style=" not in picture.text
    totp = pyotp.TOTP(secret[1])
    assert (await tab.post("/account/factor/confirm", code="000000")).status_code == 422
    code = totp.now()
    confirmed = await tab.post("/account/factor/confirm", code=code)
    assert confirmed.status_code == 200
    return totp, code, re.findall(r"<li><code>([0-9a-f-]{19})</code></li>", confirmed.text)


async def test_the_second_factor(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER, name="Ana")
    totp, code, codes = await add_factor(tab)
    assert len(set(codes)) == 10
    assert codes[0] not in (await tab.get("/account")).text

    other = doors.tab()
    assert (await doors.sign_in(other, "Ana")).headers["location"] == "/console/factor"
    assert not await is_in(other)
    assert (await other.get(f"/{FIRM}/")).headers["location"].startswith("/console/factor?next=")
    used = await other.post("/factor", page="/factor", code=code)
    assert used.status_code == 422  # by which it was set up: each code is good once
    await change_rows(doors, tables.users, factor_step=None)
    halfway = dict(other.http.cookies)
    assert (await other.post("/factor", page="/factor", code=f" {totp.now()} ")).status_code == 303
    assert await is_in(other)
    assert dict(other.http.cookies) != halfway  # rotated

    for code, status in ((codes[3].upper().replace("-", " "), 303), (codes[3], 422)):
        third = doors.tab()
        await doors.sign_in(third, "Ana")
        assert (await third.post("/factor", page="/factor", code=code)).status_code == status
    await users.remove_factor(doors.store, ME, "Ana")
    assert (await doors.sign_in(doors.tab(), "Ana")).headers["location"] == "/console"


async def test_codes_cannot_be_tried(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER, name="Ana")
    totp, *_ = await add_factor(tab)
    other = doors.tab("203.0.113.5")
    await doors.sign_in(other, "Ana")
    token, found = await other.token("/factor"), Counter[int]()
    wrong = [code for code in map("{:06}".format, range(30)) if not totp.verify(code, valid_window=9)]
    for code in wrong[:20]:
        found[(await other.post("/factor", token=token, code=code)).status_code] += 1
    assert found == {422: MOST_OF_NAME, 429: 20 - MOST_OF_NAME}


async def test_a_firm_may_demand_it(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER, name="Ana")
    await firms.change(doors.store, ME, doors.office.name, FirmChange(second_factor=True))
    assert (await tab.get(f"/{FIRM}/")).headers["location"] == "/console/account"
    assert "Your firm asks" in (await tab.get("/account")).text
    await add_factor(tab)
    assert (await tab.get(f"/{FIRM}/")).status_code == 200


# One's own account, and others'.


async def test_changing_ones_password_takes_the_old_one(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER, name="Ana")
    other = doors.tab()
    await doors.sign_in(other, "Ana")
    new = "other words nobody expects"
    assert (await tab.post("/account/password", old="wrong", new=new, again=new)).status_code == 422
    assert (await tab.post("/account/password", old=PASSWORD, new=new, again=new)).status_code == 303
    assert await is_in(tab)
    assert not await is_in(other)
    await doors.sign_in(doors.tab(), "Ana", new)


async def test_an_administrator_keeps_users(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR, name="Boss")
    added = await tab.post("/users/add", name="Ana", firm=FIRM, role="viewer")
    assert "/console/password/" in added.text
    found = {one.user.name: one.user.id for one in await users.every(doors.store, ME)}
    ana, boss = f"/users/{found['Ana']}", f"/users/{found['Boss']}"
    assert (await tab.post(f"{ana}/role", firm=FIRM, role="manager")).status_code == 303
    assert "/console/password/" in (await tab.post(f"{ana}/link")).text
    assert (await tab.post(f"{ana}/disable")).status_code == 303
    assert "disabled" in (await tab.get(ana)).text
    assert (await tab.post(f"{ana}/disable", undo="yes")).status_code == 303
    assert (await tab.post(f"{boss}/role", firm=FIRM, role="viewer")).status_code == 403  # their own
    assert (await tab.post(f"{boss}/disable")).status_code == 403
    assert (await tab.post(f"{ana}/role", firm=FIRM, role="none")).status_code == 303
    assert (await tab.get(ana)).status_code == 404
    async with doors.store.read() as tx:
        written = list((await tx.execute(sa.select(tables.audit.c.action, tables.audit.c.actor_kind))).all())
    by_user = [action for action, kind in written if kind == 2 and action != "account.password"]
    assert by_user == ["user.add", "user.role", "user.reset", "user.disable", "user.enable", "user.role"]


async def test_who_works_elsewhere_too_is_not_an_administrators_to_let_in(doors: Doors) -> None:
    """A link gives all that its user may do, in the other firm, too."""
    tab = await doors.signed_in(UserRole.ADMINISTRATOR, "Other & Sons", "theirs")
    await doors.user(UserRole.ADMINISTRATOR, name="Ana")
    await users.set_role(doors.store, ME, "Ana", "Other & Sons", UserRole.VIEWER)
    ana = next(one.user.id for one in await users.every(doors.store, ME) if one.user.name == "Ana")
    assert (await tab.get(f"/users/{ana}")).status_code == 200
    for what in ("link", "factor", "disable"):
        assert (await tab.post(f"/users/{ana}/{what}")).status_code == 403
    assert (await tab.post(f"/users/{ana}/role", firm=FIRM, role="viewer")).status_code == 404


async def test_service_proves_the_role_again(doors: Doors) -> None:
    """Whatever a page let through: an operation of a viewer, or of another firm's administrator, changes nothing."""
    store, name = doors.store, doors.office.name
    await doors.office.add(1)
    viewer = await doors.actor(UserRole.VIEWER)
    manager = await doors.actor(UserRole.MANAGER)
    stranger = await doors.actor(UserRole.ADMINISTRATOR, "Other & Sons")

    def limits(_: Firm) -> Any:
        return LimitChange()

    async def add_note(actor: Any) -> None:
        await cases.add_note(store, actor, name, 1, "A note.")

    async def pause(actor: Any) -> None:
        await campaigns.change(store, actor, name, "Intake follow-up", CampaignChange(paused=True))

    async def add_key(actor: Any) -> None:
        await keys.add(store, actor, name, "Eve", limits)

    for work, least in ((add_note, UserRole.MANAGER), (pause, UserRole.MANAGER), (add_key, UserRole.ADMINISTRATOR)):
        for actor, role in ((viewer, UserRole.VIEWER), (manager, UserRole.MANAGER), (stranger, None)):
            if role and role >= least:
                await work(actor)
                continue
            with pytest.raises(RoleNotAllowed):
                await work(actor)
    assert len(await doors.office.notes(1)) == 1
    await users.disable(store, ME, manager.name)
    with pytest.raises(RoleNotAllowed):
        await add_note(manager)


async def test_looks_at_a_case_are_noted_once_an_hour(doors: Doors) -> None:
    viewer, firm = await doors.actor(UserRole.VIEWER), await doors.office.firm()
    now = datetime.now(UTC)
    for minutes in (0, 1, 59, 61, 62):
        at = now + timedelta(minutes=minutes)
        await doors.store.transact(lambda tx, at=at: note_look(tx, viewer, firm.id, 7, at))  # type: ignore[misc]
    await doors.store.transact(lambda tx: note_look(tx, ME, firm.id, 7, now))
    async with doors.store.read() as tx:
        found = sa.select(tables.audit.c.subject).where(tables.audit.c.action == "case.view")
        assert list((await tx.execute(found)).scalars()) == ["case 7", "case 7"]
