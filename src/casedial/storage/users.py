"""People who sign in: users, their roles, their sessions, and how often somebody failed to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import firms, looks, roles, sessions, sign_in_tries, users
from casedial.domain.names import fold
from casedial.domain.users import Seat, Session, Theme, User, UserRole, slug_by_number


def _user_from(row: Any) -> User:
    return User(
        id=row.id,
        name=row.name,
        theme=Theme(row.theme),
        time_zone=row.time_zone,
        has_password=row.password is not None,
        has_factor=row.factor_is_set,
        made_at=row.made_at,
        seen_at=row.seen_at,
        disabled_at=row.disabled_at,
        link_until=row.link_until,
    )


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a user is known by: never shown."""

    password: str | None
    factor: str | None
    factor_step: int | None
    recovery: tuple[str, ...]


async def add(tx: Transaction, name: str, now: datetime) -> int:
    """Add a user without a password; return its id. The caller has checked that the name is free."""
    row = users.insert().values(name=name, name_folded=fold(name), made_at=now)
    return int((await tx.execute(row.returning(users.c.id))).scalar_one())


async def find(tx: Transaction, name: str, lock: bool = False) -> User | None:
    """Return the user of this name; ``lock`` holds it."""
    query = users.select().where(users.c.name_folded == fold(name))
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return _user_from(row) if row else None


async def lock(tx: Transaction, user_id: int) -> User | None:
    """Return the user with this id, held until the end of the transaction."""
    row = (await tx.execute(users.select().where(users.c.id == user_id).with_for_update())).one_or_none()
    return _user_from(row) if row else None


async def find_by_link(tx: Transaction, digest: bytes, lock: bool = False) -> User | None:
    """Return the user for whom a link was made."""
    query = users.select().where(users.c.link_digest == digest)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return _user_from(row) if row else None


def _secrets_from(row: Any) -> Secrets:
    return Secrets(row.password, row.factor, row.factor_step, tuple(row.recovery or ()))


async def secrets_of(tx: Transaction, user_id: int) -> Secrets:
    """Return what a user is known by."""
    return _secrets_from((await tx.execute(users.select().where(users.c.id == user_id))).one())


async def known_by(tx: Transaction, name: str) -> tuple[User, Secrets] | None:
    """Return the user of this name and what it is known by, in one query whoever is asked for."""
    row = (await tx.execute(users.select().where(users.c.name_folded == fold(name)))).one_or_none()
    return (_user_from(row), _secrets_from(row)) if row else None


async def origins_of(tx: Transaction, name: str) -> list[str]:
    """Return the addresses from which a user of this name is signed in."""
    query = sa.select(sessions.c.origin).join(users, users.c.id == sessions.c.user_id)
    return list((await tx.execute(query.where(users.c.name_folded == fold(name), sessions.c.whole))).scalars())


async def change(tx: Transaction, user_id: int, **values: Any) -> None:
    """Change columns of a user."""
    await tx.execute(users.update().where(users.c.id == user_id).values(**values))


async def every(tx: Transaction, firm_ids: Sequence[int] | None) -> list[tuple[User, tuple[Seat, ...]]]:
    """Return users by name, each with all its seats: those who have one in these firms, or all users."""
    query = users.select().order_by(users.c.name_folded)
    if firm_ids is not None:
        theirs = sa.select(roles.c.user_id).where(tx.among(roles.c.firm_id, firm_ids))
        query = query.where(users.c.id.in_(theirs))
    found = [_user_from(row) for row in await tx.execute(query)]
    seats = await seats_of(tx, [user.id for user in found])
    return [(user, seats.get(user.id, ())) for user in found]


_SEAT = (
    *(firms.c.id.label("firm_id"), firms.c.name.label("firm"), firms.c.slug, firms.c.version),
    *(firms.c.time_zone.label("firm_zone"), firms.c.second_factor, roles.c.role),
)


def _seat_from(row: Any) -> Seat:
    slug, role = row.slug or slug_by_number(row.firm_id), UserRole(row.role)
    return Seat(row.firm_id, row.firm, slug, row.version, role, row.firm_zone, row.second_factor)


