"""Pages: what every reply has, and what who is not signed in sees."""

from __future__ import annotations

import pytest

from casedial.domain.users import UserRole
from tests.console.conftest import FIRM, OTHER_FIRM, Doors


async def test_who_is_signed_in_sees_the_firm(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    shown = await tab.get(f"/{FIRM}/")
    assert shown.status_code == 200
    assert "Lex &amp; Partners" in shown.text
    assert (await tab.get(f"/{OTHER_FIRM}/")).status_code == 404
    assert (await tab.get("/nobodys-firm/")).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [("/sign-in", 200), ("", 303), ("/account", 303), (f"/{FIRM}/", 303), ("/nowhere/at/all", 404), ("/sign-out", 405)],
)
async def test_every_reply_has_its_headers(doors: Doors, path: str, status: int) -> None:
    reply = await doors.tab().get(path)
    assert reply.status_code == status
    assert reply.headers["content-security-policy"].startswith("default-src 'none';")
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-request-id"]


async def test_a_role_that_is_not_enough_is_told_so(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.MANAGER)
    assert (await tab.get("/users")).status_code == 403
    refused = await tab.post("/users/add", name="Eve", firm=FIRM, role="administrator")
    assert refused.status_code == 403
    administrator = await doors.signed_in(UserRole.ADMINISTRATOR)
    shown = await administrator.get("/users")
    assert tab.name in shown.text
    assert "Eve" not in shown.text


async def test_bad_input_gets_the_form_again(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    again = await tab.post("/users/add", name="casedial", firm=FIRM, role="viewer")
    assert again.status_code == 422
    assert 'value="casedial" aria-describedby="name-wrong name-hint" aria-invalid="true" autofocus' in again.text
