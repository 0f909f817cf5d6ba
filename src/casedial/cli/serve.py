"""casedial serve, demo, migrate, backup."""

from __future__ import annotations

import errno
import socket
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from casedial.cli import sample
from casedial.cli.common import AsJson, DatabaseUrl, MayMake, count, err, fail, me, run, show_json
from casedial.database import schema
from casedial.database.engine import Store
from casedial.domain.errors import CasedialError, InvalidSetting
from casedial.service.operations import backups as operations
from casedial.service.operations.sample import make as make_sample
from casedial.settings import Settings, settings_from
from casedial.web import server

_PORTS = 100  # that the demo tries

Host = Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="The port to listen on.", show_default=False)]
Workers = Annotated[int | None, typer.Option(min=1, max=128, help="How many server processes.", show_default=False)]


def _read_settings(**overrides: Any) -> Settings:
    try:
        return settings_from(**overrides)
    except CasedialError as error:
        fail(error)


def _cannot_listen(settings: Settings) -> InvalidSetting | None:
    """Return why the server cannot listen where it is to; None where it can."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            advice = (
                " Stop the program that uses it, or give another --port." if error.errno == errno.EADDRINUSE else ""
            )
            where = f"{settings.host}:{settings.port}"
            return InvalidSetting(f"Cannot listen on {where}: {error.strerror or error}.{advice}")
    return None


def _where_it_can_listen(settings: Settings, choose: bool) -> Settings:
    """Return settings with a port that is free: the next one, where the administrator named none."""
    trouble = _cannot_listen(settings)
    for port in range(settings.port + 1, settings.port + _PORTS) if trouble and choose else ():
        other = replace(settings, port=port)
        if _cannot_listen(other) is None:
            _warn(f"Port {settings.port} is taken by another program; the demo listens on {port} instead.")
            return other
    if trouble:
        fail(trouble)
    return settings


def _warn(caution: str | None) -> None:
    if caution:
        err.print("Warning:", style="yellow", end=" ")
        err.print(caution, soft_wrap=True)


def serve(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    yes: MayMake = False,
    database_url: DatabaseUrl = None,
) -> None:
    """Serve the API. If needed, a SQLite file is made and migrated first."""
    settings = _read_settings(host=host, port=port, workers=workers, database_url=database_url)
    if trouble := _cannot_listen(settings):
        fail(trouble)

    async def look(store: Store) -> str | None:
        return store.caution

    # which prepares the database, too, or says why not
    _warn(run(look, settings.database_url, prepare=partial(schema.make, yes=yes)))
    server.serve(
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
        typer.Option(
            "--database-url",
            help="Keep the sample in this database; by default it is in a file that is removed at the end.",
        ),
    ] = None,
    yes: MayMake = False,
    as_json: AsJson = False,
) -> None:
    """Serve a sample firm, and print a key and a line to paste for each method."""
    with tempfile.TemporaryDirectory(prefix="casedial-demo-") as folder:
        url = database_url or f"sqlite:///{folder}/demo.db"
        log_level = "error" if as_json else None  # the log goes to standard output, too
        settings = _read_settings(host=host, port=port, workers=workers, database_url=url, log_level=log_level)
        settings = _where_it_can_listen(settings, choose=port is None)
        with err.status(f"Making {cases} sample cases"):
            made = run(lambda store: make_sample(store, me(), cases), url, as_json, partial(schema.make, yes=yes))
        _warn(Store(url).caution)
        server.serve(settings, lambda: sample.introduce(made, settings, as_json))


def migrate(database_url: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Bring the database to the newest schema."""

    async def work(store: Store) -> schema.SchemaState:
        return await schema.migrate(store)

    before = run(work, database_url, as_json, prepare=None)
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
    """Write a consistent copy while servers run: a SQLite file, or pg_dump's custom format."""
    size = run(lambda store: operations.write(store, me(), file), database_url, as_json, prepare=None)
    if as_json:
        show_json({"file": str(file), "bytes": size})
    else:
        typer.echo(f"Wrote {file} ({size} bytes).")
