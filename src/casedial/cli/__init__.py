"""The casedial command, put together from its subjects.

common.py     options every command shares, running, showing; tables.py lays tables out
serve.py      serve, demo, migrate, backup
doctor.py     doctor
retention.py  purge
firms.py keys.py statuses.py campaigns.py cases.py    the commands of each subject
which.py      which cases a command means; many.py, changes.py, phones.py, exporting.py    commands of cases
rules.py      rules list, ban, lift; explain, preflight
overrides.py  rules override, place, restore
reports.py report.py    reports; report
audit.py      audit
users.py      user
do_not_call.py    dnc
webhooks.py   webhook
sample.py     the sample firm of the demo
sandbox.py    sandbox
call.py       call
conformance.py    conformance
"""

from __future__ import annotations

import atexit
import gc
import os
import select
import sys
from copy import copy
from functools import partial
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from casedial import __version__

# The class of every wrong usage, which Typer keeps to itself.
_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]

# Every command: its module, what it is there, and its help in short.
COMMANDS = {
    "firm": ("firms", "app", "Law firms."),
    "key": ("keys", "app", "ClientKeys: one for each dialer vendor of each firm."),
    "status": ("statuses", "app", "The four lists of a firm's statuses."),
    "campaign": ("campaigns", "app", "The settings of one campaign."),
    "cases": ("cases", "app", "Cases: import, export, list, show, change and delete them."),
    "rules": ("rules", "app", "Calling rules: bans on states, overrides, and the places of ZIP codes."),
    "dnc": ("do_not_call", "app", "The do-not-call list of a firm: numbers and cases that are never given out."),
    "report": ("report", "report", "Count what dialers reported, by disposition, campaign, vendor or hour."),
    "reports": ("reports", "app", "What dialers reported."),
    "webhook": ("webhooks", "app", "Webhooks: where a firm's own systems are told of what happened."),
    "user": ("users", "app", "Users of the console: the firm's own people."),
    "audit": ("audit", "app", "The audit: who changed what, and whether that record was tampered with."),
    "demo": ("serve", "demo", "Serve a sample firm, and print a key and a line to paste for each method."),
    "sandbox": ("sandbox", "sandbox", "Serve a firm to test a dialer with, whose clock and faults the tests command."),
    "serve": ("serve", "serve", "Serve the API."),
    "migrate": ("serve", "migrate", "Bring the database to the newest schema."),
    "backup": (
        "serve",
        "backup",
        "Write a consistent copy while servers run: a SQLite file, or pg_dump's custom format.",
    ),
    "doctor": ("doctor", "doctor", "Check the database and say what to do."),
    "purge": (
        "retention",
        "purge",
        "Remove notes, claims, history and refused reports that are older than a firm keeps them.",
    ),
    "explain": (
        "rules",
        "explain",
        "Say whether a case may be called now, with every check in order, and when next.",
    ),
    "preflight": (
        "rules",
        "preflight",
        "Count the due cases by what holds them back now, and by the hour when they may be called.",
    ),
    "call": ("call", "call", "Call a method of the API, on this server or another."),
    "conformance": (
        "conformance",
        "conformance",
        "Try a server against the Predictive Dialer API, sentence by sentence of its published text.",
    ),
}


_HUGE = 2**31  # what is higher is no limit that anybody meets

# What an option takes, by its type and by its own name.
_VALUES = {"int": "N", "int range": "N", "str": "TEXT", "path": "FILE", "directory": "FILE", "file": "FILE"}
_NAMES = {
    "firm": "NAME",
    "campaign": "NAME",
    "disposition": "NAME",
    "into_campaign": "NAME",
    "vendor": "NAME",
    "confirm": "NAME",
    "database_url": "URL",
    "host": "ADDRESS",
    "address": "ADDRESS",
    "time_zone": "ZONE",
    "zone": "ZONE",
    "state": "STATE",
    "hours": "HOURS",
    "at": "TIME",
    "until": "TIME",
    "expires": "TIME",
    "number": "NUMBER",
    "phone": "NUMBER",
    "key": "KEY",
    "acknowledged": "WARNING",
}


def load(name: str) -> TyperCommand | TyperGroup:
    """Import a command."""
    module, attribute, _ = COMMANDS[name]
    found = getattr(import_module(f"casedial.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(name)(found)
        command = cast(TyperCommand, typer.main.get_command(alone))
        _name_values(command)
        return command
    group = typer.main.get_group(found)
    group.name = name
    _name_values(group)
    return group


def _name_values(command: Any) -> None:
    """Call what a command takes CASEID, N or NAME, in its help and its errors, not <int range>."""
    for param in command.params:
        kind = param.type.name
        param.type = copy(param.type)  # many options have the same
        if kind in ("int", "int range"):
            param.type.name = "whole number"
        if kind == "int range":
            param.type._describe_range = partial(_range, param.type.min, param.type.max)
        if param.param_type_name == "argument":
            metavar = param.metavar or (param.name or "").upper()
            param.type.get_metavar = lambda **_: ""
            required = param.required and not metavar.startswith("[")
            param.make_metavar = partial(_argument, metavar, required, param.nargs != 1)
        elif param.metavar is None and not getattr(param, "is_flag", False) and kind in _VALUES:
            param.metavar = _NAMES.get(param.name or "", _VALUES[kind])
    for child in getattr(command, "commands", {}).values():
        _name_values(child)


def _range(least: int | None, most: int | None) -> str:
    return f"{least} or more" if most is None or most > _HUGE else f"{least} to {most}"


def _argument(metavar: str, required: bool, several: bool, ctx: Any = None, *, usage: bool = False) -> str:
    whole = metavar if required or metavar.startswith("[") or not usage else f"[{metavar}]"
    return f"{whole}..." if several and usage and not whole.endswith("...") else whole


class _Root(TyperGroup):
    """All commands. The module of one is imported when it is asked for: to import all takes most of a second.

    Until then its help in short stands for it.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=help) for name, (_, _, help) in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name."""
        if args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command. Where whoever reads the output has seen enough, as head does, that is no failure."""
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            if not _is_unread():
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of the output goes nowhere
            raise typer.Exit(0) from None
        return found


def _is_unread() -> bool:
    """Tell whether standard output is a pipe that nobody reads any more."""
    pipe = select.poll()
    pipe.register(1, 0)
    return bool(pipe.poll(0))


app = typer.Typer(
    cls=_Root,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="The dial-list server for the Predictive Dialer API.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"casedial {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True)) -> None:
    """Serve a law firm's dial list to any predictive dialer."""


def main() -> None:
    """Run the command that the arguments name; with --json a wrong usage is a JSON document, too."""
    gc.set_threshold(200_000)  # while it imports there is no garbage, and looking for some takes a tenth of a start
    atexit.register(gc.freeze)  # at the end all goes, garbage or not, and looking for it takes a fifth of a short run
    if "--json" not in sys.argv:
        app()
    try:
        sys.exit(app(standalone_mode=False))
    except _UsageError as error:
        error.show()
        from casedial.cli.common import show_json

        show_json({"error": {"code": "UsageError", "message": error.format_message()}})
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(1)
