"""Answer a request for a page: the door, the page, and the headers that every reply has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias, cast
from urllib.parse import quote

from litestar.types import HTTPScope, Receive, Send

from casedial.console import doors, forms
from casedial.console.answers import Answer, Download, Fragment, Page, Raw, Redirect
from casedial.console.doors import FormTooOld
from casedial.console.forms import FormErrors
from casedial.console.rendering import Renderer
from casedial.console.routes import TABLE
from casedial.console.routing import BASE, Door, Route
from casedial.console.visits import Visit
from casedial.database.engine import Store
from casedial.domain.errors import (
    CasedialError,
    Conflict,
    FirmNotFound,
    ImportNotFound,
    MethodNotAllowed,
    NotFound,
    OperatorError,
    PathNotFound,
    RateLimited,
    RequestError,
    RoleNotAllowed,
    StatusNotFound,
    StorageUnavailable,
    TooBusy,
    TooLarge,
    WebhookNotFound,
)
from casedial.domain.firms import Firm
from casedial.domain.users import Session, UserRole
from casedial.domain.webhooks import Post
from casedial.service.operations import callers, signing_in
from casedial.service.operations.signing_in import Browser

Headers: TypeAlias = list[tuple[bytes, bytes]]
Tell: TypeAlias = Callable[[Exception], None]

_STATUS: dict[type[CasedialError], int] = {
    RoleNotAllowed: 403,
    StatusNotFound: 422,  # a filter of a page that is there
    FirmNotFound: 404,
    ImportNotFound: 404,
    WebhookNotFound: 404,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    TooLarge: 413,
    RateLimited: 429,
    StorageUnavailable: 503,
    TooBusy: 503,
    OperatorError: 422,
    RequestError: 400,
}
_FRAGMENTS = 100  # that are kept for others who look on
_HTML = "text/html; charset=utf-8"
_NO_STORE = (b"cache-control", b"no-store")
_CLOSE = (b"connection", b"close")  # the rest of a form may be unread


@dataclass
class _Reply:
    status: int
    media_type: str
    body: bytes | AsyncIterator[bytes]
    headers: Headers


class Console:
    """The console of a server."""

    def __init__(self, store: Store, post: Post) -> None:
        self._store = store
        self._post_webhook = post
        self._renderer = Renderer(TABLE.has)
        self._firms: dict[int, tuple[int, Firm]] = {}
        self._fragments: dict[object, tuple[bytes, str]] = {}

    async def __call__(self, scope: HTTPScope, receive: Receive, send: Send, tell: Tell) -> None:
        """Answer a request; ``tell`` is told of what goes wrong."""
        visit, body = _visit(self._store, self._post_webhook, scope), forms.Body(receive)
        try:
            reply = await self._answer(scope, body, visit)
        except Exception as error:
            tell(error)
            reply = self._refuse(visit, error, scope)
        if scope["method"] == "POST":
            await body.discard(2 * forms.MAX_UPLOAD_BYTES if visit.session else forms.MAX_BYTES)
        await _send(send, reply)

    async def _answer(self, scope: HTTPScope, receive: Receive, visit: Visit) -> _Reply:
        route, visit.parameters, verbs = TABLE.find(scope["method"], visit.path)
        if not verbs and TABLE.find("GET", f"{visit.path}/")[0]:
            return self._reply(visit, Redirect(f"{visit.path}/"), "", scope)
        if not verbs:
            raise PathNotFound("There is no such page.")
        visit.query = forms.query(scope["query_string"])
        cookies = _header(scope, b"cookie")
        visit.session = await signing_in.session_of(self._store, visit.token, visit.now) if cookies else None
        if route is None:
            raise MethodNotAllowed(f"This address takes {' or '.join(verbs)} only.")
        if away := await self._enter(visit, route):
            reply = self._reply(visit, away, "", scope)
            if route.verb == "POST":
                reply.headers.append(_CLOSE)
            return reply
        if route.verb == "GET":
            return self._reply(visit, await route.handler(visit), doors.said_in(cookies), scope)
        return await self._post(scope, receive, visit, route)

    async def _post(self, scope: HTTPScope, receive: Receive, visit: Visit, route: Route) -> _Reply:
        if _header(scope, b"sec-fetch-site") in ("cross-site", "same-site"):
            raise FormTooOld

        def admit(fields: forms.Fields) -> None:
            doors.check_form(visit.token, fields.text(doors.FIELD))

        sent = await forms.read(receive, _header(scope, b"content-type"), route.takes_files, admit)
        visit.form, visit.files = sent.fields, sent.files
        try:
            return self._reply(visit, await route.handler(visit), "", scope)
        finally:
            sent.close()

    async def _enter(self, visit: Visit, route: Route) -> Redirect | None:
        """Let a visit in; return where it has to go first. Raises PathNotFound and RoleNotAllowed."""
        session = visit.session
        if route.least is Door.OPEN:
            return None
        if session is None or not session.whole:
            first = f"{BASE}/factor" if session else f"{BASE}/sign-in"
            go_on = visit.here() if route.verb == "GET" and not route.live else ""
            return Redirect(first + (f"?next={quote(go_on, safe='')}" if go_on else ""))
        if not route.live:
            await signing_in.note_use(self._store, session, visit.now)
        if session.must_add_factor and route.least is not Door.SIGNED_IN:
            return Redirect(f"{BASE}/account", said="Your firm asks for a second factor: set one up first.")
        if isinstance(route.least, UserRole):
            await self._enter_firm(visit, route, session, route.least)
        return None

    async def _enter_firm(self, visit: Visit, route: Route, session: Session, least: UserRole) -> None:
        if not route.of_firm:
            if (session.highest or 0) < least:
                raise RoleNotAllowed(f"This page is for {least.label}s.")
            return
        visit.seat = session.seat(visit.parameters["firm"])
        if visit.seat is None:  # as where there is none: nobody learns of other firms
            raise PathNotFound("There is no such page.")
        if visit.seat.role < least:
            raise RoleNotAllowed(f"This page is for {least.label}s; you are {_a(visit.seat.role.label)} here.")
        known = self._firms.get(visit.seat.firm_id)
        if known is None or known[0] != visit.seat.firm_version:
            known = self._firms[visit.seat.firm_id] = await callers.load_firm(self._store, visit.seat.firm_id)
        visit.opened = known[1]

    def _reply(self, visit: Visit, answer: Answer, said: str, scope: HTTPScope) -> _Reply:
        """Make a reply of what a page returned."""
        match answer:
            case Page():
                return self._page(visit, answer, said)
            case Fragment():
                body, tag = self._fragment(visit, answer)
                headers = [(b"etag", tag.encode()), _NO_STORE]
                if _header(scope, b"if-none-match") == tag:
                    return _Reply(304, _HTML, b"", headers)
                return _Reply(200, _HTML, body, headers)
            case Redirect():
                return self._redirect(visit, answer)
            case Download():
                name = quote(answer.name, safe="")
                told = f"attachment; filename*=UTF-8''{name}".encode()
                return _Reply(200, answer.media_type, answer.body, [(b"content-disposition", told), _NO_STORE])
            case Raw():
                keep = (b"cache-control", b"public, max-age=31536000, immutable") if answer.keep else _NO_STORE
                return _Reply(200, answer.media_type, answer.body, [keep])

    def _fragment(self, visit: Visit, fragment: Fragment) -> tuple[bytes, str]:
        """Render a part of a page, once for all who see the same; return its tag, too."""
        key = (fragment.template, fragment.shared) if fragment.shared is not None else None
        if key and key in self._fragments:
            return self._fragments[key]
        body = self._renderer.render(fragment.template, visit, fragment.values(), FormErrors()).encode()
        made = body, f'"{sha256(body).hexdigest()[:20]}"'
        if key:
            self._fragments[key] = made
            if len(self._fragments) > _FRAGMENTS:
                del self._fragments[next(iter(self._fragments))]
        return made

    def _page(self, visit: Visit, page: Page, said: str) -> _Reply:
        body = self._renderer.render(page.template, visit, page.values, page.errors, said).encode()
        headers = [_NO_STORE]
        if said:
            headers.append((b"set-cookie", doors.said_cookie("", visit.is_safe).encode()))
        if visit.session is None:  # so that a form of this page is known to be this browser's
            headers.append((b"set-cookie", doors.cookie(visit.token, visit.is_safe).encode()))
        return _Reply(422 if page.errors else page.status, _HTML, body, headers)

    def _redirect(self, visit: Visit, redirect: Redirect) -> _Reply:
        to = doors.inside(redirect.to)
        if to is None:
            raise ValueError("A redirect leads out of the console.")
        headers: Headers = [(b"location", to.encode()), _NO_STORE]
        cookies = [*redirect.cookies]
        if redirect.said:
            cookies.append(doors.said_cookie(redirect.said, visit.is_safe))
        headers += [(b"set-cookie", one.encode()) for one in cookies]
        return _Reply(303, _HTML, b"", headers)

    def _refuse(self, visit: Visit, error: Exception, scope: HTTPScope) -> _Reply:
        """Make the page that says why there is none."""
        status, title, detail = _told(error)
        values: Mapping[str, Any] = {"status": status, "title": title, "detail": detail}
        reply = self._page(visit, Page("error.html", values, status=status), "")
        if isinstance(error, RateLimited):
            reply.headers.append((b"retry-after", str(error.retry_after).encode()))
        if status in (408, 413) or scope["method"] == "POST":
            reply.headers.append(_CLOSE)
        return reply


def _told(error: Exception) -> tuple[int, str, str]:
    """Return the status of an error, its title, and what it says to a person."""
    if isinstance(error, FormTooOld):
        detail = "It was open for too long, or in another session. Nothing was changed: go back and try again."
        return 403, "This form is no longer valid", detail
    if not isinstance(error, CasedialError):
        return 500, "Something went wrong", "A fault in casedial, recorded in its log. Nothing was changed."
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
    return status, error.title, error.detail


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _header(scope: HTTPScope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name), "")


def _visit(store: Store, post: Post, scope: HTTPScope) -> Visit:
    client = scope["client"]
    is_safe = scope["scheme"] == "https"
    browser = Browser(client[0] if client else "", _header(scope, b"user-agent")[:300])
    token = doors.token_in(_header(scope, b"cookie"), is_safe) or doors.new_token()
    root = f"{scope['scheme']}://{_header(scope, b'host')}"
    return Visit(store, store.now(), scope["path"], browser, token, is_safe, root, post)


async def _send(send: Send, reply: _Reply) -> None:
    headers = [(b"content-type", reply.media_type.encode()), *reply.headers, *doors.HEADERS]
    whole = isinstance(reply.body, bytes)
    if whole and reply.status != 304:
        headers.append((b"content-length", b"%d" % len(cast(bytes, reply.body))))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if isinstance(reply.body, bytes):
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})
        return
    async for part in reply.body:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
