"""Messages to real endpoints on loopback: whatever those do, it ends in time and is told in words."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from casedial.domain.destinations import read_networks
from casedial.wire.posting import Poster
from tests.endpoints import Answering, Endpoint, babble, cut, flood, hang, status
from tests.waiting import PATIENCE

HERE = read_networks("127.0.0.0/8")


async def test_a_message_is_brought() -> None:
    async with Endpoint() as endpoint:
        answer = await Poster(HERE)(endpoint.url, {"webhook-id": "msg_1", "content-type": "application/json"}, b"{}")
    assert (answer.status, answer.is_taken) == (200, True)
    [received] = endpoint.received
    assert (received.path, received.body, received.id) == ("/hook", b"{}", "msg_1")
    assert received.headers["host"] == f"127.0.0.1:{endpoint.port}"


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (hang, "no answer within 0.5 s"),
        (cut, "broke off"),
        (babble, "is no reply"),
        (status(500), "it answered 500"),
        (status(302, "Location: http://127.0.0.1:1/"), "redirects are not followed"),
        (status(103), "no reply, or broke off"),  # and nothing behind it
    ],
)
async def test_what_an_endpoint_may_do(does: Answering, told: str) -> None:
    seconds = 0.5 if does is hang else PATIENCE  # all others end it themselves, or are seen to be wrong
    async with Endpoint(does) as endpoint, asyncio.timeout(PATIENCE / 2):
        answer = await Poster(HERE, seconds)(endpoint.url, {}, b"{}")
    assert not answer.is_taken
    assert told in answer.told
    assert len(endpoint.received) == 1  # no redirect was followed, nothing was sent twice


async def test_of_a_reply_little_is_read() -> None:
    async with Endpoint(flood) as endpoint:
        answer = await Poster(HERE, PATIENCE)(endpoint.url, {}, b"{}")
    assert answer.is_taken
    assert answer.seconds < PATIENCE / 2  # it would never end


async def test_a_large_message_to_who_does_not_read() -> None:
    """It ends in time, too."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        answer = await Poster(HERE, 0.5)(f"http://127.0.0.1:{deaf.getsockname()[1]}/", {}, b"x" * 20_000_000)
    assert "no answer within" in answer.told


async def test_nothing_listens() -> None:
    with socket.socket() as held:  # so that nobody else can
        held.bind(("127.0.0.1", 0))
        answer = await Poster(HERE)(f"http://127.0.0.1:{held.getsockname()[1]}/", {}, b"")
    assert answer.told == "nothing listens there"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"]
)
async def test_nothing_goes_inside_however_it_is_written(host: str) -> None:
    async with Endpoint() as endpoint:
        answer = await Poster()(f"http://{host}:{endpoint.port}/hook", {}, b"{}")
        assert answer.status is None
        assert "inside the network" in answer.told
        await asyncio.sleep(0)
    assert endpoint.received == []


def resolving(monkeypatch: pytest.MonkeyPatch, *turns: list[str]) -> list[str]:
    """Have a name resolve to these addresses, one list after the other; return the names that were asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look(host: Any, port: Any, *more: Any, **how: Any) -> Any:
        if host != "firm.example":
            return real(host, port, *more, **how)
        found = turns[min(len(asked), len(turns) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look)
    return asked


async def test_one_address_inside_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["93.184.215.14", "127.0.0.1"])
    async with Endpoint() as endpoint:
        answer = await Poster()(f"https://firm.example:{endpoint.port}/", {}, b"{}")
    assert "127.0.0.1, an address inside the network" in answer.told
    assert endpoint.received == []


async def test_a_name_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it resolves to a moment later, when the first address was judged, is not gone to."""
    asked = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    async with Endpoint() as endpoint:
        answer = await Poster(read_networks("127.0.0.1"))(f"http://firm.example:{endpoint.port}/", {}, b"{}")
    assert answer.is_taken
    assert asked == ["firm.example"]
    assert endpoint.received[0].headers["host"] == f"firm.example:{endpoint.port}"


async def test_the_next_address_where_the_first_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    async with Endpoint() as endpoint:
        assert (await Poster(HERE)(f"http://firm.example:{endpoint.port}/", {}, b"{}")).is_taken


async def test_a_resolver_that_hangs_holds_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    real, answers = socket.getaddrinfo, threading.Event()

    def look(host: Any, *more: Any, **how: Any) -> Any:
        if host == "slow.example":
            answers.wait(2 * PATIENCE)
            raise socket.gaierror
        return real(host, *more, **how)

    monkeypatch.setattr(socket, "getaddrinfo", look)
    post = Poster(HERE, PATIENCE)
    slow = [asyncio.create_task(post("https://slow.example/", {}, b"")) for _ in range(20)]
    async with Endpoint() as endpoint:
        assert (await post(endpoint.url, {}, b"{}")).is_taken
    assert not any(one.done() for one in slow)
    assert (await Poster(HERE, 0.3)("https://slow.example/", {}, b"")).told == "there was no answer within 0.3 s"
    answers.set()
    assert {(await one).told for one in slow} == {"its name does not resolve"}


async def test_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Endpoint() as proxy, Endpoint() as endpoint:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await Poster(HERE)(endpoint.url, {}, b"{}")).is_taken
        assert proxy.received == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and its certificate for firm.example, in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    made = folder / "made.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=firm.example"
    files = ["-keyout", str(made), "-out", str(folder / "c")]
    parts = [*command.split(), "-addext", "subjectAltName=DNS:firm.example", *files]
    subprocess.run(parts, check=True, capture_output=True)
    made.write_bytes(made.read_bytes() + (folder / "c").read_bytes())
    return made


async def test_encrypted_for_the_name_at_the_address_that_was_judged(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    names: list[str | None] = []
    context.sni_callback = lambda connection, name, its_context: names.append(name)
    async with Endpoint(context=context) as endpoint:
        url = f"https://firm.example:{endpoint.port}/hook"
        assert "its certificate is not trusted" in (await Poster(HERE)(url, {}, b"{}")).told
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        answer = await Poster(HERE)(url, {}, b"{}")
        assert answer.is_taken, answer.told
        wrong = await Poster(HERE)(f"https://127.0.0.1:{endpoint.port}/hook", {}, b"{}")
        assert "its certificate is not trusted" in wrong.told
        plain = await Poster(HERE)(f"http://127.0.0.1:{endpoint.port}/hook", {}, b"{}")
        assert plain.status is None
    assert len(endpoint.received) == 1
    assert set(names) == {"firm.example", None}
