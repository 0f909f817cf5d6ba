"""Makes hostile requests. Number n of a seed is always the same request, whatever was made before it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from urllib.parse import quote_from_bytes

from tests.fuzz import systems, words
from tests.fuzz.words import BASE, FIELDS, KEY, READS, REQUIRED

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"


class Ending(Enum):
    """What the client does when it has sent its bytes."""

    WAIT = "waits for the reply"
    SHUT = "says that nothing more comes"
    RESET = "is gone"


@dataclass(frozen=True, slots=True)
class Hostile:
    """One request: the bytes, and how they are to be sent.

    ``whole`` says that its end is where HTTP says it is: only such requests share a connection.
    """

    number: int
    kind: str
    raw: bytes
    whole: bool = True
    ending: Ending = Ending.WAIT
    refused: bool = False  # by construction: a reply of 2xx is a fault

    @property
    def headless(self) -> bool:
        """Whether its reply has no body, whatever its headers say."""
        return self.raw.startswith(b"HEAD ")


@dataclass(slots=True)
class Draft:
    """A request before it is bytes, so that one part of it can be made odd."""

    verb: bytes
    path: bytes
    query: bytes = b""
    headers: list[bytes] = field(default_factory=lambda: [b"Host: x", b"X-ApiKey: " + KEY])
    body: bytes = b""
    version: bytes = b"HTTP/1.1"

    def head(self) -> bytes:
        line = b" ".join((self.verb, self.path + self.query, self.version))
        return b"\r\n".join((line, *self.headers)) + b"\r\n\r\n"

    def framed(self) -> bytes:
        """The bytes, with the length of the body told."""
        if self.body or self.verb in (b"POST", b"PUT"):
            self.headers.append(b"Content-Length: %d" % len(self.body))
        return self.head() + self.body


class Maker:
    """Draws requests from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def make(self, number: int) -> Hostile:
        """Return request ``number``."""
        draw = random.Random(f"{self.seed}:{number}")
        kind, make = draw.choices(_MAKERS, cum_weights=_SHARES)[0]
        return make(number, kind, draw)


def _good(draw: random.Random, odd: float = 0.0, cases: range = words.OWN_CASES) -> Draft:
    """A request that a dialer could send; each value is an odd one instead with the probability ``odd``."""
    method = draw.choice(tuple(FIELDS))
    form = draw.random() < 0.4
    fields = [(name, _value(draw, name, form, odd, cases)) for name in FIELDS[method] if _wanted(draw, name)]
    if odd and draw.random() < 0.3:
        fields = _repeat(draw, fields)
    verb = draw.choice((b"GET", b"POST") if method in READS else (b"POST", b"PUT"))
    draft = Draft(verb, BASE + b"/" + method.encode())
    if draw.random() < 0.15:
        draft.headers.append(b"Idempotency-Key: k%d" % draw.randrange(10**9))
    if method == "UpdateCaseStatus" and draw.random() < 0.3:
        draft.headers.append(b"X-Claim-Id: " + words.LIVE_CLAIM.encode())
    if method in ("GetCasesToDial", "UpdateCaseStatus") and draw.random() < 0.1:
        draft.headers.append(b"X-Claim-Seconds: %d" % draw.choice((10, 60, 604_800)))
    if draw.random() < 0.05:
        draft.headers.append(b"X-Strict: " + draw.choice((b"true", b"false")))
    if form:
        _place_form(draw, draft, b"&".join(_name(draw, name, odd) + b"=" + value for name, value in fields))
    else:
        _place_json(draw, draft, method, [(_name(draw, name, odd), value) for name, value in fields])
    return draft


def _wanted(draw: random.Random, name: str) -> bool:
    return draw.random() < (0.95 if name in REQUIRED else 0.5)


