"""The casedial command, put together from its subjects.

common.py     options every command shares, running, showing
serve.py      serve, demo, migrate, backup
doctor.py     doctor
retention.py  purge
firms.py keys.py statuses.py campaigns.py cases.py    the commands of each subject
rules.py      rules list, ban, lift; explain, preflight
overrides.py  rules override, place, restore
reports.py    reports
do_not_call.py    dnc
sample.py     the sample firm of the demo
"""

from __future__ import annotations

import gc
import sys
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
    "status": ("statuses", "app", "A firm's statuses, of each of the four types."),
    "campaign": ("campaigns", "app", "What a firm decided for one campaign."),
    "cases": ("cases", "app", "Cases: in and out of files, one whole, many at once, gone for good."),
    "rules": ("rules", "app", "Calling rules: bans of states, overrides of rows, where ZIP codes are."),
    "dnc": ("do_not_call", "app", "The do-not-call list of a firm: numbers and cases that are never given out."),
    "reports": ("reports", "app", "What dialers reported."),
    "demo": ("serve", "demo", "Serve a sample firm, and print a key and a line to paste for each method."),
    "serve": ("serve", "serve", "Serve the API."),
    "migrate": ("serve", "migrate", "Bring the database to the newest schema."),
    "backup": (
        "serve",
        "backup",
        "Write a consistent copy while the server runs: a SQLite file, or pg_dump's custom format.",
    ),
    "doctor": ("doctor", "doctor", "Look the database over and say what to do."),
    "purge": (
        "retention",
        "purge",
        "Remove notes, claims, history and refused reports that are over, older than a firm keeps them.",
    ),
    "explain": (
        "rules",
        "explain",
        "Say whether a case may be called now, every check in order, and when it may next.",
    ),
    "preflight": (
        "rules",
        "preflight",
        "Count the due cases by what holds them back now, and by the hour in which they may be called.",
    ),
}


def load(name: str) -> TyperCommand | TyperGroup:
    """Import a command."""
    module, attribute, _ = COMMANDS[name]
    found = getattr(import_module(f"casedial.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
        alone.command(name)(found)
        return cast(TyperCommand, typer.main.get_command(alone))
    group = typer.main.get_group(found)
    group.name = name
    return group


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


app = typer.Typer(
    cls=_Root,
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
    gc.set_threshold(50_000)  # while it imports there is no garbage, and looking for some takes a tenth of a start
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
