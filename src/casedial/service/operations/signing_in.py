"""Signing in and out: passwords, second factors, sessions, and how often somebody may try."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor, ActorKind
from casedial.domain.errors import RateLimited, TooBusy
from casedial.domain.names import fold
from casedial.domain.users import IDLE, LOOK_LASTS, USE_PRECISION, Session, User
from casedial.service import users as steps
from casedial.storage import users

T = TypeVar("T")

SPAN = timedelta(minutes=15)  # in which failures are counted
MOST_OF_NAME, MOST_OF_ADDRESS = 10, 50  # in it
_WAITING = 20  # passwords, of which one is looked at: it takes 64 MiB, and a processor for a tenth of a second
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in: the address, and what the browser calls itself."""

    address: str
    agent: str = ""


def _too_often() -> RateLimited:
    return RateLimited(
        f"Too many tries. Wait {SPAN.seconds // 60} minutes, or ask an administrator for a link to set a new password.",
        int(SPAN.total_seconds()),
    )


_threads = ThreadPoolExecutor(1, "passwords")
_waiting = 0


async def slowly(work: Callable[[], T]) -> T:
    """Do what looks at a password, one at a time and outside the loop. Raises TooBusy for more than can wait."""
    global _waiting  # of this process, as its threads are
    if _waiting >= _WAITING:
        raise TooBusy("Too many people sign in at this moment; try again in a few seconds.")
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work)
    finally:
        _waiting -= 1


def _subject(kind: str, what: str) -> bytes:
    return sha256(f"{kind} {what}".encode()).digest()


def _network(address: str) -> str:
    """Return what one who can choose addresses has one of: of IPv6 that is a whole network."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
    return str(found)


async def counted(
    store: Store, name: str, address: str, now: datetime, what: str
) -> Callable[[Transaction], Awaitable[None]]:
    """Count a try before it is made, so that no two at a time get past the limit; return what takes a success back.

    Tries are counted by the name, whether anybody has it or not, and by the address. From where somebody of this name
    is signed in they are counted apart: who tries from elsewhere keeps nobody out who is there. Raises RateLimited.
    """
    network = _network(address)

    async def count(tx: Transaction) -> tuple[bytes, bytes] | None:
        is_known = network in map(_network, await users.origins_of(tx, name))
        by_name = _subject(what, f"{fold(name)} {network if is_known else ''}")
        limits = {_subject("address", network): MOST_OF_ADDRESS, by_name: MOST_OF_NAME}
        found = {subject: await users.count_try(tx, subject, now, now - SPAN) for subject in limits}
        by_address, by_name = limits
        return (by_address, by_name) if all(found[subject] <= limits[subject] for subject in limits) else None

    subjects = await store.transact(count)
    if subjects is None:
        raise _too_often()
    by_address, by_name = subjects

    async def take_back(tx: Transaction) -> None:
        await users.forget_try(tx, by_name, all_of_them=True)
        await users.forget_try(tx, by_address, all_of_them=False)

    return take_back


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun: its token, which nobody else knows, and whether the second factor is still missing."""

    token: str
    user: User
    whole: bool


async def sign_in(store: Store, name: str, password: str, where: Browser, old: str = "") -> SignedIn | None:
    """Begin a session by a name and a password; None where they do not fit, whoever is meant.

    The session ``old`` that the browser had is over. Raises RateLimited or TooBusy.
    """
    now = store.now()
    succeed = await counted(store, name, where.address, now, "name")
    async with store.read() as tx:
        user, secrets = await users.known_by(tx, name) or (None, None)
    stored = secrets.password if user and secrets and not user.disabled_at else None
    fits = await slowly(lambda: steps.is_password(stored, password))
    if not fits or user is None or stored is None:
        return None
    again = await slowly(lambda: steps.hashed(password)) if steps.hasher.check_needs_rehash(stored) else None

    async def work(tx: Transaction) -> SignedIn | None:
        held = await users.lock(tx, user.id)
        if held is None or held.disabled_at or (await users.secrets_of(tx, user.id)).password != stored:
            return None
        if again:
            await users.change(tx, user.id, password=again)
        await succeed(tx)
        return await begin(tx, held, where, old, not held.has_factor, now)

    return await store.transact(work)


