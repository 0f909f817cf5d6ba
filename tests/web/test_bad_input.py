"""No input yields a 5xx: each bad one is a 4xx problem that names the field where there is one, and changes nothing."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx
import pytest

from casedial.database.engine import Store
from casedial.domain.cases import Phone
from casedial.domain.statuses import Role
from casedial.service.keys import add_key
from tests.conftest import DATABASES, NOW, Api, Office, assert_problem, make_office
from tests.postgres import PostgresServer
from tests.servers import Server
from tests.waiting import PATIENCE

MIB = 1024 * 1024
NUMBER = "4025550007"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

# For each method a request that would change case 7 (GetCaseInfo apart), as a form and as JSON.
GOOD_FORM = {
    "GetCasesToDial": "Auto-change=true",
    "GetCaseInfo": "CaseID=7",
    "UpdateCaseStatus": "CaseID=7&Attempts=1",
    "AddCaseNote": "CaseID=7&Note=n",
    "AddCaseNoteByPhone": f"Phone={NUMBER}&Note=n",
}
GOOD_JSON = {
    "GetCasesToDial": '{"Auto-change":true,"Records":5}',
    "GetCaseInfo": '{"CaseID":7}',
    "UpdateCaseStatus": '{"Cases":[{"CaseID":7,"Attempts":1,"Status":"To Dial"}]}',
    "AddCaseNote": '{"Cases":[{"CaseID":7,"Note":"n"}]}',
    "AddCaseNoteByPhone": f'{{"Phone":"{NUMBER}","Note":"n"}}',
}
# JSON with a bad value in the place of @: in known and in unknown fields, beside what would have been applied.
AROUND: list[tuple[str, str, str]] = [
    ("GetCasesToDial", '{"Auto-change":true,"Campaign":@}', "#/Campaign"),
    ("GetCasesToDial", '{"CaseGroup":@,"Auto-change":true}', "#/CaseGroup"),
    ("GetCasesToDial", '{"Auto-change":true,"Records":@}', "#/Records"),
    ("GetCasesToDial", '{"Records":5,"Auto-change":@}', "#/Auto-change"),
    ("GetCasesToDial", '{"Auto-change":true,"Foo":[{"Bar":@}]}', "#/Foo/0/Bar"),
    ("GetCaseInfo", '{"CaseID":@}', "#/CaseID"),
    ("GetCaseInfo", '{"CaseID":7,"Foo":@}', "#/Foo"),
    ("UpdateCaseStatus", '{"CaseID":7,"Attempts":1,"Disposition":@}', "#/Disposition"),
    ("UpdateCaseStatus", '[{"CaseID":7,"Attempts":1},{"CaseID":@,"Attempts":1}]', "#/1/CaseID"),
    ("UpdateCaseStatus", '{"Cases":[{"CaseID":7,"Attempts":1},{"CaseID":8,"Status":@}]}', "#/Cases/1/Status"),
    ("UpdateCaseStatus", '{"Cases":[{"CaseID":7,"NextCall":@},{"CaseID":8,"Attempts":1}]}', "#/Cases/0/NextCall"),
    ("UpdateCaseStatus", '{"Cases":[{"CaseID":7,"Attempts":@},{"CaseID":8,"Attempts":1}]}', "#/Cases/0/Attempts"),
    ("UpdateCaseStatus", '{"Cases":[{"CaseID":7,"Attempts":1,"Foo":@}]}', "#/Cases/0/Foo"),
    ("UpdateCaseStatus", '{"Cases":[{"CaseID":7,"Attempts":1}],"Foo":{"Bar":[0,@]}}', "#/Foo/Bar/1"),
    ("AddCaseNote", '{"CaseID":7,"Note":@}', "#/Note"),
    ("AddCaseNote", '{"CaseID":[7,@],"Note":"n"}', "#/CaseID/1"),
    ("AddCaseNote", '{"Cases":[{"CaseID":7,"Note":"n"},{"CaseID":8,"Note":@}]}', "#/Cases/1/Note"),
    ("AddCaseNote", '{"CaseID":7,"Note":"n","Foo":@}', "#/Foo"),
    ("AddCaseNoteByPhone", '{"Phone":@,"Note":"n"}', "#/Phone"),
    ("AddCaseNoteByPhone", '{"Phone":"4025550007","Note":@}', "#/Note"),
    ("AddCaseNoteByPhone", '{"Phone":"4025550007","Note":"n","Foo":{"a":{"b":@}}}', "#/Foo/a/b"),
]
UNSTORABLE = [r'"\u0000"', r'"a\u0000b"', r'"\ud800"', r'"x\udfff"', r'"\ud83d\ud83d"', r'"\udc00\ud800"', r'"\uD83Dx"']
NO_DOUBLE = ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1E+999999999", "9" * 5000, "-" + "9" * 5000, "9" * 310]
NOT_JSON: list[str | bytes] = [
    *("", "tru", "undefined", "'x'", '"x', '"\\x"', '"\\u12"', '"\\ud8"', "[1,]", "[1", "{a:1}", '{"a"}', '{"a":1,}'),
    *("01", "1.", ".5", "+1", "--1", "0x10", "1_000", "1 2", "nan", "-NaN", "/* */1", "//", "\\u0031", "\u00a0"),
    *(b'"\x00"', b"\x00", b'"a\nb"', b'"\x1f"', b'"\xff"', b'"\xc3"', b'"\xed\xa0\x80"', b'"\xc0\x80"'),
]  # fmt: skip
TOO_DEEP = ["[" * 100_000 + "]" * 100_000, "[" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000, '[{"a":' * 100_000]


@pytest.fixture
async def untouched(office: Office) -> AsyncIterator[None]:
    """Cases 7 and 8, which must be at the end of the test what they were at its start."""
    for case_id in (7, 8):
        await office.add(case_id, phones=(Phone("Cell", f"402555{case_id:04}"),), attempts="9")
    before = [await office.case(case_id) for case_id in (7, 8)]
    statuses = (await office.firm()).statuses.all
    yield
    assert [await office.case(case_id) for case_id in (7, 8)] == before
    assert [await office.history(case_id) for case_id in (7, 8)] == [[], []]
    assert [await office.notes(case_id) for case_id in (7, 8)] == [[], []]
    assert (await office.firm()).statuses.all == statuses


Refused = Callable[..., None]


@pytest.fixture
def refused(subtests: pytest.Subtests) -> Refused:
    """``assert_problem`` for many: what is not refused as it should be is a failed subtest that shows what was sent."""

    def check(reply: httpx.Response, sent: object, status: int, code: str, pointer: str | None = None) -> None:
        try:
            assert_problem(reply, status, code, pointer)
        except (AssertionError, KeyError):
            with subtests.test(url=reply.request.url.path, sent=str(sent)[:100]):
                raise

    return check


def put(around: str, value: str | bytes) -> bytes:
    return around.encode().replace(b"@", value if isinstance(value, bytes) else value.encode())


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "values", [UNSTORABLE, NO_DOUBLE, NOT_JSON, TOO_DEEP], ids=["text", "number", "syntax", "depth"]
)
async def test_malformed_json(api: Api, refused: Refused, values: list[str | bytes]) -> None:
    for method, around, pointer in AROUND:
        for value in values:
            body = put(around, value)
            reply = await api.post(method, content=body)
            refused(reply, body, 400, "MalformedDocument", pointer if values is UNSTORABLE else None)


@pytest.mark.usefixtures("untouched")
async def test_numbers_that_no_double_holds_are_named(api: Api, refused: Refused) -> None:
    for method, around, pointer in AROUND[2::6]:
        for value in ("NaN", "1e400", "9" * 5000):
            body = put(around, value)
            refused(await api.post(method, content=body), body, 400, "MalformedDocument", pointer)


@pytest.mark.usefixtures("untouched")
async def test_json_that_is_cut_off_or_goes_on(api: Api, refused: Refused) -> None:
    for method, body in GOOD_JSON.items():
        for length in range(1, len(body)):
            refused(await api.post(method, content=body[:length]), body[:length], 400, "MalformedDocument")
        for more in ("}", "]", ",", "x", "\0", "{}", "null", body, "\u00a0"):
            refused(await api.post(method, content=body + more), body + more, 400, "MalformedDocument")
        for encoding in ("utf-16", "utf-16-le", "utf-32"):
            refused(await api.post(method, content=body.encode(encoding)), encoding, 400, "MalformedDocument")
        for name in (r"F\u0000", r"\ud800", r"Case\u0000ID", r"Note\udfff"):
            named = re.sub(r"{(?!.*{)", lambda _, name=name: f'{{"{name}":1,', body)  # in the innermost object
            refused(await api.post(method, content=named), named, 400, "MalformedDocument")


@pytest.mark.usefixtures("untouched")
async def test_queries_and_forms(api: Api, refused: Refused, subtests: pytest.Subtests) -> None:
    """NUL, and what is not UTF-8, in a value and in a name, known and unknown."""
    fields = {
        "GetCasesToDial": ("Campaign", "CaseGroup", "Records"),
        "GetCaseInfo": (),
        "UpdateCaseStatus": ("Status", "Disposition", "NextCall"),
        "AddCaseNote": ("CaseID",),
        "AddCaseNoteByPhone": (),
    }
    for method, good in GOOD_FORM.items():
        tails = [
            *(f"{name}={bad}" for name in (*fields[method], "Foo") for bad in ("%00", "a%00b", "%C3%A9%00")),
            *(f"{name}={bad}" for name in (*fields[method], "Foo") for bad in ("%FF", "%C3", "%ED%A0%80", "%C0%80")),
            *("%00=1", "Foo%00=1", "%FF=1", "%ED%A0%80", "%00", "CaseID%00=7", "Note%FF=n"),
        ]
        sent = [f"{good}&{tail}" for tail in tails]
        sent += [f"{good}{bad}" for bad in ("%00", "%FF", "%ED%A0%80", "%F5%80%80%80")]
        for query in sent:
            named = re.search(r"([A-Za-z-]+)=[^&]*%00", query)
            pointer = f"#/{named[1]}" if named else None
            queried = await api.post(f"{method}?{query}")
            refused(queried, query, 400, "MalformedDocument", pointer)
            posted = await api.post(method, content=query, headers={"Content-Type": FORM})
            refused(posted, query, 400, "MalformedDocument", pointer)
            if method.startswith("Get"):
                got = await api.http.get(f"{api.base}/{method}?{query}", headers={"X-ApiKey": api.key})
                refused(got, query, 400, "MalformedDocument", pointer)
        for raw in (b"&Foo=\xff", b"&Foo=\x00", b"&\xff=1", b"&Foo=\xed\xa0\x80", b"\xff", b"\x00"):
            posted = await api.post(method, content=good.encode() + raw, headers={"Content-Type": FORM})
            refused(posted, raw, 400, "MalformedDocument")
    for query, pointer in [("CaseID=7&Note=%FF", "#/Note"), ("CaseID=7&Note=n&Foo=%ED%A0%80", "#/Foo")]:
        with subtests.test("the field that is not UTF-8 is named", query=query):
            assert_problem(await api.post(f"AddCaseNote?{query}"), 400, "MalformedDocument", pointer)


@pytest.mark.usefixtures("untouched")
async def test_strange_queries_and_forms(api: Api, subtests: pytest.Subtests) -> None:
    """Whatever these mean, they are no fault of ours, and they name no case."""
    strange = [
        *(
            "%",
            "%%%",
            "%zz",
            "&&&&",
            "=",
            "===",
            "=7",
            "?",
            "??",
            ";",
            "CaseID",
            "CaseID=",
            "Note",
            "[]=1",
            "CaseID[]=7",
        ),
        *("a" * 60_000, "a=1&" * 1999, "a=1&" * 9999, "&".join(f"a{n}={n}" for n in range(5000)), "+", "%20=%20"),
    ]
    for sent in strange:
        with subtests.test(sent=sent[:30]):
            for method in GOOD_FORM:
                replies = [await api.post(method, content=sent, headers={"Content-Type": FORM})]
                if len(sent) < 50_000:
                    replies.append(await api.post(f"{method}?{sent}"))
                for reply in replies:
                    assert reply.status_code in ((200, 400) if method == "GetCasesToDial" else (400, 413)), reply.text


@pytest.mark.usefixtures("untouched")
async def test_content_types(api: Api, refused: Refused, subtests: pytest.Subtests) -> None:
    wrong: list[str | bytes] = [
        *("text/plain", "text/html", "application/xml", "text/xml", "application/octet-stream", "image/png", "json"),
        *("multipart/form-data", "multipart/form-data; boundary=x", "application/jsonx", "application/x-ndjson"),
        *("application", "/", "*/*", "application/*", "garbage", "text/plain; application/json", "application/ json"),
        *("application/x-www-form-urlencodedx", "application/pdf+xml", "x" * 10_000, "%00", "application\\json"),
        *(b"\xff\xfe", "applicatión/json".encode(), b"application/json\x00"),
    ]
    for method, body in GOOD_JSON.items():
        for content_type in wrong:
            reply = await api.post(method, content=body, headers={"Content-Type": content_type})
            refused(reply, content_type, 415, "UnsupportedContentType")
    # The right ones, in any spelling; a reading method, for nothing may change here.
    for content_type in ("application/json", "Application/JSON; charset=utf-8", "application/json;charset=UTF-8", ""):
        with subtests.test(content_type=content_type):
            reply = await api.post("GetCaseInfo", content=b'{"CaseID":7}', headers={"Content-Type": content_type})
            assert reply.status_code == 200
    for content_type in (FORM, f"{FORM.upper()}; charset=utf-8"):
        with subtests.test(content_type=content_type):
            reply = await api.post("GetCaseInfo", content=b"CaseID=7", headers={"Content-Type": content_type})
            assert reply.status_code == 200
    for method in (
        "GetCaseInfo",
        "AddCaseNote",
        "AddCaseNoteByPhone",
        "UpdateCaseStatus",
    ):  # JSON that says it is a form
        reply = await api.post(method, content=GOOD_JSON[method], headers={"Content-Type": FORM})
        refused(reply, "JSON as a form", 400, "MissingParameter")
        reply = await api.post(method, content=GOOD_FORM[method], headers={"Content-Type": JSON})
        refused(reply, "a form as JSON", 400, "MalformedDocument")


@pytest.mark.usefixtures("untouched")
async def test_size_of_a_body(api: Api, refused: Refused, subtests: pytest.Subtests) -> None:
    async def in_parts(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    for method in GOOD_JSON:
        for content_type, body in ((JSON, GOOD_JSON[method].encode()), (FORM, GOOD_FORM[method].encode())):
            padding = b" " if content_type is JSON else b"&"
            for size in (MIB + 1, 2 * MIB, 5 * MIB):
                headers = {"Content-Type": content_type}
                big = body.ljust(size, padding)
                refused(await api.post(method, content=big, headers=headers), (content_type, size), 413, "BodyTooLarge")
                reply = await api.post(method, content=in_parts(big), headers=headers)
                refused(reply, (content_type, size, "chunked"), 413, "BodyTooLarge")
        big = b'{"Foo":"' + b"x" * (2 * MIB)
        refused(await api.post(method, content=big), "not even JSON", 413, "BodyTooLarge")
    for content in (b'{"CaseID":7}'.ljust(MIB), in_parts(b'{"CaseID":7}'.ljust(MIB))):
        with subtests.test("as large as may be"):
            assert (await api.post("GetCaseInfo", content=content)).status_code == 200


@pytest.mark.usefixtures("untouched")
async def test_wrong_types(api: Api, refused: Refused) -> None:
    """Of the parameters that are names; numbers, times, notes and phones are in their methods' tests."""
    for value in (0, 1, -1, 1.5, 10**300, 1e300, True, False, [], [""], ["To Dial"], [[]], {}, {"Name": "To Dial"}):
        for method, name, sent, prefix in [
            ("GetCasesToDial", "Campaign", {"Auto-change": True}, "#"),
            ("GetCasesToDial", "CaseGroup", {"Auto-change": True}, "#"),
            ("UpdateCaseStatus", "Status", {"CaseID": 7, "Attempts": 1}, "#"),
            ("UpdateCaseStatus", "Disposition", {"CaseID": 7, "Attempts": 1}, "#"),
        ]:
            body: Any = {**sent, name: value}
            refused(await api.post(method, json=body), body, 400, "InvalidParameter", f"{prefix}/{name}")
    for method in (
        "GetCasesToDial",
        "GetCaseInfo",
        "AddCaseNoteByPhone",
    ):  # they take no list, and nobody takes a scalar
        for body in (
            [],
            [{"CaseID": 7, "Phone": NUMBER, "Note": "n", "Auto-change": True}],
            7,
            0,
            1.5,
            "7",
            True,
            False,
        ):
            refused(await api.post(method, json=body), body, 400, "InvalidParameter", "#")


