"""casedial user: add, list, role, reset, disable, enable."""

from __future__ import annotations

from typing import Annotated

import typer

from casedial.cli.common import AsJson, DatabaseUrl, Row, ShowTime, me, run, show_json, show_table, show_utc
from casedial.domain.users import User, UserRole
from casedial.service.operations import users as operations
from casedial.service.operations.users import Linked, Listed
from casedial.settings import settings_from
from casedial.wire.values import instant

app = typer.Typer(help="Users of the console: the firm's own people.", no_args_is_help=True)

_NOBODY = "none"

UserName = Annotated[str, typer.Argument(metavar="USER", help="The name that they sign in with.", show_default=False)]
FirmOption = Annotated[str, typer.Option("--firm", help="The firm's name.", show_default=False)]


def _role(text: str) -> UserRole | None:
    """Read a role, or that there is to be none."""
    try:
        return None if text.lower() == _NOBODY else UserRole[text.upper()]
    except KeyError:
        known = ", ".join(role.label for role in UserRole)
        raise typer.BadParameter(f"{text[:40]!r} is not one of {known}") from None


Role = Annotated[
    str,
    typer.Option(metavar="ROLE", help="viewer (looks), manager (cases, campaigns, imports) or administrator (all)."),
]


def _link(linked: Linked) -> str:
    """Return the address by which a password is set, as this machine knows the server."""
    settings = settings_from()
    return f"http://{settings.host}:{settings.port}/console/password/{linked.token}"


def _show_link(linked: Linked, as_json: bool) -> None:
    user = linked.user
    if as_json:
        show_json({"name": user.name, "link": _link(linked), "path": f"/console/password/{linked.token}"})
        return
    typer.echo(f"{user.name} sets a password here, once and within an hour:\n{_link(linked)}")
    typer.echo("Behind a proxy, the server's own name takes the place of the address.")


@app.command()
def add(
    name: UserName,
    firm: FirmOption,
    role: Role = UserRole.VIEWER.label,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Add a user with a role in a firm, and print the link by which they set a password."""
    wanted = _role(role)
    if wanted is None:
        raise typer.BadParameter("A new user needs a role", param_hint="--role")
    _show_link(run(lambda store: operations.add(store, me(), name, firm, wanted), database_url, as_json), as_json)


@app.command("list")
def list_(
    firm: Annotated[str | None, typer.Option("--firm", help="Only this firm's.", show_default=False)] = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List users with their roles. Times are UTC."""
    found = run(lambda store: operations.every(store, me(), [firm] if firm else None), database_url, as_json)
    rows = [_row(one, instant if as_json else show_utc) for one in found]
    if as_json:
        show_json(rows)
        return
    columns = ("id", "name", "roles", "state", "second factor", "last seen", "created")
    show_table(columns, [[_cell(value) for value in row.values()] for row in rows])


def _row(listed: Listed, time: ShowTime) -> Row:
    user = listed.user
    return {
        "id": user.id,
        "name": user.name,
        "roles": {seat.firm_name: seat.role.label for seat in listed.seats},
        "state": _state(user),
        "second_factor": user.has_factor,
        "seen_at": time(user.seen_at),
        "made_at": time(user.made_at),
    }


def _state(user: User) -> str:
    if user.disabled_at:
        return "disabled"
    return "active" if user.has_password else "no password yet"


def _cell(value: object) -> object:
    return ", ".join(f"{firm}: {role}" for firm, role in value.items()) if isinstance(value, dict) else value


@app.command()
def role(
    name: UserName,
    firm: FirmOption,
    role: Annotated[
        str, typer.Argument(metavar="ROLE", help="viewer, manager, administrator or none.", show_default=False)
    ],
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a user another role in a firm, or none."""
    wanted = _role(role)
    user = run(lambda store: operations.set_role(store, me(), name, firm, wanted), database_url, as_json)
    if as_json:
        show_json({"name": user.name, "firm": firm, "role": wanted.label if wanted else None})
    else:
        typer.echo(f"{user.name} is {wanted.label if wanted else 'no user'} of {firm} from now on.")


@app.command()
def reset(
    name: UserName,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Take the second factor off, which was lost; make no link.")
    ] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Print a link by which a user sets a new password, or take a lost second factor off."""
    if not second_factor:
        _show_link(run(lambda store: operations.reset(store, me(), name), database_url, as_json), as_json)
        return
    user = run(lambda store: operations.remove_factor(store, me(), name), database_url, as_json)
    if as_json:
        show_json({"name": user.name, "second_factor": False})
    else:
        typer.echo(f"{user.name} signs in with the password alone, and can set up a new second factor.")


@app.command()
def disable(
    name: UserName,
    enable: Annotated[bool, typer.Option("--undo", help="Let the user in again.")] = False,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a user from now on, in every session; nothing that they did is lost."""
    user = run(lambda store: operations.disable(store, me(), name, not enable), database_url, as_json)
    if as_json:
        show_json({"name": user.name, "disabled": not enable})
    else:
        typer.echo(
            f"{user.name} can sign in again." if enable else f"{user.name} is signed out, and refused from now on."
        )
