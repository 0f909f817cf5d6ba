"""``casedial serve``'s own process: it starts the workers, and starts anew those that die."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LOGGING_CONFIG, LogLevels

from casedial.settings import SUPERVISOR, Settings
from casedial.web import descriptors, outlet, stopping
from casedial.web.counts import COUNTS, Shared
from casedial.web.observe import configure_logging, note_no_start

# How long a client may take for a request's head, an idle connection too, and how large that may be: room for a note
# in a query string, which HTTP itself limits to 64 KiB.
HTTP1 = HTTP1Settings(header_read_timeout=30_000, max_buffer_size=128 * 1024)

_WELL_SECONDS = 60.0  # a worker that lived so long had no fault from its start
_LONGEST_PAUSE = 2.0  # before a worker that keeps dying is started anew: the others carry its load meanwhile
_LOOK_SECONDS = 1.0

log = structlog.get_logger()


def serve(settings: Settings, started: Callable[[], None]) -> None:
    """Run the server until it is told to stop; ``started`` is called when it listens.

    Raises SystemExit where no worker ever comes up.
    """
    os.environ.update(settings.environment())
    os.environ[SUPERVISOR] = str(os.getpid())  # without which no worker goes on
    outlet.open_closed()
    descriptors.raise_limit()
    configure_logging(settings.log_level)
    multiprocessing.set_start_method("fork", force=True)  # workers inherit what they share
    server = _Server(
        "casedial.web.app:create_app",
        factory=True,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1,
        websockets=False,
        workers=settings.workers,
        backpressure=descriptors.connections(settings),
        respawn_failed_workers=True,
        # A worker told to stop while it starts does not hear it, and one with a hung client may wait for ever.
        workers_kill_timeout=10,
        log_level=LogLevels.warning,
        log_dictconfig={"handlers": _handlers()},
    )
    server.on_startup(lambda: _tell(started))
    try:
        server.serve(spawn_target=_work)
    finally:
        outlet.finish()


def _tell(started: Callable[[], None]) -> None:
    with suppress(OSError):  # whoever should hear it is gone
        started()
    sys.stdout, sys.stderr = outlet.OUT, outlet.ERR  # of libraries, too


def _handlers() -> dict[str, Any]:
    """Return the server library's own log handlers, which are not to wait for a reader either."""
    stream = {"stream": "ext://casedial.web.outlet.OUT"}
    return {name: handler | stream for name, handler in LOGGING_CONFIG["handlers"].items()}  # type: ignore[attr-defined]


def _work(*arguments: Any) -> None:
    """Be a worker, to the last line that it has to tell."""
    stopping.listen()
    try:
        Granian._spawn_asgi_lifespan_worker(*arguments)
    except Exception as error:
        note_no_start(error)
        sys.exit(1)
    finally:
        outlet.finish()


class _Server(Granian):  # type: ignore[misc, valid-type]  # which of several it is depends on the interpreter
    """Granian's, but for what becomes of workers that die: it gives up when one dies twice within seconds."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.interrupt_children: list[int] = []
        self._shared = COUNTS.shared = Shared(self.workers)
        self._places: dict[int, Any] = {}  # who counts where
        self._deaths: dict[int, int] = {}  # of a worker, one soon after the other
        self._due: dict[int, float] = {}  # when it is started anew

    def _spawn_worker(self, idx: int, *arguments: Any, **options: Any) -> Any:
        """Make a worker that counts in a place of its own, where it had a predecessor in that one's."""
        held = {place for place, worker in self._places.items() if worker.is_alive()}
        COUNTS.place = next(place for place in self._shared.places if place not in held)
        worker = self._places[COUNTS.place] = super()._spawn_worker(idx, *arguments, **options)
        return worker

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        """Wait for signals and for workers that die, until it is over."""
        while not self.interrupt_signal:
            if self.reload_signal:
                self._reload(spawn_target, target_loader)
            while self.interrupt_children:
                self._note_death(self.interrupt_children.pop())
            if len(self._due) == self.workers and not self._ever_came_up():
                self.interrupt_children = list(self._due)  # which makes the exit status 1
                log.error("no worker can be started; the lines above say why")
                break
            now = time.monotonic()
            for idx in [idx for idx, due in self._due.items() if due <= now]:
                del self._due[idx]
                self._respawn_workers([idx], spawn_target, target_loader)
            # Two signals that arrive together can get past an endless wait.
            self.main_loop_interrupt.wait(_LOOK_SECONDS)
            self.main_loop_interrupt.clear()

    def _note_death(self, idx: int) -> None:
        worker, now = self.wrks[idx], time.monotonic()
        deaths = 0 if now - worker.birth > _WELL_SECONDS else self._deaths.get(idx, 0)
        self._deaths[idx] = deaths + 1
        pause = min(_LONGEST_PAUSE, 2.0 ** (deaths - 1)) if deaths else 0.0
        self._due[idx] = now + pause
        log.error("a worker died", worker=idx + 1, exit=worker.inner.exitcode, started_anew_in_seconds=pause)

    def _ever_came_up(self) -> bool:
        return any(map(self._shared.is_taken, self._shared.places))
