"""What an attacker would try beside the doors: markup in names, redirects elsewhere, bodies without end."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from casedial.console import forms
from casedial.console.forms import MAX_UPLOAD_BYTES, Fields
from casedial.domain.cases import Phone
from casedial.domain.errors import BodyTooLarge, MalformedDocument
from casedial.domain.statuses import StatusType
from casedial.domain.users import UserRole
from casedial.service.operations import firms, statuses, users
from casedial.settings import Settings
from casedial.web.app import create_app
from tests.conftest import ME
from tests.console.conftest import HOST, PASSWORD, Doors
from tests.console.test_matrix import TABLE, path_of

MARKUP = "\"'><script>alert(1)</script>{{ 7*7 }}<img src=x onerror=alert(2)>"


async def test_stored_markup_is_text_on_every_page(doors: Doors) -> None:
    """In the names of a firm, a user, a status, a group, a plaintiff, a phone, and in what a browser calls itself."""
    await firms.rename(doors.store, ME, doors.office.name, f"Lex {MARKUP}")
    doors.office.name = f"Lex {MARKUP}"
    await statuses.add(doors.store, ME, doors.office.name, StatusType.CAMPAIGN, MARKUP)
    names = {"plaintiff": MARKUP, "case_group": MARKUP, "case_status": MARKUP, "zip_code": MARKUP}
    await doors.office.add(1, campaign=MARKUP, phones=(Phone(MARKUP, "4025550001", True, True),), **names)
    tab = doors.tab()
    tab.http.headers["User-Agent"] = MARKUP
    tab.name = await doors.user(UserRole.ADMINISTRATOR, name=MARKUP)
    await doors.sign_in(tab, tab.name)
    for route in TABLE.routes:
        if route.verb != "GET":
            continue
        shown = await tab.get(path_of(route), params={"q": MARKUP, "next": MARKUP, "name": MARKUP})
        assert shown.status_code < 500, route.path
        if "html" in shown.headers["content-type"]:
            assert "<script>alert" not in shown.text, route.path
            assert "<img src=x" not in shown.text, route.path
            assert "49" not in shown.text.replace("{{ 7*7 }}", "") or "7*7" in shown.text, route.path


async def test_typed_markup_is_text_where_the_form_comes_back(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.ADMINISTRATOR)
    token = await tab.token()
    for route in TABLE.routes:
        if route.verb == "POST" and route.path != "/sign-out":
            fields = dict.fromkeys(("name", "role", "firm", "zone", "theme", "code", "reason", "text", "note"), MARKUP)
            reply = await tab.post(path_of(route), token=token, **fields)
            assert reply.status_code < 500, route.path
            assert "<script>alert" not in reply.text, route.path


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/console/../../evil",
        "/console//evil.example",
        "/consoles",
        "/console/x\r\nSet-Cookie: a=b",
        "javascript:alert(1)",
        "/console@evil.example",
    ],
)
async def test_a_redirect_stays_inside(doors: Doors, target: str) -> None:
    tab = doors.tab()
    name = await doors.user(UserRole.VIEWER)
    path = f"/sign-in?next={quote(target, safe='')}"
    reply = await tab.post(path, page="/sign-in", name=name, password=PASSWORD)
    assert reply.status_code == 303
    to = reply.headers["location"]
    assert re.fullmatch(r"/console(/[\w.~%=?&-]+)*/?", to), to
    assert ".." not in to
    assert "set-cookie: a" not in str(reply.headers).lower()


async def test_what_a_page_says_is_not_taken_from_the_address(doors: Doors) -> None:
    tab = await doors.signed_in(UserRole.VIEWER)
    assert "Call 555" not in (await tab.get("/account?said=Call+555")).text


def receiving(parts: Any) -> Any:
    """An ASGI ``receive`` of a body in parts."""
    iterator = iter(parts)

    async def receive() -> dict[str, Any]:
        part = next(iterator, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    return receive


def endless(first: bytes = b"") -> Any:
    yield first
    while True:
        yield b"x" * 65536


HEAD = b'--b\r\nContent-Disposition: form-data; name="token"\r\n\r\ngood\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
MULTIPART = "multipart/form-data; boundary=b"


def admit(fields: Fields) -> None:
    if fields.text("token") != "good":
        raise PermissionError


async def test_an_upload_without_end_is_cut_off_and_never_in_memory() -> None:
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        await forms.read(receiving(endless(HEAD + FILE)), MULTIPART, True, admit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MAX_UPLOAD_BYTES / 8


async def test_a_file_without_a_token_before_it_is_not_read() -> None:
    read = 0

    def counted() -> Any:
        nonlocal read
        for part in endless(FILE):
            read += len(part)
            yield part

    with pytest.raises(PermissionError):
        await forms.read(receiving(counted()), MULTIPART, True, admit)
    assert read < 100_000


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a=1&" * 20_001, "application/x-www-form-urlencoded"),
        (b"a=%00", "application/x-www-form-urlencoded"),
        (b"a=%ff", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (HEAD, MULTIPART),  # ends before its time
        (b"rubbish", MULTIPART),
        (HEAD * 300 + b"--b--", MULTIPART),
        (HEAD + b"--b--", "multipart/form-data"),
        (HEAD.replace(b"good", b"\xff") + b"--b--", MULTIPART),
    ],
)
async def test_forms_that_cannot_be_read_are_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(MalformedDocument):
        await forms.read(receiving([body]), content_type, True, admit)


async def test_a_form_with_a_file(doors: Doors) -> None:
    body = HEAD + FILE + b"CaseID\r\n1\r\n" + b"--b--\r\n"
    for parts in ([body], [bytes([byte]) for byte in body]):
        sent = await forms.read(receiving(parts), MULTIPART, True, admit)
        assert sent.files["file"].name == "a.csv"
        assert sent.files["file"].file.read() == b"CaseID\r\n1"
        sent.close()


async def test_a_large_body_is_refused(doors: Doors) -> None:
    tab = doors.tab()
    reply = await tab.post("/sign-in", page="/sign-in", name="x" * 2_000_000)
    assert reply.status_code == 413
    assert reply.headers["connection"] == "close"
    assert "1 MiB" in reply.text


async def test_off_is_off(database_url: str) -> None:
    app = create_app(Settings(database_url=database_url, log_level="error", console="off"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HOST) as http:
        for path in ("/console", "/console/sign-in"):
            assert (await http.get(path)).json()["code"] == "PathNotFound"
    await app.close()


async def test_cookies_are_as_they_should_be(doors: Doors) -> None:
    plain = (await doors.tab().get("/sign-in")).headers["set-cookie"]
    assert re.fullmatch(r"casedial=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax", plain)
    transport = httpx.ASGITransport(app=doors.app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="https://casedial.test") as http:
        safe = (await http.get("/console/sign-in")).headers["set-cookie"]
    assert re.fullmatch(r"__Host-casedial=[\w-]{43}; Path=/; HttpOnly; SameSite=Lax; Secure", safe)


async def test_static_files_are_kept_by_what_is_in_them(doors: Doors) -> None:
    tab = doors.tab()
    shown = await tab.get("/sign-in")
    for address in re.findall(r'(?:href|src)="/console(/static/[^"]+)"', shown.text):
        reply = await tab.get(address)
        assert reply.status_code == 200
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await tab.get(re.sub("[0-9a-f]{12}", "0" * 12, address))).status_code == 404
    assert "<style" not in shown.text
    assert " style=" not in shown.text
    assert len(re.findall("<script", shown.text)) == 1


async def test_users_are_made_by_nobody_else(doors: Doors) -> None:
    assert await users.every(doors.store, ME) == []
