"""What a worker does as soon as it is told to stop: the server waits for all requests, and some of them only wait."""

from __future__ import annotations

import signal
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Any

from granian import _signals

_then: list[Callable[[], None]] = []


def when_told(do: Callable[[], None]) -> None:
    """Have something done in the worker's loop as soon as it is told to stop."""
    _then.append(do)


def listen() -> None:
    """Have a worker that is about to start do that: the server library keeps the signal to itself."""
    begin = _signals.set_loop_signals

    def set_loop_signals(loop: AbstractEventLoop) -> Any:
        event = begin(loop)  # type: ignore[no-untyped-call]

        def tell() -> None:
            event.set()
            for do in _then:
                do()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, tell)
        return event

    _signals.set_loop_signals = set_loop_signals
