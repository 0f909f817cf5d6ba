"""A server that answers as a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FIRM = {
    "Name": "Lex & Partners",
    "TimeZone": "America/Chicago",
    "Campaigns": [],
    "DialerStatuses": {"ToDial": "To Dial", "InTheDialer": "In the Dialer", "DoNotDial": "Do not Dial"},
    "Dispositions": [],
    "Attempts": [],
    "Records": 100,
    "ClaimSeconds": None,
    "Key": {"Vendor": "Acme", "Scopes": ["dial"], "Campaigns": None, "RateLimit": None, "ExpiresAt": None},
}
DONE = {"Succeeded": 1, "Failed": 0, "Results": [{"CaseID": 7, "Success": True}]}


@dataclass(frozen=True)
class Asked:
    verb: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Says:
    """A reply; ``lost`` is one that the connection ends before."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False


LOST = Says(lost=True)


def refusal(status: int, code: str, **headers: str) -> Says:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Says(status, {"code": code, "detail": f"It is {code}.", "status": status}, {"X-Request-Id": "r-1", **named})


class Odd:
    """Listens on loopback until the block ends. ``replies`` are given in turn, the last again and again."""

    def __init__(self, *replies: Says | Callable[[Asked], Says], casedial: bool = True) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self._replies = list(replies)
        self._casedial = casedial
        odd = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                odd.connections += 1
                super().setup()

            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                text = self.rfile.read(size)
                asked = Asked(self.command, self.path, self.headers, json.loads(text) if text else None)
                said = odd.answer(asked)
                if said.lost:
                    self.close_connection = True
                    return
                body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_response(said.status)
                for name, value in {"Content-Length": str(len(body)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self._http.server_port}/PredictiveDialer"

    def answer(self, asked: Asked) -> Says:
        if asked.path == "/v1/firm":
            return (
                Says(body=FIRM) if self._casedial else Says(404, b"<h1>Not found</h1>", {"Content-Type": "text/html"})
            )
        self.asked.append(asked)
        reply = self._replies[0] if len(self._replies) == 1 else self._replies.pop(0)
        return reply(asked) if callable(reply) else reply

    def __enter__(self) -> Odd:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
