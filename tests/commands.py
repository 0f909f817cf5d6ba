"""The command line as a whole, which the command itself never loads."""

from __future__ import annotations

from typing import Any

import typer

import casedial.cli


def whole() -> Any:
    """The root with every command behind it."""
    root: Any = typer.main.get_command(casedial.cli.app)
    root.commands = {name: casedial.cli.load(name) for name in casedial.cli.COMMANDS}
    return root
