"""Sign in and out; set a password by a link."""

from __future__ import annotations

from casedial.console import doors
from casedial.console.answers import Answer, Page, Redirect
from casedial.console.forms import FormErrors
from casedial.console.routing import BASE, Door, Route
from casedial.console.visits import Visit
from casedial.service.operations import signing_in as operations

_WRONG = "The name and the password do not fit. Check both; the password is case-sensitive."


def _next(visit: Visit) -> str:
    return doors.inside(visit.query.text("next")) or BASE


async def home(visit: Visit) -> Answer:
    """Lead to the first firm of who is signed in."""
    session = visit.session
    if session is None or not session.whole:
        return Redirect(f"{BASE}/factor" if session else f"{BASE}/sign-in")
    if not session.seats:
        return Page("nowhere.html")
    return Redirect(f"{BASE}/{session.seats[0].slug}/")


async def ask(visit: Visit) -> Answer:
    """Ask for a name and a password."""
    if visit.session and visit.session.whole:
        return Redirect(_next(visit))
    return Page("sign_in.html")


async def sign_in(visit: Visit) -> Answer:
    """Begin a session."""
    name, password = visit.form.text("name"), visit.form.raw("password")
    errors = FormErrors()
    if not name:
        errors.add("name", "Type your name.")
    if not password:
        errors.add("password", "Type your password.")
    if errors:
        return Page("sign_in.html", errors=errors)
    signed_in = await operations.sign_in(visit.store, name, password, visit.browser, visit.token)
    if signed_in is None:
        return Page("sign_in.html", errors=FormErrors({"password": _WRONG}))
    cookies = (doors.cookie(signed_in.token, visit.is_safe),)
    if signed_in.whole:
        return Redirect(_next(visit), cookies=cookies)
    return Redirect(visit.here().replace("/sign-in", "/factor", 1), cookies=cookies)


async def ask_factor(visit: Visit) -> Answer:
    """Ask for the second factor."""
    if visit.session is None:
        return Redirect(f"{BASE}/sign-in")
    return Redirect(_next(visit)) if visit.session.whole else Page("factor.html")


async def give_factor(visit: Visit) -> Answer:
    """Make the session whole by a code."""
    whole = await operations.give_factor(visit.store, visit.token, visit.form.text("code"), visit.browser)
    if whole is None:
        told = "This code does not fit, or was used already. Wait for the next one, or take a recovery code."
        return Page("factor.html", errors=FormErrors({"code": told}))
    return Redirect(_next(visit), cookies=(doors.cookie(whole.token, visit.is_safe),))


async def sign_out(visit: Visit) -> Answer:
    """End the session."""
    await operations.sign_out(visit.store, visit.token)
    cookies = (doors.cookie(doors.new_token(), visit.is_safe),)
    return Redirect(f"{BASE}/sign-in", said="You are signed out.", cookies=cookies)


async def ask_password(visit: Visit) -> Answer:
    """Ask who has a link for a new password."""
    user = await operations.link_user(visit.store, visit.parameters["link"])
    return Page("password.html", {"name": user.name})


async def set_password(visit: Visit) -> Answer:
    """Set a password by a link."""
    link, password, errors = visit.parameters["link"], visit.form.raw("password"), FormErrors()
    user = await operations.link_user(visit.store, link)
    if password != visit.form.raw("again"):
        errors.add("again", "This is not the same as above.")
    else:
        with errors.at("password"):
            await operations.use_link(visit.store, link, password, visit.browser)
    if errors:
        return Page("password.html", {"name": user.name}, errors)
    return Redirect(f"{BASE}/sign-in", said=f"The password of {user.name} is set. Sign in with it.")


ROUTES = (
    Route("GET", "", home, Door.OPEN),
    Route("GET", "/", home, Door.OPEN),
    Route("GET", "/sign-in", ask, Door.OPEN),
    Route("POST", "/sign-in", sign_in, Door.OPEN),
    Route("GET", "/factor", ask_factor, Door.OPEN),
    Route("POST", "/factor", give_factor, Door.OPEN),
    Route("POST", "/sign-out", sign_out, Door.OPEN),
    Route("GET", "/password/{link}", ask_password, Door.OPEN),
    Route("POST", "/password/{link}", set_password, Door.OPEN),
)
