"""What requests are made of: good values, and those that break readers. The JSON ones are raw JSON text."""

from __future__ import annotations

BASE = b"/PredictiveDialer"
KEY = b"fuzz-key-0123456789-abcdefghij"  # the vendor's ClientKey; the same in every run, so that requests are
MANAGE_KEY = b"fuzz-system-0123456789-abcdef"  # of another firm's own system: what it may change is all that firm's
OWN_CASES = range(1, 25)
# Cases that only requests refused by construction ever name: too far from all else for a mutation to reach.
GUARDED_CASES = range(8_123_456_789_012_345_001, 8_123_456_789_012_345_011)
GUARDED_PHONE = "6175550{:03}"

READS = ("GetCasesToDial", "GetCaseInfo")
FIELDS: dict[str, tuple[str, ...]] = {
    "GetCasesToDial": ("Campaign", "CaseGroup", "Records", "Auto-change"),
    "GetCaseInfo": ("CaseID",),
    "UpdateCaseStatus": ("CaseID", "Status", "NextCall", "Attempts", "Disposition"),
    "AddCaseNote": ("CaseID", "Note"),
    "AddCaseNoteByPhone": ("Phone", "Note"),
    "ExtendClaim": ("ClaimID", "CaseID", "Seconds"),
    "ReleaseClaim": ("ClaimID", "CaseID"),
}
REQUIRED = {"CaseID", "Note", "Phone", "ClaimID"}
# Stands for the newest claim that a server has made; put in its place when a request is sent.
LIVE_CLAIM = "1cfeadda-5a4e-4a43-9d3c-0c1a1b1e0000"

DISPOSITIONS = ("Straße", "İptal", "Kelvin", "ﬁle", "ΟΔΟΣ")  # names on which foldings differ
CAMPAIGNS = ("Intake follow-up", "Notification campaign")
GROUPS = ("Asbestos", "ÅNGSTRÖM")