@pytest.mark.usefixtures("untouched")
async def test_nesting_of_any_depth(api: Api) -> None:
    """What the parser can still read must not end the recursion of whoever walks it afterwards, either."""
    wrong: list[str] = []
    brackets = [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]"), ('{"CaseID":', "}")]
    depths = [2, 20, 300, 450, 700, 900, 950, 980, 1000, 2000]
    for (opening, closing), depth in product(brackets, depths):
        nested = f"{opening * depth}1{closing * depth}"
        for method, body in [
            ("GetCaseInfo", f'{{"CaseID":{nested},"caseid":{nested}}}'),
            ("GetCasesToDial", f'{{"Campaign":{nested},"campaign":{nested},"Auto-change":{nested}}}'),
            ("UpdateCaseStatus", f'{{"Cases":[{nested}]}}'),
            ("UpdateCaseStatus", f'{{"Cases":[{nested}],"cases":[{nested}]}}'),
            ("UpdateCaseStatus", f'{{"Cases":{nested},"cases":{nested}}}'),
            ("UpdateCaseStatus", f'[{{"CaseID":{nested},"Status":{nested},"Attempts":{nested}}}]'),
            ("AddCaseNote", f'{{"CaseID":{nested},"case_id":{nested},"Note":{nested},"note":{nested}}}'),
            ("AddCaseNote", f'{{"Cases":[{nested}],"cases":[{nested}]}}'),
            ("AddCaseNoteByPhone", f'{{"Phone":{nested},"PhoneNumber":{nested},"Note":"n"}}'),
        ]:
            reply = await api.post(method, content=body)
            if reply.status_code != 400:
                wrong.append(f"{reply.status_code} for {method} {body[:60]} of depth {depth}")
        reply = await api.post("GetCaseInfo", content=f'{{"CaseID":7,"Foo":{nested},"\\u0046oo":{nested}}}')
        if reply.status_code not in ((200,) if depth <= 20 else (200, 400)):  # ignored, or too deep
            wrong.append(f"{reply.status_code} for an unknown field of depth {depth}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("untouched")
async def test_headers_that_mean_nothing_here(api: Api, subtests: pytest.Subtests) -> None:
    for name, value in [
        *((name, b"\xff\xfe") for name in ("Accept", "Cookie", "User-Agent", "X-Foo", "Accept-Encoding", "Referer")),
        *(("Cookie", value) for value in (b"=;;=", b"a", b"a=%00; b=\xc3", b";" * 5000)),
        *(("Accept", value) for value in (b"application/xml", b"*/*;q=x", b",", b"text/html")),
        *(("Range", b"bytes=0-1"), ("If-None-Match", b"*"), ("X-HTTP-Method-Override", b"DELETE"), ("Origin", b"null")),
        *(
            ("X-Forwarded-For", b"\xff"),
            ("Forwarded", b"for=;"),
            ("X-Request-Id", b"\xff"),
            ("X-Request-Id", b"x" * 9999),
        ),
    ]:
        with subtests.test(name=name, value=value[:20]):
            headers = {name: value, "X-ApiKey": api.key}
            for verb in ("GET", "POST"):
                reply = await api.http.request(verb, f"{api.base}/GetCaseInfo?CaseID=7", headers=headers)
                assert reply.status_code == 200, reply.text
                assert reply.json()["CaseID"] == 7
                assert reply.headers["x-request-id"].isascii()


# What client libraries refuse to send goes through a socket to a real server.

KEY = "0d4852a98cbf4c8csb0cdee1b6f31e95f"
BASE = "/PredictiveDialer"
NOTE = b'{"CaseID":7,"Note":"n"}'
INFO = f"GET {BASE}/GetCaseInfo?CaseID=7"


@dataclass(frozen=True)
class Live:
    """A server in a process of its own, and its firm's case 7."""

    server: Server
    store_url: str
    http: httpx.Client
    case: dict[str, Any]

    def exchange(self, payload: bytes, half_close: bool = False) -> bytes:
        """Send these bytes; return all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE) as connection:
            received = b""
            with suppress(ConnectionError):  # whoever is refused early may find the door closed
                connection.sendall(payload)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            with suppress(ConnectionError):
                while part := connection.recv(65536):
                    received += part
            return received

    def assert_well(self) -> None:
        """Check that the server answers, and that case 7 shows what it showed at first."""
        reply = self.http.get(f"{BASE}/GetCaseInfo?CaseID=7")
        assert (reply.status_code, reply.json()) == (200, self.case)

    def faults(self) -> int:
        """How many requests ended as a fault of ours, seen by their client or not."""
        text = self.http.get("/metrics").text
        return sum(
            int(float(line.rpartition(" ")[2]))
            for line in text.splitlines()
            if line.startswith("casedial_requests_total") and 'outcome="InternalError"' in line
        )


@pytest.fixture(scope="module", params=DATABASES)
def live(
    request: pytest.FixtureRequest,
    templates: dict[str, Any],
    postgres: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Live]:
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("raw") / "casedial.db"
        shutil.copy(templates["sqlite"], file)
        url = f"sqlite:///{file}"
    else:
        postgres.copy(templates["postgresql"], "raw_input")
        url = postgres.url("raw_input")

    async def prepare() -> None:
        store = Store(url)
        office = await make_office(store)
        async with store.write() as tx:
            await add_key(tx, await office.firm(), "Acme Dialer", NOW, KEY)
        await office.add(7, phones=(Phone("Cell", NUMBER),))
        await store.close()

    asyncio.run(prepare())
    with (
        Server(url, CASEDIAL_LOG_LEVEL="error") as server,
        httpx.Client(verify=False, base_url=server.url, headers={"X-ApiKey": KEY}, timeout=PATIENCE) as http,
    ):
        yield Live(server, url, http, http.get(f"{BASE}/GetCaseInfo?CaseID=7").json())
    if request.param == "postgresql":
        postgres.drop("raw_input")


@pytest.fixture
def unharmed(live: Live) -> Iterator[None]:
    """After the test the server answers, and nothing was noted, recorded or claimed."""
    yield
    live.assert_well()

    async def look() -> tuple[Role | None, list[Any], list[Any]]:
        store = Store(live.store_url)
        office = Office(store, "Lex & Partners", KEY)
        found = await office.role(7), await office.history(7), await office.notes(7)
        await store.close()
        return found

    assert asyncio.run(look()) == (Role.TO_DIAL, [], [])


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


def raw(line: str | bytes, *headers: str | bytes, body: bytes = b"") -> bytes:
    """A request with a key. Its headers are sent as they are."""
    lines = [line if b"HTTP/" in _bytes(line) else _bytes(line) + b" HTTP/1.1", "Host: x", f"X-ApiKey: {KEY}", *headers]
    return b"\r\n".join(map(_bytes, lines)) + b"\r\n\r\n" + body


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def post(method: str, *headers: str | bytes, body: bytes = NOTE) -> bytes:
    return raw(f"POST {BASE}/{method}", *headers, body=body)


def cut_off() -> Iterator[tuple[str, bytes]]:
    """Bodies whose end never comes. What has come would do as a whole: it must not be taken for one."""
    for method in GOOD_JSON:
        for content_type, text in ((JSON, GOOD_JSON[method]), (FORM, GOOD_FORM[method])):
            headers = f"Content-Type: {content_type}", f"Content-Length: {len(text) + 20}"
            yield f"{method} {content_type}", post(method, *headers, body=text.encode())
    yield "nothing yet", post("AddCaseNote", "Content-Length: 20", body=b"")
    for chunk in (b"17\r\n" + NOTE + b"\r\n", b"17\r\n" + NOTE, b"ff\r\n" + NOTE, b"1", b""):
        yield f"chunked {chunk!r}", post("AddCaseNote", "Transfer-Encoding: chunked", body=chunk)


@pytest.mark.usefixtures("unharmed")
def test_bodies_that_are_cut_off(live: Live, subtests: pytest.Subtests) -> None:
    for name, payload in cut_off():
        with subtests.test(name):
            received = live.exchange(payload, half_close=True)
            assert statuses(received) in ([], [400])
            assert not received or b"application/problem+json" in received
            live.assert_well()


@pytest.mark.usefixtures("unharmed")
def test_clients_that_go_away(live: Live) -> None:
    """Whoever resets the connection sees no reply, but it must not be counted as a fault of ours, either."""
    before = live.faults()
    for _, payload in cut_off():
        with socket.create_connection(("127.0.0.1", live.server.port), timeout=PATIENCE) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(payload)
            time.sleep(0.01)  # for the server to begin
    live.assert_well()
    assert live.faults() == before


CLOSE = "Connection: close"
CHUNKED = "Transfer-Encoding: chunked"
HUGE = b"x" * (3 * MIB)
LENGTHS = ["-1", "abc", "+23", "0x17", "23, 24", "2 3", "23.0", "", "9" * 30, "18446744073709551616"]
CHUNKS = [
    *(
        size + b"\r\n" + NOTE + b"\r\n0\r\n\r\n"
        for size in (b"zz", b"-17", b"17 17", b"F" * 17, b"0x17", b"5", b"\xff")
    ),
    *(b"17\r\n" + NOTE + end for end in (b"0\r\n\r\n", b"\r\nzz\r\n\r\n", b"\r\n\xff\r\n\r\n")),
    *(NOTE + b"\r\n\r\n", b"\r\n\r\n", b"\0\r\n\r\n"),
]
LINES = [
    *(
        "GET",
        "GET ",
        "/",
        " ",
        "\0",
        "GET / HTTP/9.9",
        "GET / HTTP/1.1 x",
        "GET / http/1.1",
        "HTTP/1.1 200 OK",
        b"\xff\xfe",
    ),
    *("P\0ST /", "G(T /", "CONNECT x:1 HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1", b"POST\xff /"),
    *(INFO + bad for bad in ("\0", " 8 HTTP/1.1", "&a=\0 HTTP/1.1", "&a=\x01", "&a=\x7f", "7" * 200_000)),
    *(INFO.replace("GetCaseInfo", bad) for bad in ("\0", "Get\0CaseInfo", "Get CaseInfo", "%00", "a" * 200_000)),
    *("X" * 100_000 + " / HTTP/1.1", INFO.encode() + b"&a=\xff"),
]
HEADERS = [
    *("X-A: a\0b", "X-A: \x01", "X-A: \x7f", "X\0A: a", "X A: a", "X-A : a", ": a", "X-A", b"\xff: a", b"X\xc3\xa9: a"),
    *("X-A: a\r\n b", "X-A: " + "a" * 1_000_000, f"X-{'A' * 100_000}: a", "\r\n".join(["X: y"] * 10_000)),
    *(f"X-ApiKey: {KEY[::-1]}", b"X-ApiKey: \xff"),  # beside the right one, which may not win
]
KEYS = [b"\xff" * 32, b"\xc3\xa9" * 16, KEY.encode() + b"\xff", b"\t", b"", KEY.encode() + b"\0", b"k" * 60_000]
BODIES = [
    *(NOTE.replace(b'"n"', bad) for bad in (b'"\0"', b'"\xff"', b'"\n"', b'"\\ud800"', b"NaN", b"\0", b"[" * 100_000)),
    *(NOTE + b"\0", b"\0" + NOTE, b"\0", b"\xff\xfe" + NOTE, b"\x1f\x8b\x08\0\0\0\0\0", bytes(range(256))),
]
FORMS = [b"CaseID=7&Note=\0", b"CaseID=7&Note=n\xff", b"CaseID=7&Note=n&\0=1", b"CaseID=7&Note=n&%00", b"\0"]
TYPES = [b"\xff", b"application/\xff", b"text/plain", b"multipart/form-data; boundary=\xff"]
HUGE = b"x" * (3 * MIB)
# Complete requests, none of which may be answered with anything but 4xx, or with a close.
REFUSED: dict[str, list[bytes]] = {
    "lengths": [
        *(post("AddCaseNote", f"Content-Length: {length}", CLOSE) for length in LENGTHS),
        post("AddCaseNote", "Content-Length: 23", "Content-Length: 24", CLOSE),
        post("AddCaseNote", "Content-Length: 9", CLOSE),
        post("AddCaseNote", "Content-Length: 9"),  # and the rest is taken for the next request
        post("AddCaseNote", CLOSE),
    ],
    "too large": [
        post("AddCaseNote", f"Content-Length: {len(HUGE)}", CLOSE, body=HUGE),
        post("AddCaseNote", f"Content-Length: {len(HUGE)}", CLOSE),
        post("AddCaseNote", f"Content-Length: {len(HUGE)}", "Expect: 100-continue", CLOSE),
        post("AddCaseNote", f"Content-Length: {2**62}", CLOSE),
        post("AddCaseNote", CHUNKED, CLOSE, body=b"300000\r\n" + HUGE + b"\r\n0\r\n\r\n"),
    ],
    "chunks": [
        *(post("AddCaseNote", CHUNKED, CLOSE, body=body) for body in CHUNKS),
        *(
            post("AddCaseNote", f"Transfer-Encoding: {c}", CLOSE)
            for c in ("gzip", "identity", "chunked, gzip", "x", "\0")
        ),
    ],
    "request lines": [
        *(raw(line, CLOSE) for line in LINES),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",  # HTTP/2
        b"GET /\r\n",  # HTTP/0.9
        b"\0" * 10_000,
        bytes(range(256)) * 100,
    ],
    "headers": [
        *(raw(INFO, header, CLOSE) for header in HEADERS),
        *(raw(INFO, CLOSE).replace(KEY.encode(), key) for key in KEYS),
    ],
    "bodies": [
        *(post("AddCaseNote", f"Content-Length: {len(body)}", CLOSE, body=body) for body in BODIES),
        *(
            post("AddCaseNote", f"Content-Type: {FORM}", f"Content-Length: {len(body)}", CLOSE, body=body)
            for body in FORMS
        ),
        *(post("AddCaseNote", b"Content-Type: " + sent, "Content-Length: 23", CLOSE) for sent in TYPES),
    ],
}


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("group", REFUSED)
def test_what_no_client_library_sends(live: Live, subtests: pytest.Subtests, group: str) -> None:
    before = live.faults()
    for payload in REFUSED[group]:
        with subtests.test(repr(payload.partition(KEY.encode())[2][:100] or payload[:100])):
            received = live.exchange(payload)
            found = statuses(received)
            assert all(400 <= status < 500 for status in found), received[:1000]
            assert bool(found) == bool(received)  # no reply at all, or one that can be read
            if group == "bodies":
                assert found in ([400], [415])
                assert b"application/problem+json" in received
            if group == "too large":  # to who is still sending, the close may come before the reply
                assert found == [413] or (HUGE in payload and not found)
            live.assert_well()
    assert live.faults() == before


@pytest.mark.usefixtures("unharmed")
def test_what_follows_a_good_request(live: Live, subtests: pytest.Subtests) -> None:
    """The good one is answered; what comes behind it on the same connection is refused, or the connection closed."""
    good = raw(INFO)
    for name, after in {
        "nothing more": b"GARBAGE\r\n\r\n",
        "binary": bytes(range(256)),
        "a bad one": raw(f"GET {BASE}/GetCaseInfo?CaseID=%00", CLOSE),
        "no key": f"{INFO} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
        "cut off": post("AddCaseNote", "Content-Length: 50"),
    }.items():
        with subtests.test(name):
            found = statuses(live.exchange(good + after, half_close=name == "cut off"))
            assert found[:1] == [200] or (name == "cut off" and not found)
            assert all(400 <= status < 500 for status in found[1:])
    with subtests.test("two good ones"):
        received = live.exchange(good + raw(INFO, CLOSE))
        assert statuses(received) == [200, 200]
    with subtests.test("a bad one first"):
        found = statuses(live.exchange(post("AddCaseNote", "Content-Length: 1", body=b"{") + raw(INFO, CLOSE)))
        assert found in ([400], [400, 200])


async def test_a_length_of_many_digits(api: Api) -> None:
    """Longer than Python reads; servers in front of casedial refuse it, most likely."""
    headers = {"X-ApiKey": api.key, "Content-Length": "9" * 5000}
    reply = await api.http.post(f"{api.base}/GetCaseInfo", content=b"{}", headers=headers)
    assert_problem(reply, 413, "BodyTooLarge")
