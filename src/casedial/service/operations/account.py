"""One's own account: the password, the second factor, the open sessions, how pages look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from casedial.database.engine import Store, Transaction
from casedial.domain.errors import InvalidSetting, UserNotFound
from casedial.domain.users import Session, Theme, User
from casedial.service import users as steps
from casedial.service.operations.signing_in import Browser, SignedIn, begin, counted, note_of_user, slowly
from casedial.service.users import NewFactor
from casedial.storage import users


@dataclass(frozen=True, slots=True)
class Account:
    """A user with the sessions that go on, the second factor that is being set up, and the recovery codes left."""

    user: User
    sessions: list[Session]
    new_factor: NewFactor | None
    recovery_left: int


async def show(store: Store, session: Session, now: datetime) -> Account:
    """Return the account of a session."""
    async with store.read() as tx:
        user = await _open(tx, session.user.id)
        secrets = await users.secrets_of(tx, user.id)
        going_on = [one for one in await users.sessions_of(tx, user.id) if one.whole and not one.is_over(now)]
    pending = steps.factor_of(user.name, secrets.factor) if secrets.factor and not user.has_factor else None
    return Account(user, going_on, pending, len(secrets.recovery))


async def _open(tx: Transaction, user_id: int) -> User:
    user = await users.lock(tx, user_id)
    if user is None or user.disabled_at:
        raise UserNotFound("This account is not there any more.")
    return user


async def prove(store: Store, session: Session, password: str, where: Browser) -> None:
    """See that it is the session's user who is at the keyboard. Raises InvalidSetting, RateLimited or TooBusy."""
    succeed = await counted(store, session.user.name, where.address, store.now(), "name")
    async with store.read() as tx:
        stored = (await users.secrets_of(tx, session.user.id)).password
    if not await slowly(lambda: steps.is_password(stored, password)):
        raise InvalidSetting("This is not your password.")
    await store.transact(succeed)


async def change_password(store: Store, session: Session, token: str, password: str, where: Browser) -> SignedIn:
    """Set another password, and begin the session anew; every other one ends. Raises InvalidSetting or TooBusy."""
    steps.checked_password(password, session.user.name)
    stored = await slowly(lambda: steps.hashed(password))

    async def work(tx: Transaction) -> SignedIn:
        user = await _open(tx, session.user.id)
        await steps.set_password(tx, user, stored)
        await note_of_user(tx, user, where, "account.password")
        return await begin(tx, user, where, token, True, tx.now())

    return await store.transact(work)


async def begin_factor(store: Store, session: Session) -> None:
    """Make a secret of a second factor, which counts when a code of it was given."""

    async def work(tx: Transaction) -> None:
        user = await _open(tx, session.user.id)
        if not user.has_factor:
            await users.change(tx, user.id, factor=steps.new_factor_secret(), factor_step=None)

    await store.transact(work)


async def confirm_factor(store: Store, session: Session, code: str, where: Browser) -> list[str]:
    """Ask for the second factor from now on; return the recovery codes, which are known only now.

    Raises InvalidSetting for a code that does not fit.
    """
    now = store.now()

    async def work(tx: Transaction) -> list[str]:
        user = await _open(tx, session.user.id)
        secrets = await users.secrets_of(tx, user.id)
        step = None if user.has_factor else steps.factor_step(secrets.factor, code, now, None)
        if step is None or secrets.factor is None:
            raise InvalidSetting("This code does not fit. Is the clock of your phone right? Type the one it shows now.")
        codes = await _new_codes(tx, user, factor_is_set=True, factor_step=step)
        await users.end_sessions(tx, user.id, but=session.id)
        await note_of_user(tx, user, where, "account.factor.add")
        return codes

    return await store.transact(work)


async def _new_codes(tx: Transaction, user: User, **values: object) -> list[str]:
    codes = steps.new_recovery_codes()
    await users.change(tx, user.id, recovery=[steps.recovery_digest(code) for code in codes], **values)
    return codes


async def new_recovery_codes(store: Store, session: Session, where: Browser) -> list[str]:
    """Make new recovery codes in place of those of before; return them. Raises InvalidSetting without a factor."""

    async def work(tx: Transaction) -> list[str]:
        user = await _open(tx, session.user.id)
        if not user.has_factor:
            raise InvalidSetting("Set up a second factor first.")
        await note_of_user(tx, user, where, "account.factor.recovery")
        return await _new_codes(tx, user)

    return await store.transact(work)


async def remove_factor(store: Store, session: Session, where: Browser) -> None:
    """Ask for the password alone from now on."""

    async def work(tx: Transaction) -> None:
        user = await _open(tx, session.user.id)
        await users.change(tx, user.id, factor=None, factor_is_set=False, factor_step=None, recovery=None)
        if user.has_factor:
            await note_of_user(tx, user, where, "account.factor.remove")

    await store.transact(work)


async def end_sessions(store: Store, session: Session, only: int | None, where: Browser) -> int:
    """End one other session of the user, or all others; return how many."""

    async def work(tx: Transaction) -> int:
        ended = await users.end_sessions(tx, session.user.id, but=session.id, only=only)
        if ended:
            await note_of_user(tx, session.user, where, "account.sessions.end")
        return ended

    return await store.transact(work)


async def set_look(store: Store, session: Session, theme: str, time_zone: str) -> None:
    """Set how pages look to the user, and by which clock times are shown; "" is the firm's. Raises InvalidSetting."""
    if theme not in list(Theme):
        raise InvalidSetting("The theme is system, light or dark.")
    try:
        zone = ZoneInfo(time_zone).key if time_zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSetting(f"{time_zone!r} is not a time zone: give an IANA name such as America/New_York.") from None
    await store.transact(lambda tx: users.change(tx, session.user.id, theme=theme, time_zone=zone))
