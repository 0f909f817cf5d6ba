"""casedial user: the first administrator, roles, links, who has left."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from casedial.database.engine import Store
from casedial.domain.users import UserRole
from casedial.service.operations import signing_in, users
from casedial.service.operations.signing_in import Browser
from tests.cli.test_commands import Casedial
from tests.conftest import ME, Office

FIRM = ("--firm", "Lex & Partners")
PASSWORD = "four words that nobody expects"


async def run(command: Any, *given: object, **how: Any) -> Any:
    return await asyncio.to_thread(command, *given, **how)


async def test_users_by_command(casedial: Casedial, office: Office, store: Store) -> None:
    said = (await run(casedial.run, "user", "add", "Ana", *FIRM, "--role", "administrator")).stdout
    link = re.search(r"^http://127\.0\.0\.1:8000/console/password/([\w-]{43})$", said, re.MULTILINE)
    assert link
    assert (await run(casedial.json, "user", "add", " ANA ", *FIRM, status=1))["error"]["code"] == "UserExists"
    assert (await run(casedial.json, "user", "add", "casedial", *FIRM, status=1))["error"]["code"] == "InvalidSetting"
    assert (await run(casedial.json, "user", "role", "Bob", "viewer", *FIRM, status=1))["error"][
        "code"
    ] == "UserNotFound"
    assert "'boss' is not one of viewer, manager, administrator" in await run(
        casedial.wrong, "user", "role", "Ana", "boss", *FIRM
    )
    assert "needs a role" in await run(casedial.wrong, "user", "add", "Bob", *FIRM, "--role", "none")

    [row] = await run(casedial.json, "user", "list")
    assert (row["name"], row["state"], row["roles"]) == ("Ana", "no password yet", {office.name: "administrator"})
    await signing_in.use_link(store, link[1], PASSWORD, Browser("127.0.0.1"))
    assert "active" in (await run(casedial.run, "user", "list", *FIRM)).stdout

    assert (
        await run(casedial.run, "user", "role", "ana", "viewer", *FIRM)
    ).stdout == "Ana is viewer of Lex & Partners from now on.\n"
    signed_in = await signing_in.sign_in(store, "Ana", PASSWORD, Browser("127.0.0.1"))
    assert signed_in
    session = await signing_in.session_of(store, signed_in.token, store.now())
    assert session
    assert session.highest is UserRole.VIEWER

    again = await run(casedial.json, "user", "reset", "Ana")
    assert again["link"].endswith(again["path"])
    assert (await run(casedial.json, "user", "reset", "Ana", "--second-factor")) == {
        "name": "Ana",
        "second_factor": False,
    }
    assert (await run(casedial.json, "user", "disable", "Ana")) == {"name": "Ana", "disabled": True}
    assert await signing_in.sign_in(store, "Ana", PASSWORD, Browser("127.0.0.1")) is None
    await run(casedial.run, "user", "disable", "Ana", "--undo")
    assert await signing_in.sign_in(store, "Ana", PASSWORD, Browser("127.0.0.1"))

    audit = await run(casedial.json, "audit", "list")
    actions = [entry["action"] for entry in audit["entries"] if entry["action"].startswith("user.")]
    assert actions == ["user.add", "user.role", "user.reset", "user.factor.remove", "user.disable", "user.enable"]
    assert PASSWORD not in json.dumps(audit)


async def test_a_firm_that_demands_a_second_factor(casedial: Casedial, office: Office) -> None:
    assert (await run(casedial.json, "firm", "set", office.name, "--second-factor"))["second_factor"] is True
    assert (await run(casedial.json, "firm", "set", office.name, "--no-second-factor"))["second_factor"] is False


async def test_what_addresses_call_a_firm(casedial: Casedial, store: Store) -> None:
    """Letters, digits and hyphens of its name; a number behind one that is taken; none of the console's own."""
    names = ("Lex & Partners", "LEX Partners!", "O'Brien, Müller", "Users", "Firm 12", "Łącki", "日本")
    for name in names:
        await run(casedial.run, "firm", "add", name, "--time-zone", "UTC")
        await run(casedial.run, "user", "add", f"of {name}", "--firm", name)

    found = {one.seats[0].firm_name: one.seats[0].slug for one in await users.every(store, ME)}
    assert [found[name] for name in names] == [
        *("lex-partners", "lex-partners-2", "obrien-m-ller", "firm-4", "firm-5", "cki", "firm-7")
    ]