def _value(draw: random.Random, name: str, form: bool, odd: float, cases: range) -> bytes:
    is_odd = draw.random() < odd
    if is_odd and not form and draw.random() < 0.4:
        return draw.choice(words.ODD_JSON) if draw.random() < 0.98 else draw.choice(words.DEEP_JSON)
    if name == "CaseID" and not is_odd:
        text = str(draw.choice(cases))
    elif name == "Phone" and not is_odd and cases is words.GUARDED_CASES:
        text = words.GUARDED_PHONE.format(cases.index(draw.choice(cases)))
    else:
        text = draw.choice((words.ODD if is_odd else words.GOOD)[name])
    if form:
        return _percent(draw, text.encode(), odd)
    if name in words.BARE and draw.random() < 0.7:
        return text.encode()
    return json.dumps(text, ensure_ascii=draw.random() < 0.5).encode()


def _percent(draw: random.Random, text: bytes, odd: float) -> bytes:
    if draw.random() >= odd:
        return quote_from_bytes(text, safe="").encode()
    return draw.choice(
        (
            text.translate(None, b"\r\n &#"),  # sent raw; what would end the line is left out
            quote_from_bytes(text).replace("%20", "+").lower().encode(),
            b"".join(b"%%%02x" % byte for byte in text),
            quote_from_bytes(text).replace("%", "%25").encode(),
            quote_from_bytes(text).encode() + draw.choice((b"%", b"%z", b"%00", b"%ff", b"%ed%a0%80", b"%f8%88%80")),
        )
    )


def _name(draw: random.Random, name: str, odd: float) -> bytes:
    if draw.random() >= odd:
        return name.encode()
    return draw.choice(
        (
            name.lower(),
            name.upper(),
            "_".join(name),
            "-" * 50 + name,
            name + "\u0301",
            name.replace("a", "а"),
            name.replace("i", "İ"),
            "Phone-Number",
            "Cases",
            "Foo",
            "",
            "$" * 200,
        )
    ).encode()