async def seats_of(tx: Transaction, user_ids: Sequence[int]) -> dict[int, tuple[Seat, ...]]:
    """Return the seats of users, by the names of their firms."""
    if not user_ids:
        return {}
    query = sa.select(roles.c.user_id, *_SEAT).join(firms, firms.c.id == roles.c.firm_id)
    found: dict[int, tuple[Seat, ...]] = {}
    for row in await tx.execute(query.where(tx.among(roles.c.user_id, user_ids)).order_by(firms.c.name_folded)):
        found[row.user_id] = (*found.get(row.user_id, ()), _seat_from(row))
    return found


async def set_role(tx: Transaction, user_id: int, firm_id: int, role: UserRole | None) -> None:
    """Give a user a role in a firm, or none. The user is held."""
    await tx.execute(roles.delete().where(roles.c.user_id == user_id, roles.c.firm_id == firm_id))
    if role is not None:
        await tx.execute(roles.insert().values(user_id=user_id, firm_id=firm_id, role=int(role)))


async def role_in(tx: Transaction, user_id: int, firm_id: int) -> UserRole | None:
    """Return the role of a user who is not disabled in a firm, None for none."""
    query = sa.select(roles.c.role).join(users, users.c.id == roles.c.user_id)
    query = query.where(roles.c.user_id == user_id, roles.c.firm_id == firm_id, users.c.disabled_at.is_(None))
    role = (await tx.execute(query)).scalar_one_or_none()
    return UserRole(role) if role else None


async def role_everywhere(tx: Transaction, user_id: int) -> UserRole | None:
    """Return the lowest role of a user who is not disabled in all firms there are, None where one is without."""
    theirs = sa.select(roles.c.firm_id, roles.c.role).join(users, users.c.id == roles.c.user_id)
    mine = theirs.where(roles.c.user_id == user_id, users.c.disabled_at.is_(None)).subquery()
    query = sa.select(sa.func.min(sa.func.coalesce(mine.c.role, 0))).select_from(
        firms.outerjoin(mine, mine.c.firm_id == firms.c.id)
    )
    role = (await tx.execute(query)).scalar()
    return UserRole(role) if role else None


async def open_session(
    tx: Transaction, digest: bytes, user_id: int, whole: bool, origin: str, agent: str, now: datetime
) -> None:
    """Begin a session, known by the hash of its token."""
    row = sessions.insert().values(
        digest=digest, user_id=user_id, whole=whole, made_at=now, used_at=now, origin=origin, agent=agent
    )
    await tx.execute(row)


_SESSION = (
    sessions.c.id.label("session_id"),
    sessions.c.whole,
    sessions.c.made_at.label("begun_at"),
    sessions.c.used_at,
    sessions.c.origin,
    sessions.c.agent,
    *users.c,
)


# Made once: every page asks for it, and a tab that shows Today does each second.
_BY_DIGEST = (
    sa.select(*_SESSION, *_SEAT)
    .join(users, users.c.id == sessions.c.user_id)
    .outerjoin(roles, roles.c.user_id == users.c.id)
    .outerjoin(firms, firms.c.id == roles.c.firm_id)
    .where(sessions.c.digest == sa.bindparam("the_digest", type_=sessions.c.digest.type))
    .order_by(firms.c.name_folded)
)


def _session_from(row: Any, seats: tuple[Seat, ...]) -> Session:
    whole = (row.whole, row.begun_at, row.used_at, row.origin, row.agent)
    return Session(row.session_id, _user_from(row), *whole, seats)


async def session(tx: Transaction, digest: bytes) -> Session | None:
    """Return a session with its user and the user's seats, by the names of their firms."""
    rows = (await tx.execute(_BY_DIGEST, {"the_digest": digest})).all()
    return _session_from(rows[0], tuple(_seat_from(row) for row in rows if row.role)) if rows else None


