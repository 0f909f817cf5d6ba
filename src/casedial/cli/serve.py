"""casedial serve, demo, migrate, backup."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from casedial.cli import sample
from casedial.cli.common import AsJson, DatabaseUrl, count, err, fail, run, show_json
from casedial.domain.errors import CasedialError, InvalidSetting
from casedial.settings import SUPERVISOR, Settings, settings_from
from casedial.storage import backup as storage_backup
from casedial.storage import schema
from casedial.storage.engine import Store

# How long a client may take for a request's head, an idle connection too, and how large that may be: room for a note
# in a query string, which HTTP itself limits to 64 KiB.
HTTP1 = HTTP1Settings(header_read_timeout=30_000, max_buffer_size=128 * 1024)

Host = Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="The port to listen on.", show_default=False)]
Workers = Annotated[int | None, typer.Option(min=1, max=128, help="How many server processes.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands that stand at the top."""
    for command in (demo, serve, migrate, backup):
        app.command()(command)


def _read_settings(**overrides: Any) -> Settings:
    try:
        return settings_from(**overrides)
    except CasedialError as error:
        fail(error)


def _serve(settings: Settings, started: Callable[[], None]) -> None:
    """Run the server until it is told to stop; ``started`` is called when it listens."""
    os.environ.update(settings.environment())
    with tempfile.TemporaryDirectory(prefix="casedial-metrics-") as metrics:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics  # where workers add up their counters
        os.environ[SUPERVISOR] = str(os.getpid())  # without which no worker goes on
        server = Granian(
            "casedial.web.app:create_app",
            factory=True,
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1,
            websockets=False,
            workers=settings.workers,
            respawn_failed_workers=True,
            # A worker told to stop while it starts does not hear it, and one with a hung client may wait for ever.
            workers_kill_timeout=10,
            log_level=LogLevels.warning,
        )
        server.main_loop_interrupt = _WakefulEvent()
        server.on_startup(started)
        server.serve()


class _WakefulEvent(threading.Event):
    """What Granian's main thread waits on: two signals that arrive together can get past an endless wait."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, but look again every second."""
        while not super().wait(timeout or 1):
            if timeout is not None:
                return False
        return True


def _check_port(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            advice = " Stop what listens there, or take another --port." if error.errno == errno.EADDRINUSE else ""
            where = f"{settings.host}:{settings.port}"
            fail(InvalidSetting(f"Cannot listen on {where}: {error.strerror or error}.{advice}"))


def _warn(caution: str | None) -> None:
    if caution:
        err.print("[yellow]Warning:[/yellow]", end=" ")
        err.print(caution, markup=False, soft_wrap=True)


def serve(host: Host = None, port: Port = None, workers: Workers = None, database_url: DatabaseUrl = None) -> None:
    """Serve the API. An empty database is made ready first; a SQLite file is migrated, too."""
    settings = _read_settings(host=host, port=port, workers=workers, database_url=database_url)
    _check_port(settings)

    async def look(store: Store) -> str | None:
        return store.caution

    _warn(run(look, settings.database_url))  # prepares the database, too, or says why not
    _serve(
        settings,
        lambda: err.print(
            f"casedial listens on http://{settings.host}:{settings.port} ({count(settings.workers, 'worker')}, "
            f"{settings.database_url.partition(':')[0]}); the reference is at /docs. Stop with Ctrl-C.",
            soft_wrap=True,
        ),
    )


def demo(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    cases: Annotated[int, typer.Option(min=200, max=20_000, help="How many sample cases.")] = 2000,
    database_url: Annotated[
        str | None,
        typer.Option("--database-url", help="Keep the sample here; by default in a file that the end removes."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve a sample firm, and print a key and a line to paste for each method."""
    with tempfile.TemporaryDirectory(prefix="casedial-demo-") as folder:
        url = database_url or f"sqlite:///{folder}/demo.db"
        log_level = "error" if as_json else None  # the log goes to standard output, too
        settings = _read_settings(host=host, port=port, workers=workers, database_url=url, log_level=log_level)
        _check_port(settings)
        with err.status(f"Making {cases} sample cases"):
            made = run(lambda store: sample.make(store, cases), url, as_json)
        _warn(Store(url).caution)
        _serve(settings, lambda: sample.introduce(made, settings, as_json))


def migrate(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Bring the database to the newest schema."""

    async def work(store: Store) -> schema.SchemaState:
        return await schema.migrate(store)

    before = run(work, database_url, as_json, prepare=False)
    if as_json:
        show_json({"before": before.current, "now": before.head})
    elif before.at_head:
        typer.echo(f"Nothing to do: the database is at revision {before.head}.")
    else:
        typer.echo(f"Migrated from {before.current or 'an empty database'} to revision {before.head}.")


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.", show_default=False)],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Write a consistent copy while the server runs: a SQLite file, or pg_dump's custom format."""

    async def work(store: Store) -> int:
        return await storage_backup.write(store, file)

    size = run(work, database_url, as_json, prepare=False)
    if as_json:
        show_json({"file": str(file), "bytes": size})
    else:
        typer.echo(f"Wrote {file} ({size} bytes).")
