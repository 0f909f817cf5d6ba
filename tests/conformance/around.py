"""Our own server made wrong: a proxy in front of it that spoils one thing. Each fails one check, named in ``fails``."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.servers import connected


@dataclass(frozen=True)
class Asked:
    verb: str
    path: str
    headers: Mapping[str, str]
    body: Any

    @property
    def method(self) -> str:
        return urlsplit(self.path).path.rpartition("/")[2]


@dataclass(frozen=True)
class Told:
    status: int
    headers: Mapping[str, str]
    body: Any


class Around:
    """Listens on loopback until the block ends, and passes everything on but what a subclass spoils."""

    fails = ""

    def __init__(self, server: str) -> None:
        self._server = connected(base_url=server)
        around = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16

            def do_GET(self) -> None:
                text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, self.path, dict(self.headers), json.loads(text) if text else None)
                told = around.reply(asked)
                body = json.dumps(told.body).encode()
                self.send_response(told.status)
                for name, value in {**told.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._http.server_port}/PredictiveDialer"

    def __enter__(self) -> Around:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._server.close()

    def reply(self, asked: Asked) -> Told:
        return self.passed_on(asked)

    def passed_on(self, asked: Asked) -> Told:
        kept = ("x-apikey", "content-type", "idempotency-key", "x-claim-id", "x-strict")
        headers = {name: value for name, value in asked.headers.items() if name.lower() in kept}
        content = None if asked.body is None else json.dumps(asked.body).encode()
        reply = self._server.request(asked.verb, asked.path, headers=headers, content=content)
        told = {name: value for name, value in reply.headers.items() if name.startswith("x-") or name == "content-type"}
        return Told(reply.status_code, told, reply.json())

    def case(self, asked: Asked, case_id: Any) -> dict[str, Any]:
        """A case, as whoever asks for it sees it."""
        headers = {name: value for name, value in asked.headers.items() if name.lower() == "x-apikey"}
        body: dict[str, Any] = self.passed_on(
            Asked("GET", f"/PredictiveDialer/GetCaseInfo?CaseID={case_id}", headers, None)
        ).body
        return body


class ForgetsTheFaxRule(Around):
    fails = "no-fax-is-given-out"

    def reply(self, asked: Asked) -> Told:
        told = self.passed_on(asked)
        if asked.method == "GetCaseInfo" and told.status == 200 and told.body["CaseID"] == 101:
            fax = {"PhoneName": "Office fax", "Phone": "4025550199", "Primary": False, "Text": False}
            return replace(told, body=told.body | {"Phones": [*told.body["Phones"], fax]})
        return told


class RollsAWholeBatchBack(Around):
    fails = "a-bad-item-fails-alone"

    def reply(self, asked: Asked) -> Told:
        if asked.method == "UpdateCaseStatus" and len(asked.body["Cases"]) > 1:
            for item in asked.body["Cases"]:
                if "CaseID" not in self.case(asked, item["CaseID"]):
                    return self.passed_on(replace(asked, body={"Cases": [item]}))
        return self.passed_on(asked)


class ForgetsIdempotencyKeys(Around):
    fails = "a-repeat-claims-nothing-new"

    def reply(self, asked: Asked) -> Told:
        return self.passed_on(replace(asked, headers=without(asked.headers, "idempotency-key")))


class FencesNobody(Around):
    fails = "a-lost-claim-changes-nothing"

    def reply(self, asked: Asked) -> Told:
        return self.passed_on(replace(asked, headers=without(asked.headers, "x-claim-id")))


class IsNeverStrict(Around):
    fails = "strict-refuses-what-is-unknown"

    def reply(self, asked: Asked) -> Told:
        return self.passed_on(replace(asked, headers=without(asked.headers, "x-strict")))


class SaysNotWhy(Around):
    fails = "a-refusal-says-why"

    def reply(self, asked: Asked) -> Told:
        told = self.passed_on(asked)
        return told if told.status < 400 else Told(told.status, {}, {"error": "something went wrong"})


class IgnoresTheDueTime(Around):
    fails = "future-is-not-returned"

    def reply(self, asked: Asked) -> Told:
        told = self.passed_on(asked)
        if asked.method != "GetCasesToDial" or asked.verb != "GET" or "Conformance" not in asked.path:
            return told
        early = [self.case(asked, case_id) for case_id in range(101, 111)]
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        return replace(
            told,
            body=told.body
            + [case for case in early if case["DialerStatus"] == "To Dial" and case["DialDateTime"] > now],
        )


class GivesAReplyTwice(Around):
    """Claims that come one behind the other get the same reply, as from a cache that all else clears."""

    fails = "nobody-gets-a-claimed-case"

    def __init__(self, server: str) -> None:
        super().__init__(server)
        self._lock, self._last = threading.Lock(), Told(200, {}, [])

    def reply(self, asked: Asked) -> Told:
        with self._lock:
            if asked.method != "GetCasesToDial" or asked.verb != "POST" or "Idempotency-Key" in asked.headers:
                self._last = Told(200, {}, [])
                return self.passed_on(asked)
            if not self._last.body:
                self._last = self.passed_on(asked)
            return self._last


class LosesAttemptsWhenAbsent(Around):
    fails = "omitted-attempts-stay"

    def reply(self, asked: Asked) -> Told:
        if asked.method == "UpdateCaseStatus":
            items = [
                item if set(item) != {"CaseID", "Status", "NextCall"} else item | {"Attempts": 0}
                for item in asked.body["Cases"]
            ]
            asked = replace(asked, body={"Cases": items})
        return self.passed_on(asked)


def without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {own: value for own, value in headers.items() if own.lower() != name}


def every() -> list[type[Around]]:
    return Around.__subclasses__()