async def begin(tx: Transaction, user: User, where: Browser, old: str, whole: bool, now: datetime) -> SignedIn:
    """Begin a session with a token that nobody had before; the one that the browser had is over."""
    token = steps.new_token()
    await users.end_session(tx, steps.digest(old))
    await users.open_session(tx, steps.digest(token), user.id, whole, where.address, where.agent, now)
    if whole:
        await users.change(tx, user.id, seen_at=now)
    return SignedIn(token, user, whole)


async def give_factor(store: Store, token: str, code: str, where: Browser) -> SignedIn | None:
    """Make a halfway session whole by a code of the second factor, or one for recovery; None where it does not fit.

    Raises RateLimited.
    """
    now = store.now()
    session = await session_of(store, token, now)
    if session is None or session.whole:
        return None
    succeed = await counted(store, session.user.name, where.address, now, "factor")

    async def work(tx: Transaction) -> SignedIn | None:
        user = await users.lock(tx, session.user.id)
        if user is None or user.disabled_at or not await users.session(tx, steps.digest(token)):
            return None
        if user.has_factor and not await is_factor(tx, user, code, now):
            return None
        await succeed(tx)
        return await begin(tx, user, where, token, True, now)

    return await store.transact(work)


async def is_factor(tx: Transaction, user: User, code: str, now: datetime) -> bool:
    """Tell whether a code fits, which it does once."""
    secrets = await users.secrets_of(tx, user.id)
    step = steps.factor_step(secrets.factor, code, now, secrets.factor_step)
    if step is not None:
        await users.change(tx, user.id, factor_step=step)
        return True
    used = steps.recovery_digest(code)
    if used not in secrets.recovery:
        return False
    await users.change(tx, user.id, recovery=[left for left in secrets.recovery if left != used])
    return True


async def session_of(store: Store, token: str, now: datetime) -> Session | None:
    """Return the session that a browser has, whole or halfway; None where there is none, or it has ended."""
    async with store.single() as tx:
        session = await users.session(tx, steps.digest(token))
    return None if session is None or session.is_over(now) else session


async def note_use(store: Store, session: Session, now: datetime) -> None:
    """Note that a session was used, where that was not noted lately."""
    if now - session.used_at >= USE_PRECISION:
        await store.transact(lambda tx: users.note_use(tx, session.id, session.user.id, now))


async def sign_out(store: Store, token: str) -> None:
    """End the session of a browser."""
    await store.transact(lambda tx: users.end_session(tx, steps.digest(token)))


async def link_user(store: Store, token: str) -> User:
    """Return the user for whom a link was made. Raises LinkOver."""
    async with store.read() as tx:
        return await steps.open_link(tx, token, tx.now())


async def use_link(store: Store, token: str, password: str, where: Browser) -> User:
    """Set a password by a link, which works once. Raises LinkOver, InvalidSetting or TooBusy."""
    user = await link_user(store, token)
    steps.checked_password(password, user.name)
    stored = await slowly(lambda: steps.hashed(password))

    async def work(tx: Transaction) -> User:
        held = await steps.open_link(tx, token, tx.now(), lock=True)
        await steps.set_password(tx, held, stored)
        await note_of_user(tx, held, where, "account.password")
        await users.forget_try(tx, _subject("name", f"{fold(held.name)} "), all_of_them=True)
        return held

    return await store.transact(work)


async def note_of_user(tx: Transaction, user: User, where: Browser, action: str) -> None:
    """Write down what users did to their own account, in the chain of each of their firms."""
    actor = Actor(ActorKind.USER, user.name, user.id, where.address)
    await steps.note_of_user(tx, actor, user, action)


async def forget(store: Store, now: datetime) -> int:
    """Delete sessions that are over, counts of tries and looks; return how many, of which there may be more."""

    async def work(tx: Transaction) -> int:
        gone = await users.forget_sessions(tx, now - IDLE, _PAGE)
        gone += await users.forget_looks(tx, now - LOOK_LASTS, _PAGE)
        return gone + await users.forget_tries(tx, now - SPAN, _PAGE)

    return await store.transact(work)