_TIMES = (
    *("2026-05-06T09:00:00", "2020-05-06T09:00:00", "2027-03-14T02:30:00", "2026-11-01T01:30:00"),
    *("2026-11-01T01:30:00-06:00", "2026-05-06T09:00:00Z", "2026-05-06T09:00:00.123456789+0530"),
)
_ODD_TIMES = (
    *("0001-01-01T00:00:00", "0000-00-00T00:00:00", "1899-12-31T23:59:59", "1900-01-01T00:00:00"),
    *("1900-01-01T00:00:00+23:59",),
    *("2079-06-06T23:59:59", "2079-06-06T23:59:59.999999999", "2079-06-07T00:00:00", "2079-06-06T23:59:59-23:59"),
    *("9999-12-31T23:59:59", "9999-12-31T23:59:59-23:59", "10000-01-01T00:00:00", "-001-01-01T00:00:00"),
    *("2026-05-06T24:00:00", "2026-02-29T00:00:00", "2028-02-29T00:00:00", "2026-05-06T09:00:60"),
    *("2026-13-01T00:00:00",),
    *("2026-05-06T09:00:00+24:00", "2026-05-06T09:00:00+99:99", "2026-05-06T09:00:00-00:00"),
    *("2026-05-06T09:00:00 02:00",),
    *("2026-05-06 09:00:00", "2026-05-06", "20260506T090000", "2026-W19-3T09:00:00", "٢٠٢٦-٠٥-٠٦T٠٩:٠٠:٠٠", "now"),
    *("1778058000",),
    *("2026-05-06T09:00:00." + "9" * 31, "2026-05-06T09:00:00." + "9" * 80, "2026-05-06T09:00:00[America/Chicago]"),
)  # fmt: skip
_ODD_NUMBERS = (
    *("0", "-1", "+1", " 7", "7 ", "007", "0x7", "7e0", "1_000", "٧", "７", "²", "1,000", "7.5", "1.0", "१"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "9" * 18, "9" * 19),
    *("2147483648", "4294967296", "9" * 400, "0" * 400 + "7", "9007199254740993", "1e400", "NaN", "Infinity", "true"),
)
_ODD_NAMES = (
    *("to dial", "TO DIAL", " To Dial ", "To\u00a0Dial", "ＴＯ ＤＩＡＬ", "tO dİal", "To Dıal", "To  Dial", "ToDial"),
    *("STRASSE", "straẞe", "strasse", "iptal", "i̇ptal", "IPTAL", "ıptal", "\u212aelvin", "FILE", "ﬁLE", "οδος"),
    *("οδοσ",),
    *("ångström", "A\u030angstro\u0308m", "\u2028", "\ufeff", "\u200dTo Dial", "\u202eTo Dial"),
    *("\U0001f9d1\u200d\U0001f4bb",),
    *("' OR 1=1 --", "%", "_", "To Dial'; DROP TABLE notes; --", "${7*7}", "{{7*7}}", "../../etc/passwd", "\\", '"'),
    *("\x7f",),
    *("<script>alert(1)</script>", "a" * 300, "é" * 5000, "In the Dialer\n", "\tDo not Dial", "%00", "\x1b[2J"),
    *("Intake follow-up",),
)  # fmt: skip
_ODD_PHONES = (
    *("1" * 10, "911", "+1 (402) 555-0007", "14025550007", "4025550007x12", "402.555.0007 ext. 9", "#12", "x"),
    *("tel:+14025550007", "٤٠٢٥٥٥٠٠٠٧", "+44 20 7946 0958", "4" * 64, "4" * 65, "(402) 555-0007" + " " * 60, "--"),
    *("402-KL5-0007",),
)  # fmt: skip
_ODD_FLAGS = ("True", "TRUE", "yes", "no", "on", "2", "-1", "tru", "ｔrue", "truе", "0.0", "1.0", "null", "")
_ODD_SECONDS = ("0", "1", "-5", "86400", "3155760000", "99999999999", "1.5", "")
_UUIDS = (
    LIVE_CLAIM,
    LIVE_CLAIM.upper(),
    LIVE_CLAIM.replace("-", ""),
    "00000000-0000-0000-0000-000000000000",
    "086d3585-3677-443b-814d-4a7f27732f8c",
    "086D35853677443B814D4A7F27732F8C",
    "{086d3585-3677-443b-814d-4a7f27732f8c}",
    "urn:uuid:086d3585-3677-443b-814d-4a7f27732f8c",
    "086d3585-3677-443b-814d-4a7f27732f8",
    "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "０86d3585-3677-443b-814d-4a7f27732f8c",
)

# For each parameter what would do, and what looks as if it did.
GOOD: dict[str, tuple[str, ...]] = {
    "Campaign": CAMPAIGNS,
    "CaseGroup": GROUPS,
    "Records": ("1", "2", "5", "25"),
    "Auto-change": ("true", "false", "1", "0"),
    "CaseID": tuple(map(str, OWN_CASES)),
    "Status": ("To Dial", "To Dial", "In the Dialer", "Do not Dial"),
    "NextCall": _TIMES,
    "Attempts": ("0", "1", "7", "20"),
    "Disposition": ("No Answer", "Successful", *DISPOSITIONS),
    "Note": ("Asked to be called back.", "Wants to sign.", "ünï 😀"),
    "Phone": tuple(f"402555{number:04}" for number in OWN_CASES),
    "ClaimID": (LIVE_CLAIM,),
    "Seconds": ("1", "600", "86400"),
}
ODD: dict[str, tuple[str, ...]] = {
    "Campaign": _ODD_NAMES,
    "CaseGroup": _ODD_NAMES,
    "Records": _ODD_NUMBERS,
    "Auto-change": _ODD_FLAGS,
    "CaseID": _ODD_NUMBERS,
    "Status": _ODD_NAMES,
    "NextCall": _ODD_TIMES,
    "Attempts": _ODD_NUMBERS,
    "Disposition": _ODD_NAMES,
    "Note": (*_ODD_NAMES, "n" * 65_536, "n" * 65_537, "é" * 32_769, " " * 1000),
    "Phone": _ODD_PHONES,
    "ClaimID": _UUIDS,
    "Seconds": (*_ODD_SECONDS, *_ODD_NUMBERS),
}
# Parameters that JSON carries as they are, not as text.
BARE = {"Records", "Auto-change", "CaseID", "Attempts", "Seconds"}

