"""Requests as the published text has them, with nothing that only casedial knows, and a record of what came back."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from casedial_client.conformance.options import Wanted

_READS = ("GetCasesToDial", "GetCaseInfo")
_SHOWN = 1500  # characters of a reply
_LONGEST_WAIT, _MOST_WAITS = 60, 3  # seconds, where a key is limited to so many requests a minute
_NUMBER = re.compile(r'("Phone"\s*:\s*")([^"]*)(")')


class NotJson:
    """What a body is that is not JSON."""


NOT_JSON = NotJson()


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and its reply; ``status`` is 0 where none came, and ``body`` says why."""

    verb: str
    url: str
    sent: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        """Return the body, read as JSON; NOT_JSON where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (ValueError, RecursionError):
            return NOT_JSON

    @property
    def is_done(self) -> bool:
        """Tell whether the server said that it did it."""
        return 200 <= self.status < 300

    @property
    def is_refused(self) -> bool:
        """Tell whether the server said that the request is wrong, and not that it is in trouble itself."""
        return 400 <= self.status < 500

    @property
    def results(self) -> dict[int, bool] | None:
        """Return what became of each case of a write; None from a server that does not say."""
        document = self.document
        listed = document.get("Results") if isinstance(document, dict) else None
        if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
            return None
        return {number: item.get("Success") is True for item in listed if (number := whole(item.get("CaseID")))}

    def request(self) -> str:
        """Show what was sent; the key is never shown."""
        return f"{self.verb} {self.url}{f'  {self.sent}' if self.sent else ''}"

    def reply(self) -> str:
        """Show what came back. Of a number only the last two digits are shown: it may be anybody's."""
        if not self.status:
            return f"no reply: {self.body.decode()}"
        text = _NUMBER.sub(lambda found: found[1] + _masked(found[2]) + found[3], self.body.decode("utf-8", "replace"))
        cut = f"{text[:_SHOWN]}… ({len(text)} characters)" if len(text) > _SHOWN else text
        return f"{self.status} {cut or '(no body)'}"


def whole(value: Any) -> int | None:
    """Return a CaseID, also one that came as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return int(value) if re.fullmatch(r"\d{1,19}", str(value), re.ASCII) else None


def _masked(number: str) -> str:
    return re.sub(r"\d(?=.*\d.*\d)", "•", number)


class Wire:
    """One server, one key. Threads may share it."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        verify = httpx.create_ssl_context() if wanted.url.startswith("https:") else False
        self._http = httpx.Client(timeout=wanted.timeout, verify=verify)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(
        self,
        method: str,
        parameters: Mapping[str, Any],
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Call a method. ``key`` is the vendor's own unless another is given; None sends no X-ApiKey at all."""
        keyed = {} if key is None else {"X-ApiKey": key or self._wanted.key}
        sent = {"Accept": "application/json", **keyed, **(headers or {})}
        url = self._url(method)
        claims = str(parameters.get("Auto-change", "")).lower() == "true"
        default = "GET" if method in _READS and not claims else "POST"
        verb = self._wanted.verbs.get(method, default)
        if verb == "GET" and "Cases" not in parameters:
            query = {
                name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items()
            }
            return self._send(verb, str(httpx.URL(url, params=query) if query else url), sent)
        body = msgspec.json.encode(parameters)
        return self._send(verb, url, {**sent, "Content-Type": "application/json"}, body)

    def get(self, path: str) -> Exchange:
        """Get a path from the root of the server, which the published text does not know."""
        root = httpx.URL(self._wanted.url).join("/")
        return self._send("GET", str(root.join(path)), {"X-ApiKey": self._wanted.key})

    def _url(self, method: str) -> str:
        path = self._wanted.paths.get(method, method)
        return str(httpx.URL(self._wanted.url).join(path)) if path.startswith("/") else f"{self._wanted.url}/{path}"

    def _send(self, verb: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Exchange:
        for _ in range(_MOST_WAITS):
            try:
                reply = self._http.request(verb, url, headers=headers, content=body or None)
            except httpx.HTTPError as error:
                return Exchange(verb, url, body.decode(), 0, {}, (str(error) or type(error).__name__).encode())
            after = reply.headers.get("Retry-After", "")
            if reply.status_code != 429 or not after.isdigit() or int(after) > _LONGEST_WAIT:
                break
            time.sleep(int(after))
        return Exchange(verb, url, body.decode(), reply.status_code, reply.headers, reply.content)
