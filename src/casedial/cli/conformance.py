"""casedial conformance: the client's suite, with its own options, as a command."""

from __future__ import annotations

import inspect
from dataclasses import MISSING
from typing import Annotated, Any

import typer

from casedial_client.conformance.options import BadOptions, Options, flag, option_fields
from casedial_client.conformance.running import run

_TYPES = {"bool": bool, "int": int, "list[str]": list[str] | None, "str": str, "str | None": str | None}


def conformance(**given: Any) -> None:
    """Try a server against the Predictive Dialer API, sentence by sentence of its published text."""
    try:
        status = run(Options(**{name: value for name, value in given.items() if value is not None}))
    except BadOptions as error:
        raise typer.BadParameter(str(error)) from None
    raise typer.Exit(status)


def _parameters() -> list[inspect.Parameter]:
    """Return the options of the suite as Typer reads them: they are described once, there."""
    found = []
    for option in option_fields():
        about = typer.Option(
            flag(option.name), help=option.metadata["help"], metavar=option.metadata["metavar"] or None
        )
        default = None if option.default is MISSING else option.default
        kind = Annotated[_TYPES[str(option.type)], about]  # type: ignore[valid-type]
        found.append(inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind))
    return found


conformance.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]
