"""A reader of the feed in a process of its own, as a firm would write it: the standard library only, and a file.

``python -m tests.chaos.reader CONFIG`` goes on from the last whole line of its file, which has a page's events and the
cursor behind them. It may be killed at any moment. Told to end, it reads what there is and ends.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

REST = 0.3  # seconds after a page that did not come
ANSWER_SECONDS = 15


class Reader:
    """Reads page after page."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._chance = random.Random()
        self._path = Path(config["journal"])
        self.told_to_end = threading.Event()

    def run(self) -> None:
        cursor = self._go_on()
        with self._path.open("a", encoding="utf-8") as file:
            while True:
                is_last = self.told_to_end.is_set()
                page = self._page(cursor, 0 if is_last else self._chance.choice((0, 1, 3)))
                if page is None:
                    time.sleep(REST)
                    continue
                if page["Events"]:
                    file.write(json.dumps({"events": page["Events"], "cursor": page["Cursor"]}) + "\n")
                    file.flush()
                cursor = page["Cursor"]
                if is_last and not page["Events"] and not page["More"] and not self._is_behind(cursor):
                    return

    def _is_behind(self, cursor: str) -> bool:
        """Tell whether there is something after all: one who wrote was not through yet."""
        time.sleep(REST)
        page = self._page(cursor, 1)
        return page is None or bool(page["Events"])

    def _go_on(self) -> str | None:
        """Return the cursor of the last whole line; what was cut when the reader was killed goes."""
        whole = self._path.read_bytes() if self._path.exists() else b""
        lines = whole[: whole.rfind(b"\n") + 1]
        self._path.write_bytes(lines)
        return str(json.loads(lines.splitlines()[-1])["cursor"]) if lines else None

    def _page(self, cursor: str | None, seconds: int) -> Any:
        """Return a page, None where none came whole."""
        asked: dict[str, object] = {"Limit": self._chance.choice((1, 20, 200, 1000)), "Wait": seconds}
        if cursor:
            asked["After"] = cursor
        host, port = self._chance.choice(self._config["servers"])
        connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
        try:
            connection.request(
                "GET", f"/v1/changes?{urllib.parse.urlencode(asked)}", headers={"X-ApiKey": self._config["key"]["key"]}
            )
            reply = connection.getresponse()
            body = reply.read()
            if reply.status == 200 and reply.getheader("Content-Length", "").isdigit():
                return json.loads(body)
            if reply.status not in (200, 503):
                raise RuntimeError(f"the feed answers {reply.status}: {body.decode()[:300]}")
        except (OSError, http.client.HTTPException, ValueError):
            pass
        finally:
            connection.close()
        return None


def main(config: Path) -> None:
    reader = Reader(json.loads(config.read_text()))
    signal.signal(signal.SIGTERM, lambda *_: reader.told_to_end.set())
    reader.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
