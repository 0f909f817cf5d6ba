"""A dialer in a process of its own, written with the standard library only: claims until nothing is due.

``python claimer.py URL KEY RECORDS…`` says when it is ready, and begins when its standard input ends. It prints the
batches it got as JSON, or the first reply that was not a list.
"""

from __future__ import annotations

import http.client
import itertools
import json
import sys
from urllib.parse import urlsplit


def main(url: str, key: str, *records: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    connection.connect()
    print("ready", flush=True)
    sys.stdin.read()
    batches: list[list[int]] = []
    for count in itertools.cycle(map(int, records)):
        body = json.dumps({"Records": count, "Auto-change": True})
        headers = {"X-ApiKey": key, "Content-Type": "application/json"}
        connection.request("POST", f"{parts.path}/GetCasesToDial", body, headers)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        if reply.status != 200:
            print(json.dumps({"status": reply.status, "answer": answer}))
            return
        if not answer:
            break
        batches.append([case["CaseID"] for case in answer])
    print(json.dumps(batches))


if __name__ == "__main__":
    main(*sys.argv[1:])