def _repeat(draw: random.Random, fields: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    if not fields:
        return fields
    name, value = draw.choice(fields)
    again = value if draw.random() < 0.5 else draw.choice(fields)[1]
    return [*fields, *[(name, again)] * draw.choice((1, 1, 2, 40))]


def _place_form(draw: random.Random, draft: Draft, encoded: bytes) -> None:
    if draft.verb == b"GET" or draw.random() < 0.4:
        draft.query = b"?" + encoded.replace(b" ", b"+")
    else:
        draft.headers.append(b"Content-Type: " + FORM)
        draft.body = encoded


def _place_json(draw: random.Random, draft: Draft, method: str, fields: list[tuple[bytes, bytes]]) -> None:
    draft.body = b"{" + b",".join(b'"' + name + b'":' + value for name, value in fields) + b"}"
    if method not in READS and draw.random() < 0.5:
        items = b"[" + b",".join([draft.body] * draw.choice((1, 1, 2, 3))) + b"]"
        draft.body = items if draw.random() < 0.4 else b'{"Cases":' + items + b"}"
    if draw.random() < 0.8:
        draft.headers.append(b"Content-Type: " + JSON)


def _cheap(draw: random.Random) -> Draft:
    """A good request, mostly without a key: what is odd in front of the body is seen before the database is asked."""
    draft = _good(draw)
    if draw.random() < 0.75:
        del draft.headers[1]
    return draft


def _plain(number: int, kind: str, draw: random.Random) -> Hostile:
    """A good request; half of them are repeats, byte for byte, of some earlier one with its Idempotency-Key."""
    again = draw.randrange(200)
    if again >= 100:
        return Hostile(number, kind, _good(draw).framed())
    draft = _good(random.Random(again))
    draft.headers = [header for header in draft.headers if not header.startswith(b"Idempotency-Key")]
    draft.headers.append(b"Idempotency-Key: again-%d" % again)
    return Hostile(number, kind, draft.framed())


def _values(number: int, kind: str, draw: random.Random) -> Hostile:
    return Hostile(number, kind, _good(draw, draw.choice((0.2, 0.5, 1.0))).framed())


def _bodies(number: int, kind: str, draw: random.Random) -> Hostile:
    draft = _good(draw, 0.1)
    if draw.random() < 0.5:
        draft.body = draw.choice(words.ODD_BODIES)
    else:
        draft.body = _mutate(draw, draft.body)
    if draw.random() < 0.5:
        draft.headers = [header for header in draft.headers if not header.startswith(b"Content-Type")]
        draft.headers.append(b"Content-Type: " + draw.choice(words.CONTENT_TYPES))
    if draw.random() < 0.2:
        draft.headers.append(b"Transfer-Encoding: chunked")
        return Hostile(number, kind, draft.head() + _chunked(draw, draft.body))
    return Hostile(number, kind, draft.framed())


def _large(number: int, kind: str, draw: random.Random) -> Hostile:
    """Bodies about as large as they may be, in one piece and in many."""
    draft = _good(draw)
    draft.verb, draft.query = b"POST", b""
    size = draw.choice((900_000, 1_048_576, 1_048_577, 1_500_000))
    draft.body = draw.choice((b"[" * size, b'{"Note":"' + b"x" * size, b"a=" + b"%" * size, b"1," * (size // 2)))[:size]
    if draw.random() < 0.3:
        draft.headers.append(b"Transfer-Encoding: chunked")
        return Hostile(number, kind, draft.head() + _chunked(draw, draft.body), whole=False)
    return Hostile(number, kind, draft.framed(), whole=False)


def _lines(number: int, kind: str, draw: random.Random) -> Hostile:
    """Odd verbs, paths and query strings."""
    draft = _cheap(draw)
    which = draw.random()
    if which < 0.3:
        draft.verb = draw.choice(words.VERBS)
    elif which < 0.7:
        draft.path = draw.choice(words.ODD_PATHS)
        draft.verb = draw.choice((draft.verb, b"GET"))
    else:
        draft.query = draw.choice(words.ODD_QUERIES)
    if draw.random() < 0.15:
        draft.version = draw.choice(words.VERSIONS)
    return Hostile(number, kind, draft.framed(), whole=False)


def _headers(number: int, kind: str, draw: random.Random) -> Hostile:
    """Headers that are HTTP, but odd."""
    draft = _cheap(draw)
    for _ in range(draw.choice((1, 1, 2, 5))):
        header = draw.choice(words.ODD_HEADERS)
        draft.headers.insert(draw.randrange(len(draft.headers) + 1), header)
    if draw.random() < 0.1:
        draft.headers.remove(b"Host: x")
    return Hostile(number, kind, draft.framed(), whole=False)


def _framing(number: int, kind: str, draw: random.Random) -> Hostile:
    """Requests whose end is not where they say."""
    draft = _cheap(draw)
    which = draw.random()
    if which < 0.3:
        draft.headers.insert(draw.randrange(len(draft.headers) + 1), draw.choice(words.FRAMING_HEADERS))
        raw = draft.framed() if draw.random() < 0.5 else draft.head() + draft.body
    elif which < 0.6:
        draft.headers.append(draw.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:  Chunked")))
        chunked = _chunked(draw, draft.body)
        raw = draft.head() + (chunked if draw.random() < 0.3 else _mutate(draw, chunked))
    elif which < 0.95:
        raw = draft.framed()
        cut = raw[: draw.randrange(len(raw))]
        return Hostile(number, kind, cut, whole=False, ending=draw.choice((Ending.SHUT, Ending.SHUT, Ending.RESET)))
    else:
        raw = draw.choice(words.NO_HTTP)
    return Hostile(number, kind, raw, whole=False, ending=Ending.RESET if draw.random() < 0.05 else Ending.WAIT)


def _mutated(number: int, kind: str, draw: random.Random) -> Hostile:
    return Hostile(number, kind, _mutate(draw, _cheap(draw).framed()), whole=False)


def _chunked(draw: random.Random, body: bytes) -> bytes:
    parts = []
    while body:
        size = draw.choice((1, 7, 100, 70_000)) if len(body) < 2_000 else draw.choice((9_000, 70_000))
        part, body = body[:size], body[size:]
        extension = draw.choice((b"", b"", b"", b";a=b", b';a="\xff"', b" "))
        parts.append(b"%x%s\r\n%s\r\n" % (len(part), extension, part))
    trailer = draw.choice((b"", b"", b"", b"X-A: b\r\n", b"X-ApiKey: x\r\nContent-Length: 9\r\n"))
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


def _mutate(draw: random.Random, raw: bytes) -> bytes:
    """Flip, insert, delete, double and move bytes, a few times."""
    data = bytearray(raw)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        at = draw.randrange(len(data) + 1)
        length = draw.choice((1, 1, 2, 4, 16, 64))
        which = draw.randrange(6)
        if which == 0 and at < len(data):
            data[at] ^= 1 << draw.randrange(8)
        elif which == 1:
            data[at : at + 1] = bytes([draw.randrange(256)])
        elif which == 2:
            data[at:at] = draw.choice(words.TOKENS)
        elif which == 3:
            del data[at : at + length]
        elif which == 4:
            data[at:at] = data[at : at + length] * draw.choice((1, 1, 1, 50))
        else:
            data[at : at + length] = data[at : at + length][::-1]
    return bytes(data)


# What makes a request of the guarded cases one that nobody may grant.
def _without_key(draw: random.Random, draft: Draft) -> None:
    draft.headers = [b"Host: x", *draw.choice(((), (b"X-ApiKey: " + KEY[::-1],), (b"X-ApiKey: " + KEY + b"x",)))]


def _two_keys(draw: random.Random, draft: Draft) -> None:
    draft.headers.insert(draw.randrange(3), b"X-ApiKey: " + KEY[::-1])


def _nul(draw: random.Random, draft: Draft) -> None:
    draft.query += b"&a=%00" if draft.query else b"?%00"


def _surrogate(draw: random.Random, draft: Draft) -> None:
    draft.query += b"&a=%ed%a0%80" if draft.query else b"?%ed%a0%80"


def _unreadable(draw: random.Random, draft: Draft) -> None:
    draft.query = b""
    draft.headers = [*draft.headers[:2], b"Content-Type: " + JSON]
    draft.body += draw.choice((b"}", b",", b"\0", b"\xff", b" NaN", b"[" * 5_000))


def _other_type(draw: random.Random, draft: Draft) -> None:
    draft.body = draft.body or b"{}"
    draft.headers = [*draft.headers[:2], b"Content-Type: " + draw.choice((b"text/plain", b"multipart/form-data"))]


def _wrong_verb(draw: random.Random, draft: Draft) -> None:
    draft.verb = draw.choice((b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE"))


_SPOIL = (_without_key, _without_key, _two_keys, _nul, _surrogate, _unreadable, _other_type, _wrong_verb)


def _guarded(number: int, kind: str, draw: random.Random) -> Hostile:
    """A good request of a guarded case, spoilt in one way: it must change nothing."""
    draft = _good(draw, cases=words.GUARDED_CASES)
    draw.choice(_SPOIL)(draw, draft)
    return Hostile(number, kind, draft.framed(), refused=True)


def _systems(number: int, kind: str, draw: random.Random) -> Hostile:
    """A call of a firm's own system, or of a dialer where only those may call."""
    call = systems.draw_call(draw)
    draft = Draft(call.verb, call.path, call.query, [b"Host: x", b"X-ApiKey: " + call.key], call.body)
    if draft.body and draw.random() < 0.1:
        draft.body = _mutate(draw, draft.body)
    if draft.body and draw.random() < 0.9:
        draft.headers.append(b"Content-Type: " + JSON)
    if draw.random() < 0.2:
        draft.headers.append(b"Idempotency-Key: s%d" % draw.randrange(50))
    return Hostile(number, kind, draft.framed(), refused=call.refused)


# How many of a hundred requests are of each kind.
_OF_A_HUNDRED: dict[str, tuple[float, Callable[[int, str, random.Random], Hostile]]] = {
    "plain": (1.5, _plain),
    "values": (6.45, _values),
    "systems": (4, _systems),
    "bodies": (7, _bodies),
    "lines": (15, _lines),
    "headers": (7, _headers),
    "framing": (30, _framing),
    "mutated": (27, _mutated),
    "guarded": (2, _guarded),
    "large": (0.05, _large),
}
KINDS = tuple(_OF_A_HUNDRED)
_MAKERS = [(kind, make) for kind, (_, make) in _OF_A_HUNDRED.items()]
_SHARES = list(accumulate(share for share, _ in _OF_A_HUNDRED.values()))
