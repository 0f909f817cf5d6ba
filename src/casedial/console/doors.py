"""Cookies, tokens of forms, and where a redirect may lead."""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

FIELD = "token"  # of a form
_INSIDE = re.compile(r"/console(/(?!\.+(/|\?|#|$))[A-Za-z0-9._~-]+)*/?(\?[A-Za-z0-9._~%&=+-]*)?(#[a-z0-9-]+)?")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_MOST_SAID = 1000  # characters

# In every reply.
HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


class FormTooOld(Exception):
    """A form without the token of the browser that sends it: of another session, or of somebody else's page."""


def new_token() -> str:
    """Return the token of a browser that has no session: a form of it can be known, and nothing is stored."""
    return secrets.token_urlsafe(32)


def name_of_cookie(is_safe: bool) -> str:
    """Return the name of the cookie; over TLS it is one that no other host of the domain can set."""
    return "__Host-casedial" if is_safe else "casedial"


def token_in(cookies: str, is_safe: bool) -> str | None:
    """Return the token that a browser sent, None where there is none, or one that we never gave."""
    found = _cookie(cookies, name_of_cookie(is_safe))
    return found if found and _TOKEN.fullmatch(found) else None


def _cookie(cookies: str, name: str) -> str | None:
    for pair in cookies.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return None


def cookie(token: str, is_safe: bool) -> str:
    """Return the cookie that holds a token."""
    return _set(name_of_cookie(is_safe), token, is_safe)


def said_cookie(said: str, is_safe: bool) -> str:
    """Return the cookie that holds what the next page says, "" for nothing."""
    text = urlsafe_b64encode(said[:_MOST_SAID].encode()).decode()
    return _set("casedial-said", text, is_safe, "" if said else "; Max-Age=0")


def said_in(cookies: str) -> str:
    """Return what the page before wants to be said."""
    try:
        return urlsafe_b64decode(_cookie(cookies, "casedial-said") or "").decode()[:_MOST_SAID]
    except ValueError:
        return ""


def _set(name: str, value: str, is_safe: bool, more: str = "") -> str:
    return f"{name}={value}; Path=/; HttpOnly; SameSite=Lax{'; Secure' if is_safe else ''}{more}"


def form_token(token: str) -> str:
    """Return what stands in the forms of a browser: made from its token, which it does not tell."""
    return hmac.new(token.encode(), b"form", sha256).hexdigest()


def check_form(token: str, sent: str) -> None:
    """Raise FormTooOld for a form that did not come from a page of this browser."""
    if not hmac.compare_digest(form_token(token).encode(), sent.encode()):
        raise FormTooOld


def inside(path: str) -> str | None:
    """Return a path to go on to, if it leads to a page of the console."""
    return path if _INSIDE.fullmatch(path) else None
