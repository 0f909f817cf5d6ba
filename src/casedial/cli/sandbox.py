"""casedial sandbox."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated, Any

import msgspec
import typer

from casedial.cli.common import AsJson, err, fail
from casedial.domain.errors import CasedialError
from casedial.sandbox.run import run
from casedial.sandbox.scenarios import SCENARIOS
from casedial.settings import settings_from, variable


def _scenario(name: str) -> str:
    if name not in SCENARIOS:
        raise typer.BadParameter(f"{name[:40]!r} is not one of {', '.join(map(repr, SCENARIOS))}")
    return name


def sandbox(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 0,
    scenario: Annotated[
        str, typer.Option(parser=_scenario, metavar="NAME", help=f"What to begin with: {', '.join(SCENARIOS)}.")
    ] = "wire",
    with_parent: Annotated[
        bool, typer.Option("--with-parent", help="End when the program ends that began it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve a firm to test a dialer with, whose clock and faults the tests command. Nothing is kept."""
    level = os.environ.get(variable("log_level")) or "error"
    try:
        settings = settings_from(host=host, port=port, log_level=level)
        asyncio.run(run(settings, scenario, lambda about: _tell(about, as_json), with_parent))
    except CasedialError as error:
        fail(error, as_json)


def _tell(about: dict[str, Any], as_json: bool) -> None:
    """Say where it is, in one line for a program."""
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(about) + b"\n")
        sys.stdout.flush()
        return
    typer.echo(f"\ncasedial's sandbox: {about['firm']}, scenario {about['scenario']!r}\n")
    typer.echo(f"address      {about['base']}")
    typer.echo(f"reference    {about['url']}/docs")
    typer.echo(f"sandbox      {about['sandbox']}\nsandbox key  {about['sandbox_key']}\n\nkeys")
    for name, key in about["keys"].items():
        typer.echo(f"  {name:<14}{key}")
    typer.echo(f"\n# an hour later\n{_an_hour_later(about)}\n")
    err.print("Nothing is kept. Stop with Ctrl-C.")


def _an_hour_later(about: dict[str, Any]) -> str:
    return f"curl -H 'X-Sandbox-Key: {about['sandbox_key']}' -d '{{\"move_by\":3600}}' {about['sandbox']}/clock"