async def sessions_of(tx: Transaction, user_id: int) -> list[Session]:
    """Return the sessions of a user, the last used first."""
    query = sa.select(*_SESSION).join(users, users.c.id == sessions.c.user_id)
    query = query.where(sessions.c.user_id == user_id).order_by(sessions.c.used_at.desc(), sessions.c.id.desc())
    return [_session_from(row, ()) for row in await tx.execute(query)]


async def note_use(tx: Transaction, session_id: int, user_id: int, now: datetime) -> None:
    """Note that a session was used."""
    await tx.execute(sessions.update().where(sessions.c.id == session_id).values(used_at=now))
    await tx.execute(users.update().where(users.c.id == user_id).values(seen_at=now))


async def end_session(tx: Transaction, digest: bytes) -> None:
    """End a session, if it goes on."""
    await tx.execute(sessions.delete().where(sessions.c.digest == digest))


async def end_sessions(tx: Transaction, user_id: int, but: int | None = None, only: int | None = None) -> int:
    """End sessions of a user: all, all but one, or one; return how many."""
    query = sessions.delete().where(sessions.c.user_id == user_id)
    if but is not None:
        query = query.where(sessions.c.id != but)
    if only is not None:
        query = query.where(sessions.c.id == only)
    return len((await tx.execute(query.returning(sessions.c.id))).all())


async def forget_sessions(tx: Transaction, unused_since: datetime, limit: int) -> int:
    """Delete sessions that were not used since; return how many, of which there may be more."""
    old = sa.select(sessions.c.id).where(sessions.c.used_at <= unused_since).order_by(sessions.c.used_at).limit(limit)
    gone = sessions.delete().where(sessions.c.id.in_(old)).returning(sessions.c.id)
    return len((await tx.execute(gone)).all())


async def count_try(tx: Transaction, subject: bytes, now: datetime, since: datetime) -> int:
    """Count a try to sign in; return how many there are in the span that began after ``since``, or begins now."""
    c = sign_in_tries.c
    begins = sa.literal(now, c.since.type)
    row = tx.dialect.insert(sign_in_tries).values(subject=subject, since=begins, tries=1)
    goes_on = c.since > since
    counted = row.on_conflict_do_update(
        index_elements=[c.subject],
        set_={"since": sa.case((goes_on, c.since), else_=begins), "tries": sa.case((goes_on, c.tries + 1), else_=1)},
    )
    return int((await tx.execute(counted.returning(c.tries))).scalar_one())


async def forget_try(tx: Transaction, subject: bytes, all_of_them: bool) -> None:
    """Take back one try, or all, for it was no failure."""
    this = sign_in_tries.c.subject == subject
    if all_of_them:
        await tx.execute(sign_in_tries.delete().where(this))
    else:
        await tx.execute(sign_in_tries.update().where(this).values(tries=sign_in_tries.c.tries - 1))


async def forget_tries(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete counts of spans that began before a time; return how many, of which there may be more."""
    c = sign_in_tries.c
    old = sa.select(c.subject).where(c.since <= before).order_by(c.since).limit(limit)
    gone = sign_in_tries.delete().where(c.subject.in_(old)).returning(c.subject)
    return len((await tx.execute(gone)).all())


async def note_look(tx: Transaction, firm_id: int, case_id: int, user_id: int, now: datetime, since: datetime) -> bool:
    """Note that a user looks at a case; tell whether they had not since a time."""
    begins = sa.literal(now, looks.c.at.type)
    row = tx.dialect.insert(looks).values(firm_id=firm_id, case_id=case_id, user_id=user_id, at=begins)
    key = [looks.c.firm_id, looks.c.case_id, looks.c.user_id]
    noted = row.on_conflict_do_update(index_elements=key, set_={"at": begins}, where=looks.c.at <= since)
    return bool((await tx.execute(noted.returning(looks.c.user_id))).all())


async def forget_looks(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete looks from before a time; return how many, of which there may be more."""
    c = looks.c
    old = sa.select(c.firm_id, c.case_id, c.user_id).where(c.at <= before).order_by(c.at).limit(limit)
    key = sa.tuple_(c.firm_id, c.case_id, c.user_id)
    return len((await tx.execute(looks.delete().where(key.in_(old)).returning(c.case_id))).all())
