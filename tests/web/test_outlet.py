"""Lines that are never waited for: whole, in order, dropped and counted where nobody takes them."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from contextlib import suppress

import pytest

from casedial.web import outlet
from casedial.web.outlet import Outlet
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def pipe() -> tuple[int, int]:
    """A pipe that holds a page, and stays open: the thread of an outlet outlives its test."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    return reading, writing


def test_lines_come_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stream = Outlet(writing)
    sent = [f"line {number} {'é' * (number % 90)}\n" for number in range(2000)]
    for line in sent:
        stream.write(line)
    got = b""
    while len(got) < len("".join(sent).encode()):
        got += os.read(reading, 1 << 16)
    assert got.decode() == "".join(sent)
    assert stream.dropped == 0


def test_what_nobody_takes_is_dropped_counted_and_told(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stream = Outlet(writing)
    for number in range(20_000):
        stream.write(f"line {number}\n")
    stream.finish()  # which waits a moment for the reader, not for ever
    assert stream.dropped > 10_000
    got, whole, told = b"", list[bytes](), list[int]()

    def is_all_told() -> bool:
        nonlocal got, whole, told
        with suppress(BlockingIOError):
            got += os.read(reading, 1 << 16)
        whole = got[: got.rfind(b"\n") + 1].splitlines()
        told = [json.loads(line)["lines"] for line in whole if line.startswith(b"{")]
        return len(whole) - len(told) + sum(told) >= 20_000

    os.set_blocking(reading, False)
    wait_until(is_all_told)
    assert sum(told) == stream.dropped  # in one line, or several where the machine paused
    assert len(whole) - len(told) + stream.dropped == 20_000


def test_a_long_line_is_cut_and_what_cannot_be_encoded_is_written(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stream = Outlet(writing)
    stream.write("x" * 10_000 + "\n")
    stream.write("\ud800\n")
    stream.finish()
    got = os.read(reading, 1 << 16) + os.read(reading, 1 << 16)
    assert got == b"x" * 4095 + b"\n" + b"\\ud800\n"


def test_a_process_that_is_forked_writes_its_own_lines_only(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "LAST_SECONDS", PATIENCE)
    reading, writing = pipe
    stream = Outlet(writing)
    stream.write("parent\n")
    child = os.fork()
    if child == 0:
        stream.write("child\n")
        stream.finish()
        os._exit(0)
    os.waitpid(child, 0)
    stream.finish()
    assert sorted(os.read(reading, 1 << 16).splitlines()) == [b"child", b"parent"]


def test_several_threads(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    stream = Outlet(writing)
    threads = [threading.Thread(target=lambda: [stream.write(f"{'y' * 50}\n") for _ in range(300)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    got = b""
    while got.count(b"\n") < 1200:
        got += os.read(reading, 1 << 16)
    assert set(got.splitlines()) == {b"y" * 50}
    for thread in threads:
        thread.join()
