"""The dialers' client takes a reply for whole only when it is: wherever a connection is cut."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

import pytest

from tests.chaos.client import Client, Journal, Request
from tests.waiting import PATIENCE

BODY = b'{"Success":true}'
REPLY = b"HTTP/1.1 200 OK\r\nx-claim-id: 7\r\ncontent-length: %d\r\ndate: today\r\n\r\n%s" % (len(BODY), BODY)


def test_a_reply_cut_after_any_byte_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.client.ANSWER_SECONDS", PATIENCE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cuts = range(len(REPLY) + 1)
        server = threading.Thread(target=_answer_each, args=(listener, cuts), daemon=True)
        server.start()
        journal = Journal(tmp_path / "journal")
        office = {"servers": [listener.getsockname()], "base": "/api"}
        key = {"id": 1, "vendor": "Bell", "key": "secret"}
        for cut in cuts:
            client = Client(office, key, journal, random.Random(1))
            reply = client.send(Request("r", "AddCaseNote", {}), cut)
            client.hang_up()
            assert (reply.text.encode() if reply else None) == (BODY if cut == len(REPLY) else None), REPLY[:cut]
        server.join(PATIENCE)
        journal.close()


def _answer_each(listener: socket.socket, cuts: range) -> None:
    """Answer one connection after the other with so much of the reply, then close it."""
    for cut in cuts:
        connection, _ = listener.accept()
        with connection:
            received = b""
            while not received.endswith(b"{}"):
                received += connection.recv(4096)
            connection.sendall(REPLY[:cut])