# In the place of any JSON value.
ODD_JSON = (
    *(b"null", b'""', b'" "', b"true", b"false", b"[]", b"{}", b"[[]]", b"[null]", b'{"CaseID":7}', b"[7,7]"),
    *(b"[1,[2]]",),
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1E+999999999", b"1e-400", b"9" * 400),
    *(b"-" + b"9" * 310,),
    *(b"0.1", b"-0", b"-0.0", b"7.0", b"1E2", b"9007199254740993.0", b"-1", b"9223372036854775808", b"9" * 4301),
    *(rb'"\u0000"', rb'"a\u0000b"', rb'"\ud800"', rb'"x\udfff"', rb'"\udc00\ud800"', rb'"\ud83d\ude00"', rb'"\uFFFF"'),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\x00"', b'"a\nb"', rb'"\x"', rb'"\u12"', b"'x'", b"01", b"1."),
    *(b"+1",),
    *(b"tru", b"undefined", b"[1,]", b"[1", b'"x', b"{a:1}", b'{"a":1,}', b"/* */1", b"0x10", b"1_000", b""),
    *(b"\xc2\xa01",),
)  # fmt: skip
DEEP_JSON = (
    b"[" * 5_000 + b"]" * 5_000,
    b"[" * 20_000,
    b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
    b"[" * 900 + b"]" * 900,
)
# In the place of a whole body.
ODD_BODIES = (
    *(b"", b" ", b"null", b"7", b'"x"', b"[]", b"{}", b'{"Cases":[]}', b'{"Cases":null}', b'{"Cases":7}'),
    *(b'{"Cases":[7]}',),
    *(b'{"Cases":[[]]}', b"[null]", b"[[]]", b"[{}]", b'{"Cases":{"CaseID":7}}'),
    *(b'{"cases":[],"Cases":[{"CaseID":7}]}',),
    *(b"{} {}", b"{}\x00", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\x00{\x00}"),
    *(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", b"\x00"),
    *(b"a=b", b"=", b"&", b"&&&=&=", b"CaseID", b"%", b"%zz=%", b"%00=%00", b"a=%ff", b"%ff=a", b"CaseID=7;Note=x"),
    *(b"\xff=\xff",),
    *(b"<?xml version='1.0'?><a/>", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--"),
    *(bytes(range(256)),),
    *(b"[" + b'{"CaseID":7},' * 1000 + b'{"CaseID":7}]', b"[" + b"7," * 2000 + b"7]", b"a=1&" * 10_001),
    *(b"CaseID=7&" * 999,),
)  # fmt: skip
CONTENT_TYPES = (
    *(b"application/json", b"application/x-www-form-urlencoded", b"text/json", b"application/vnd.x+json"),
    *(b"text/plain",),
    *(b"application/json; charset=utf-16", b"APPLICATION/JSON", b"application/json;", b";", b"", b"/"),
    *(b"application/", b"*/*"),
    *(b"multipart/form-data", b"multipart/form-data; boundary=x", b"multipart/form-data; boundary=\xff"),
    *(b"application/x-msgpack",),
    *(b"application/json, application/json", b"\xff", b"application/+json", b"a" * 5_000, b"application/json\t;\tq=1"),
)  # fmt: skip

VERBS = (
    *(b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND", b"QUERY"),
    *(b"get", b"Post", b"GETT", b"G-T", b"M-SEARCH", b"!#$%&'*+-.^_`|~", b"X" * 300, b"PRI", b"1"),
)
# After the verb. Names of methods stand for themselves.
ODD_PATHS = (
    *(b"/", b"//", b"/.", b"/..", b"/docs", b"/docs/", b"/docs/errors", b"/docs/start.js", b"/metrics", b"/healthz"),
    *(b"/readyz", b"/v1", b"/v1/", b"/v1/firm", b"/v1/firm/", b"/v1/firm?x=%00", b"/v1/firm?Name=Other", b"/V1/FIRM"),
    *(b"/v1/firm/1", b"/v1/firms", b"/v1/cases//explain", b"/v1/cases/%00/explain", b"/v1/cases/1/explain?x=1"),
    *(b"/v1/cases/" + b"9" * 400 + b"/explain", b"/v1/preflight?Campaign=%ff", b"/v1/preflight?Compaign=x"),
    *(b"/openapi.json", b"/openapi.json/", b"/schema", b"/favicon.ico", b"*", b"", b"x", b"?", b"/?", b"/#", b"/;"),
    *(b"/%", b"/%zz"),
    *(b"/docs/assets", b"/docs/assets/", b"/docs/assets/%00", b"/docs/assets/\xff", b"/docs/assets/%ff"),
    *(b"/docs/assets/" + b"a" * 300,),
    *(b"/docs/assets/../../../../etc/passwd", b"/docs/assets/..%2f..%2f..%2fetc%2fpasswd"),
    *(b"/docs/assets/%2e%2e/%2e%2e/x", b"/docs/assets//"),
    *(b"/docs/assets//etc/passwd", b"/docs/assets/favicon-32x32.png", b"/docs/assets/favicon-32x32.png/x"),
    *(b"/docs/assets/" + b"a/" * 2_000,),
    *(b"/docs/assets/%ed%a0%80", b"/docs/assets/.", b"/docs/assets/%0d%0a", b"/docs/assets/C:%5cx"),
    *(b"/docs/assets/" + b"%61" * 1_500,),
    *(b"/PredictiveDialer", b"/PredictiveDialer/", b"/PredictiveDialer/Nothing", b"/PredictiveDialer/GetCaseInfo/7"),
    *(b"/PredictiveDialer//GetCaseInfo",),
    *(b"/PredictiveDialer/GetCaseInfo//", b"/PredictiveDialer/./GetCaseInfo", b"/PredictiveDialer/x/../GetCaseInfo"),
    *(b"/predictivedialer/GETCASEINFO",),
    *(b"/PredictiveDialer/Get%43aseInfo", b"/PredictiveDialer%2FGetCaseInfo", b"/PredictiveDialer/GetCaseInfo%00"),
    *(b"/PredictiveDialer/GetCaseInfo%20",),
    *(b"/PredictiveDialer/GetCaseInfo;x=1", b"/PredictiveDialer/GetCaseInf\xc4\xb1"),
    *(b"/PredictiveDialer/GetCaseInfo%C4%B0", b"/\xff", b"/\xc3\xa9"),
    *(b"http://x/PredictiveDialer/GetCaseInfo?CaseID=7", b"http://[::1]:99999/PredictiveDialer/GetCaseInfo"),
    *(b"http://", b"https://a:b@c/"),
    *(b"HTTP://X/PREDICTIVEDIALER/GETCASEINFO", b"x:1", b"ftp://x/y", b"mailto:a@b"),
    *(b"//x/PredictiveDialer/GetCaseInfo", b"\\PredictiveDialer\\GetCaseInfo"),
    *(b"/" + b"a" * 8_000, b"/" + b"a/" * 4_000, b"/" + b"%41" * 2_000, b"/a b", b"/\x01", b"/\x7f", b"/{}"),
    *(b"/{name:path}", b"/<x>", b'/"', b"/^`|"),
)  # fmt: skip
ODD_QUERIES = (
    *(b"?", b"??", b"?&", b"?=", b"?a", b"?a=b=c", b"?%", b"?%zz=1", b"?%00=1", b"?a=%00", b"?%ff", b"?\xff=\xff"),
    *(b"?a=%ed%a0%80", b"?#", b"?a#b"),
    *(b"?CaseID=7&CaseID=8", b"?CaseID=7&case-id=7", b"?CaseID[]=7", b"?CaseID=7%2C8", b"?C%61seID=7", b"?CaseID=+7"),
    *(b"?CaseID=%377", b"?%2543aseID=7"),
    *(b"?Cases=[]", b"?Cases=7", b"?" + b"a=1&" * 3_000, b"?" + b"a" * 8_000, b"?a=" + b"%41" * 2_500),
    *(b"?" + b"&" * 8_000, b"?CaseID=" + b"7" * 5_000),
)  # fmt: skip
ODD_HEADERS = (
    *(b"X-ApiKey: " + KEY, b"x-apikey: " + KEY[::-1], b"X-ApiKey:", b"X-ApiKey: \xff", b"X-ApiKey: " + b"k" * 300),
    *(b"X_ApiKey: " + KEY,),
    *(b"X-ApiKey: cdk_" + b"0" * 38, b"X-ApiKey: " + b"\xc3\xa9" * 16, b"X-ApiKey: a b", b"Authorization: Bearer x"),
    *(b"Cookie: a=b; ;=;\xff",),
    *(b"Content-Type: application/json", b"Content-Type: text/plain", b"Content-Type: \xff"),
    *(b"Content-Encoding: gzip", b"Accept: \xff", b"Accept: text/html"),
    *(b"Accept-Encoding: gzip, br, zstd", b"Accept-Language: " + b"x," * 2_000, b"If-None-Match: *"),
    *(b"If-Modified-Since: x", b"If-Match: \xff", b"Range: bytes=0-1"),
    *(b"Range: bytes=9-1,-5,x", b"Range: bytes=0-18446744073709551616", b"Host: \xff", b"Host:", b"Host: a, b"),
    *(b"Host: x:99999", b"Host: [::1", b"Host: x\xc3\xa9"),
    *(b"Origin: null", b"Origin: \xff", b"Referer: \xff", b"X-Forwarded-For: \xff", b"X-Forwarded-Proto: gopher"),
    *(b"X-HTTP-Method-Override: DELETE", b"X-Original-URL: /x"),
    *(b"X-Request-Id: \xff", b"X-Request-Id: " + b"a" * 5_000, b"Traceparent: 00-" + b"0" * 32 + b"-x-01"),
    *(b"Date: \xff", b"Via: 1.1 x", b"Max-Forwards: -1", b"Pragma: \x80"),
    *(b"X-A: " + b"a" * 20_000, b"\r\n".join(b"X-%d: y" % n for n in range(90)), b"\r\n".join([b"X: y"] * 60)),
    *(b"X" * 5_000 + b": a", b"X-A: \t \t", b"X-A:", b"X-A:a"),
    *(b"Idempotency-Key:", b"Idempotency-Key: \xff", b"Idempotency-Key: " + b"k" * 255),
    *(b"Idempotency-Key: " + b"k" * 256, b"Idempotency-Key: a b", b"Idempotency-Key: a\tb"),
    *(b"Idempotency-Key: a\r\nIdempotency-Key: b", b"Idempotency-Key: same", b"idempotency-key: " + b"\xc3\xa9" * 9),
    *(b'Idempotency-Key: "x"', b"Idempotency-Key: " + b"k" * 9_000),
    *(b"X-Claim-Id:", b"X-Claim-Id: \xff", b"X-Claim-Id: x", *(b"X-Claim-Id: " + uuid.encode() for uuid in _UUIDS)),
    *(b"X-Claim-Id: a\r\nX-Claim-Id: b", b"X-Claim-Id: " + b"0" * 9_000),
    *(b"X-Claim-Seconds:", b"X-Claim-Seconds: 60", b"X-Claim-Seconds: 9", b"X-Claim-Seconds: 604801"),
    *(b"X-Claim-Seconds: \xff", b"X-Claim-Seconds: -1", b"X-Claim-Seconds: 1e9", b"X-Claim-Seconds: " + b"9" * 5_000),
    *(b"X-Claim-Seconds: 60\r\nX-Claim-Seconds: 70", b"X-Claim-Seconds: 6 0", b"X-Claim-Seconds: 60.0"),
    *(b"X-Strict:", b"X-Strict: true", b"X-Strict: 1", b"X-Strict: FALSE", b"X-Strict: \xff", b"X-Strict: maybe"),
    *(b"X-Strict: true\r\nX-Strict: false", b"X-Strict: " + b"t" * 9_000),
)  # fmt: skip
# These change how a message is read to its end, or who reads it: never among others on one connection.
FRAMING_HEADERS = (
    *(b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: +5"),
    *(b"Content-Length: 5, 5", b"Content-Length: 5, 6", b"Content-Length: 0x5"),
    *(b"Content-Length: 99999999999999999999", b"Content-Length: 4611686018427387904", b"Content-Length: 2000000"),
    *(b"Content-Length:", b"Content-Length: a", b"Content-Length: 1 2"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked, chunked"),
    *(b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity"),
    *(b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding : chunked", b"transfer-encoding: CHUNKED"),
    *(b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"TE: trailers"),
    *(b"Expect: 100-continue", b"Expect: 200-ok", b"Expect: \xff", b"Connection: close"),
    *(b"Connection: upgrade\r\nUpgrade: websocket", b"Connection: x-apikey", b"Connection: \xff"),
    *(b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",),
    *(b"Keep-Alive: timeout=0, max=0", b"Trailer: X-ApiKey", b"Connection: keep-alive, close"),
    *(b"X-A: a\0b", b"X-A: \x01", b"X-A: \x7f", b"X A: a", b"X-A : a", b": a", b"X-A", b"\xff: a", b"X-A: a\r\n b"),
    *(b"X-A: a\rb", b"X-A: a\nX-B: b", b"X" * 70_000 + b": a"),
    *(b"X-A: " + b"a" * 500_000, b"\r\n".join([b"X: y"] * 5_000), b"\r\n".join(b"X-%d: y" % n for n in range(200))),
    *(b"Sec-WebSocket-Key: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13",),
)  # fmt: skip
VERSIONS = (
    b"HTTP/1.0",
    b"HTTP/0.9",
    b"HTTP/2.0",
    b"HTTP/1.2",
    b"HTTP/9.9",
    b"http/1.1",
    b"HTTP/1.1 ",
    b"HTTP/1.",
    b"",
    b"HTTP/11",
    b"HTTP/1.1 x",
    b"ICY/1.0",
)
NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"GET /\r\n",
    b"\0" * 1_000,
    b"\r\n" * 500,
    b" " * 500,
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"EHLO x\r\n",
    b"*1\r\n$4\r\nPING\r\n",
    bytes(range(256)) * 4,
    b"",
)
# What a mutation puts in.
TOKENS = (
    *(b"\0", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b"%00", b"%", b"\xff", b"\xc3", b"\xed\xa0\x80", b'"'),
    *(b"\\", rb"\ud800", rb"\u0000"),
    *(b"{", b"}", b"[", b"]", b",", b":", b"null", b"NaN", b"1e400", b"-1", b"9" * 30, b"&", b"=", b"?", b"#", b"/"),
    *(b"..", b";", b"chunked", b"0\r\n\r\n"),
    *(b"HTTP/1.1", b"HEAD ", b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: y\r\n"),
    *(b"X-ApiKey: y\r\n", b"'", b"--", b"\xef\xbb\xbf", b"\xe2\x80\xa8"),
)  # fmt: skip
