"""Calls of a firm's own systems, below /v1: each route's own example, with odd values here and there."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from casedial.web.v1.routes import ROUTES
from casedial.web.v1.routing import Route
from tests.fuzz import words

_IDS = ("1", "2", "3", "7", "24", "25", "9223372036854775807")
_STATUS_IDS = tuple(map(str, range(60, 110)))  # among them those of the firm whose own system calls
_QUERIES = ("1", "2", "true", "To Dial", "Intake follow-up", "4025550007", "Ada")


@dataclass(frozen=True, slots=True)
class System:
    """A call before it is bytes; ``refused`` where nobody may grant it."""

    verb: bytes
    path: bytes
    query: bytes
    key: bytes
    body: bytes
    refused: bool


def draw_call(draw: random.Random) -> System:
    """A call of a route with odd values; one in ten is of a dialer, who may do nothing here."""
    route, odd = draw.choice(ROUTES), draw.choice((0.0, 0.1, 0.5))
    refused = draw.random() < 0.1
    body = _json(draw, route.about.sent, odd) if route.about.sent is not None else b""
    if not body and draw.random() < 0.05:
        body = draw.choice(words.ODD_BODIES)
    key = words.KEY if refused else words.MANAGE_KEY
    return System(route.verb.encode(), _path(draw, route, odd), _query(draw, route, odd), key, body, refused)


def _path(draw: random.Random, route: Route, odd: float) -> bytes:
    parts = []
    for part in route.path.split("/"):
        if part.startswith("{"):
            known = _IDS if "case" in part or "change" in part else _STATUS_IDS
            part = draw.choice(words.ODD["CaseID"] if draw.random() < odd else known)
            part = quote(part, safe="") or "%20"
        parts.append(part)
    return "/".join(parts).encode()


def _query(draw: random.Random, route: Route, odd: float) -> bytes:
    found = []
    for name in route.about.query:
        if draw.random() < 0.2:
            is_odd = draw.random() < odd
            value = draw.choice(words.ODD.get(name, words.ODD["Campaign"]) if is_odd else _QUERIES)
            found.append(f"{name}={quote(value, safe='')}")
    if draw.random() < odd / 5:
        found.append(draw.choice(("Foo=1", "Limit=0", "After=", "After=x&After=y", "%ff=%00")))
    return ("?" + "&".join(found)).encode() if found else b""


def _json(draw: random.Random, value: Any, odd: float) -> bytes:
    """Write a JSON value as it is, or an odd one in its place or in a part of it."""
    if draw.random() < odd / 3:
        return draw.choice(words.ODD_JSON)
    if isinstance(value, dict):
        fields = [(name, one) for name, one in value.items() if draw.random() >= odd / 3]
        if fields and draw.random() < odd / 3:
            fields.append((draw.choice(fields)[0], draw.choice(("x", 7, None, [], {}))))
        if draw.random() < odd / 5:
            fields.append((draw.choice(("Foo", "", "case_id", "__proto__", "Phone1")), 1))
        return b"{" + b",".join(json.dumps(n).encode() + b":" + _json(draw, one, odd) for n, one in fields) + b"}"
    if isinstance(value, list):
        several = value * draw.choice((1, 1, 1, 2, 20))
        return b"[" + b",".join(_json(draw, one, odd) for one in several) + b"]"
    if isinstance(value, int) and not isinstance(value, bool) and draw.random() < 0.7:
        return str(draw.randrange(1, 40)).encode()
    return json.dumps(value).encode()
