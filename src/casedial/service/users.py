"""Users: names, passwords, links by which a password is set, sessions, second factors."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256

import argon2
import pyotp

from casedial.database.engine import Transaction
from casedial.domain.actors import Actor, own_kind
from casedial.domain.audit import NO_FIRM
from casedial.domain.errors import InvalidSetting, LinkOver, UserExists, UserNotFound
from casedial.domain.passwords import is_tried_first
from casedial.domain.users import LINK_LIFE, User, UserRole
from casedial.service.audit import note
from casedial.service.firms import checked_name
from casedial.storage import users

MIN_PASSWORD, MAX_PASSWORD = 12, 256
hasher = argon2.PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
_RECOVERY_CODES = 10
_STEP_SECONDS = 30  # of a second factor


def digest(token: str) -> bytes:
    """Return what is stored of a token: of a session, of a link."""
    return sha256(token.encode()).digest()


def new_token() -> str:
    """Return a random token: 256 bits."""
    return secrets.token_urlsafe(32)


def checked_user_name(name: str) -> str:
    """Return a user's name trimmed. Raises InvalidSetting for one that cannot be used, or that casedial signs with."""
    name = checked_name(name, "A user's name")
    if own_kind(name):
        raise InvalidSetting(f"{name!r} is what casedial signs its own work with; choose another name.")
    return name


def checked_password(password: str, name: str) -> str:
    """Return a password that nobody tries first. Raises InvalidSetting."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidSetting(f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    if is_tried_first(password, name):
        raise InvalidSetting("This password is one of those that are tried first. Take four words that nobody expects.")
    return password


def new_password() -> str:
    """Return a random password that can be typed: 80 bits."""
    return "-".join(secrets.token_hex(2) for _ in range(5))


def hashed(password: str) -> str:
    """Return what is stored of a password. Takes long, on purpose: not in a transaction, and not in the event loop."""
    return hasher.hash(password)


@cache
def _nobodys() -> str:
    return hasher.hash(new_token())


def is_password(stored: str | None, password: str) -> bool:
    """Tell whether this is the password, in the same time for one who has none. Takes long, on purpose."""
    try:
        return hasher.verify(stored or _nobodys(), password) and stored is not None
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


async def open_user(tx: Transaction, name: str, lock: bool = False) -> User:
    """Return the user of this name. Raises UserNotFound."""
    user = await users.find(tx, name, lock)
    if user is None:
        raise UserNotFound(f"There is no user named {name!r}; casedial user list shows all users.")
    return user


async def add_user(tx: Transaction, name: str, firm_id: int, role: UserRole, now: datetime) -> User:
    """Add a user with a role in a firm, who cannot sign in before a password is set.

    Raises UserExists or InvalidSetting.
    """
    name = checked_user_name(name)
    if await users.find(tx, name):
        raise UserExists(f"There is already a user named {name!r}.")
    user_id = await users.add(tx, name, now)
    await users.set_role(tx, user_id, firm_id, role)
    return await open_user(tx, name)


async def make_link(tx: Transaction, user: User, now: datetime) -> str:
    """Make a link by which the user sets a password, in place of one made before; return its token."""
    token = new_token()
    await users.change(tx, user.id, link_digest=digest(token), link_until=now + LINK_LIFE)
    return token


async def open_link(tx: Transaction, token: str, now: datetime, lock: bool = False) -> User:
    """Return the user for whom a link was made. Raises LinkOver."""
    user = await users.find_by_link(tx, digest(token), lock)
    if user is None or user.disabled_at or user.link_until is None or now >= user.link_until:
        raise LinkOver("This link was used, or is older than an hour. Ask an administrator for a new one.")
    return user


async def set_password(tx: Transaction, user: User, stored: str) -> None:
    """Set a password; links to set one are over, and so is every session."""
    await users.change(tx, user.id, password=stored, link_digest=None, link_until=None)
    await users.end_sessions(tx, user.id)


async def note_of_user(tx: Transaction, actor: Actor, user: User, action: str) -> None:
    """Write down what was done to a user, in the chain of each of its firms."""
    theirs = (await users.seats_of(tx, [user.id])).get(user.id, ())
    for firm_id in [seat.firm_id for seat in theirs] or [NO_FIRM]:
        await note(tx, actor, firm_id, action, f"user {user.id}", None, {"name": user.name})


@dataclass(frozen=True, slots=True)
class NewFactor:
    """A second factor that is being set up: what an authenticator app takes, as text and as the text of a picture."""

    secret: str
    uri: str


def factor_of(name: str, secret: str) -> NewFactor:
    """Return what an authenticator app is told."""
    return NewFactor(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="casedial"))


def new_factor_secret() -> str:
    """Return a random secret of a second factor."""
    return pyotp.random_base32()


def factor_step(secret: str | None, code: str, now: datetime, last: int | None) -> int | None:
    """Return the step of the clock to which a code belongs, None for a wrong one, or one that was used.

    An app's clock may be a step off.
    """
    if secret is None:
        return None
    step, typed = int(now.timestamp()) // _STEP_SECONDS, re.sub(r"\s", "", code)
    totp = pyotp.TOTP(secret)
    for candidate in (step, step - 1, step + 1):
        right = secrets.compare_digest(totp.generate_otp(candidate), typed.encode("ascii", "replace").decode())
        if right and (last is None or candidate > last):
            return candidate
    return None


def new_recovery_codes() -> list[str]:
    """Return codes that each stand in for the second factor once."""
    return ["-".join(secrets.token_hex(2) for _ in range(4)) for _ in range(_RECOVERY_CODES)]


def recovery_digest(code: str) -> str:
    """Return what is stored of a recovery code, however it is written."""
    return sha256(re.sub(r"[\W_]", "", code).lower().encode()).hexdigest()
