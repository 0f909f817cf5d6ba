"""Users of the firms of which one is an administrator."""

from __future__ import annotations

from casedial.console.answers import Answer, Page, Redirect
from casedial.console.forms import FormErrors
from casedial.console.routing import BASE, Route
from casedial.console.visits import Visit
from casedial.domain.errors import PathNotFound
from casedial.domain.users import Seat, UserRole
from casedial.service.operations import users as operations
from casedial.service.operations.users import Linked, Listed

HERE = f"{BASE}/users"
_ROLES = (
    (UserRole.VIEWER.label, "Viewer: looks"),
    (UserRole.MANAGER.label, "Manager: cases, campaigns, imports"),
    (UserRole.ADMINISTRATOR.label, "Administrator: all"),
)


def _own(visit: Visit) -> tuple[Seat, ...]:
    """Return the firms of which the user is an administrator."""
    seats = visit.session.seats if visit.session else ()
    return tuple(seat for seat in seats if seat.role is UserRole.ADMINISTRATOR)


async def _theirs(visit: Visit) -> list[Listed]:
    return await operations.every(visit.store, visit.actor, [seat.firm_name for seat in _own(visit)])


async def _list(visit: Visit, errors: FormErrors | None = None) -> Page:
    own = _own(visit)
    values = {
        "found": await _theirs(visit),
        "own": {seat.firm_id for seat in own},
        "firms": [(seat.slug, seat.firm_name) for seat in own],
        "roles": _ROLES,
    }
    return Page("users.html", values, errors or FormErrors())


async def users(visit: Visit) -> Answer:
    """List users."""
    return await _list(visit)


async def _chosen(visit: Visit) -> Listed:
    """Return the user of the path. Raises PathNotFound for one who is in none of the administrator's firms."""
    user_id = visit.number("user_id")
    found = next((one for one in await _theirs(visit) if one.user.id == user_id), None)
    if found is None:
        raise PathNotFound("There is no such user, or they have left your firms.")
    return found


def _user_page(visit: Visit, one: Listed, errors: FormErrors | None = None, linked: Linked | None = None) -> Page:
    own = {seat.firm_id for seat in _own(visit)}
    values = {
        "user": one.user,
        "rows": [(seat, _seat_in(one, seat)) for seat in _own(visit)],
        "elsewhere": any(seat.firm_id not in own for seat in one.seats),
        "is_self": one.user.id == visit.user.id,
        "link": f"{visit.root}{BASE}/password/{linked.token}" if linked else "",
        "roles": (*_ROLES, ("none", "No role")),
    }
    return Page("user.html", values, errors or FormErrors())


def _seat_in(one: Listed, firm: Seat) -> Seat | None:
    return next((seat for seat in one.seats if seat.firm_id == firm.firm_id), None)


async def user(visit: Visit) -> Answer:
    """Show a user."""
    return _user_page(visit, await _chosen(visit))


def _firm(visit: Visit) -> str:
    """Return the name of a firm that was chosen. Raises PathNotFound for one that is not the administrator's."""
    chosen = next((seat for seat in _own(visit) if seat.slug == visit.form.text("firm")), None)
    if chosen is None:
        raise PathNotFound("There is no such firm.")
    return chosen.firm_name


def _role(visit: Visit) -> UserRole | None:
    return next((role for role in UserRole if role.label == visit.form.text("role")), None)


async def add(visit: Visit) -> Answer:
    """Add a user, and show the link once."""
    errors, role, firm = FormErrors(), _role(visit), _firm(visit)
    if role is None:
        errors.add("role", "Choose a role.")
        return await _list(visit, errors)
    with errors.at("name"):
        linked = await operations.add(visit.store, visit.actor, visit.form.text("name"), firm, role)
        found = next(one for one in await _theirs(visit) if one.user.id == linked.user.id)
        return _user_page(visit, found, linked=linked)
    return await _list(visit, errors)


async def set_role(visit: Visit) -> Answer:
    """Give a user a role in a firm, or take it."""
    name, role, firm = (await _chosen(visit)).user.name, _role(visit), _firm(visit)
    await operations.set_role(visit.store, visit.actor, name, firm, role)
    here = f"{HERE}/{visit.number('user_id')}" if role else HERE
    return Redirect(here, f"{name} is {role.label if role else 'no user'} of {firm} now.")


async def make_link(visit: Visit) -> Answer:
    """Make a link by which a user sets a password, and show it once."""
    one = await _chosen(visit)
    return _user_page(visit, one, linked=await operations.reset(visit.store, visit.actor, one.user.name))


async def remove_factor(visit: Visit) -> Answer:
    """Take a lost second factor off."""
    name = (await _chosen(visit)).user.name
    await operations.remove_factor(visit.store, visit.actor, name)
    return Redirect(visit.path.removesuffix("/factor"), f"{name} signs in with the password alone now.")


async def disable(visit: Visit) -> Answer:
    """Refuse a user from now on, or let them in again."""
    name, disabled = (await _chosen(visit)).user.name, not visit.form.has("undo")
    await operations.disable(visit.store, visit.actor, name, disabled)
    told = f"{name} is signed out, and refused from now on." if disabled else f"{name} can sign in again."
    return Redirect(visit.path.removesuffix("/disable"), told)


ROUTES = (
    Route("GET", "/users", users, UserRole.ADMINISTRATOR),
    Route("POST", "/users/add", add, UserRole.ADMINISTRATOR),
    Route("GET", "/users/{user_id}", user, UserRole.ADMINISTRATOR),
    Route("POST", "/users/{user_id}/role", set_role, UserRole.ADMINISTRATOR),
    Route("POST", "/users/{user_id}/link", make_link, UserRole.ADMINISTRATOR),
    Route("POST", "/users/{user_id}/factor", remove_factor, UserRole.ADMINISTRATOR),
    Route("POST", "/users/{user_id}/disable", disable, UserRole.ADMINISTRATOR),
)
