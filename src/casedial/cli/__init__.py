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

import sys

import typer

from casedial import __version__
from casedial.cli import campaigns, cases, do_not_call, firms, keys, reports, retention, rules, serve, statuses
from casedial.cli.common import show_json
from casedial.cli.doctor import doctor

# The class of every wrong usage, which Typer keeps to itself.
_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    help="The dial-list server for the Predictive Dialer API.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
app.add_typer(firms.app, name="firm")
app.add_typer(keys.app, name="key")
app.add_typer(statuses.app, name="status")
app.add_typer(campaigns.app, name="campaign")
app.add_typer(cases.app, name="cases")
app.add_typer(rules.app, name="rules")
app.add_typer(do_not_call.app, name="dnc")
app.add_typer(reports.app, name="reports")
serve.register(app)
app.command()(doctor)
retention.register(app)
rules.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"casedial {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True)) -> None:
    """Serve a law firm's dial list to any predictive dialer."""


def main() -> None:
    """Run the command that the arguments name; with --json a wrong usage is a JSON document, too."""
    if "--json" not in sys.argv:
        app()
    try:
        sys.exit(app(standalone_mode=False))
    except _UsageError as error:
        error.show()
        show_json({"error": {"code": "UsageError", "message": error.format_message()}})
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(1)
