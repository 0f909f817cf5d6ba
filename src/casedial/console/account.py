"""One's own account: password, second factor, open sessions, theme and time zone."""

from __future__ import annotations

from io import BytesIO
from zoneinfo import available_timezones

import segno

from casedial.console import doors
from casedial.console.answers import Answer, Page, Raw, Redirect
from casedial.console.forms import FormErrors
from casedial.console.routing import BASE, Door, Route
from casedial.console.visits import Visit
from casedial.domain.errors import PathNotFound
from casedial.domain.users import Session, Theme
from casedial.service.operations import account as operations

HERE = f"{BASE}/account"
_ZONES = sorted(
    zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix", "right"))
)
_THEMES = {Theme.SYSTEM: "As the device has it", Theme.LIGHT: "Light", Theme.DARK: "Dark"}


def _session(visit: Visit) -> Session:
    assert visit.session  # noqa: S101  # which the door saw to
    return visit.session


async def _shown(visit: Visit, errors: FormErrors | None = None, codes: list[str] | None = None) -> Page:
    account = await operations.show(visit.store, _session(visit), visit.now)
    values = {
        "account": account,
        "codes": codes or [],
        "themes": [(theme.value, told) for theme, told in _THEMES.items()],
        "zones": [("", "That of the firm"), *((zone, zone) for zone in _ZONES)],
    }
    return Page("account.html", values, errors or FormErrors())


async def account(visit: Visit) -> Answer:
    """Show the account of who is signed in."""
    return await _shown(visit)


async def _proven(visit: Visit, field: str) -> FormErrors:
    """See that the password was typed; return what is wrong with it."""
    errors = FormErrors()
    with errors.at(field):
        await operations.prove(visit.store, _session(visit), visit.form.raw(field), visit.browser)
    return errors


async def change_password(visit: Visit) -> Answer:
    """Set another password."""
    new = visit.form.raw("new")
    errors = await _proven(visit, "old")
    if new != visit.form.raw("again"):
        errors.add("again", "This is not the same as above.")
    if not errors:
        with errors.at("new"):
            again = await operations.change_password(visit.store, _session(visit), visit.token, new, visit.browser)
            cookies = (doors.cookie(again.token, visit.is_safe),)
            return Redirect(HERE, "Your password is changed; all other sessions have ended.", cookies)
    return await _shown(visit, errors)


async def begin_factor(visit: Visit) -> Answer:
    """Make a second factor, to be confirmed by a code."""
    errors = await _proven(visit, "password")
    if errors:
        return await _shown(visit, errors)
    await operations.begin_factor(visit.store, _session(visit))
    return Redirect(f"{HERE}#factor", "Scan the picture, and type the code that your app shows.")


async def picture(visit: Visit) -> Answer:
    """Show the second factor that is being set up as a picture to scan."""
    pending = (await operations.show(visit.store, _session(visit), visit.now)).new_factor
    if pending is None:
        raise PathNotFound("There is no second factor to set up.")
    drawn = BytesIO()
    segno.make(pending.uri, error="m").save(drawn, kind="svg", scale=4, light="#fff")
    return Raw(drawn.getvalue(), "image/svg+xml")


async def confirm_factor(visit: Visit) -> Answer:
    """Ask for the second factor from now on, and show the recovery codes."""
    errors, codes = FormErrors(), list[str]()
    with errors.at("code"):
        code = visit.form.text("code")
        codes = await operations.confirm_factor(visit.store, _session(visit), code, visit.browser)
    return await _shown(visit, errors, codes)


async def new_codes(visit: Visit) -> Answer:
    """Show new recovery codes, in place of those of before."""
    errors, codes = await _proven(visit, "password"), list[str]()
    if not errors:
        codes = await operations.new_recovery_codes(visit.store, _session(visit), visit.browser)
    return await _shown(visit, errors, codes)


async def remove_factor(visit: Visit) -> Answer:
    """Ask for the password alone from now on."""
    errors = await _proven(visit, "password")
    if errors:
        return await _shown(visit, errors)
    await operations.remove_factor(visit.store, _session(visit), visit.browser)
    return Redirect(HERE, "You sign in with the password alone from now on.")


async def end_sessions(visit: Visit) -> Answer:
    """End another session, or all others."""
    only = visit.form.number("session")
    ended = await operations.end_sessions(visit.store, _session(visit), only, visit.browser)
    return Redirect(HERE, f"{ended} session{'' if ended == 1 else 's'} ended." if ended else "It had ended already.")


async def set_look(visit: Visit) -> Answer:
    """Set the theme and the time zone."""
    errors, form = FormErrors(), visit.form
    with errors.at("zone"):
        await operations.set_look(visit.store, _session(visit), form.text("theme", Theme.SYSTEM), form.text("zone"))
    return await _shown(visit, errors) if errors else Redirect(HERE, "Saved.")


ROUTES = (
    Route("GET", "/account", account, Door.SIGNED_IN),
    Route("POST", "/account/password", change_password, Door.SIGNED_IN),
    Route("POST", "/account/factor", begin_factor, Door.SIGNED_IN),
    Route("GET", "/account/factor.svg", picture, Door.SIGNED_IN),
    Route("POST", "/account/factor/confirm", confirm_factor, Door.SIGNED_IN),
    Route("POST", "/account/factor/codes", new_codes, Door.SIGNED_IN),
    Route("POST", "/account/factor/remove", remove_factor, Door.SIGNED_IN),
    Route("POST", "/account/sessions/end", end_sessions, Door.SIGNED_IN),
    Route("POST", "/account/look", set_look, Door.SIGNED_IN),
)
