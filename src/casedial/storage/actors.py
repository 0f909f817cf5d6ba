"""Who did something, and why, as rows tell it: those of an older casedial, too."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from casedial.domain.actors import Actor, ActorKind, own_kind
from casedial.domain.reasons import ReasonCode, Why

ACTOR_COLUMNS = ("actor_kind", "actor_id")
WHY_COLUMNS = ("reason", "reason_code", "reason_number")


def actor_values(actor: Actor) -> tuple[int, int | None]:
    """Return what ``ACTOR_COLUMNS`` hold of an actor; its name has a column of its own in each table."""
    return actor.kind, actor.id


def why_values(why: Why | None) -> tuple[str | None, int | None, int | None]:
    """Return what ``WHY_COLUMNS`` hold of a reason."""
    return (why.text, why.code, why.number) if why else (None, None, None)


def actor_and_why(row: sa.Row[Any]) -> tuple[Actor, Why | None]:
    """Return who made a change of the history, and why."""
    return _read(row.actor_kind, row.actor_id, row.changed_by, row.reason, row.reason_code, row.reason_number)


def actor_from(kind: int | None, id: int | None, name: str) -> Actor:
    """Return who did something for which no reason is stored."""
    return _read(kind, id, name, None, None, None)[0]


@lru_cache(maxsize=4096)
def _read(
    kind: int | None, id: int | None, name: str, text: str | None, code: int | None, number: int | None
) -> tuple[Actor, Why | None]:
    """Read an actor and a reason.

    A row without a kind was written by a casedial that had no such columns: before the migration, or beside this one
    since. Only of such a row, and only here, kind and code are derived of the name and of the words, which it alone
    wrote and which do not change any more. What it does not tell stays open: the id of a key. A kind, or a code, that
    is not known here is a newer casedial's: it gives nobody a right.
    """
    if kind is not None:
        actor = Actor(ActorKind(kind) if kind in _KINDS else ActorKind.USER, name, id)
        return actor, Why(ReasonCode(code) if code in _CODES else None, text or "", number) if text or code else None
    why = _derived_why(text) if text else None
    own = own_kind(name) if id is None else None
    if own is ActorKind.CASEDIAL and why and why.code in _OF_A_POLICY:
        own = ActorKind.POLICY
    return Actor(own or ActorKind.KEY, name, id), why


_KINDS, _CODES = frozenset(ActorKind), frozenset(ReasonCode)
_OF_A_POLICY = (ReasonCode.RETRY, ReasonCode.GIVEN_UP, ReasonCode.OVER)
_WORDS = {
    "claim ran out unanswered": ReasonCode.RAN_OUT,
    "released by the dialer": ReasonCode.RELEASED,
    "on the do-not-call list": ReasonCode.ON_THE_LIST,
}
_RETRY = re.compile("retry policy: ([0-9]+) of [0-9]+")
_BEGINNINGS = {"retry policy": ReasonCode.GIVEN_UP, "nothing is left to dial for": ReasonCode.OVER}


def _derived_why(text: str) -> Why:
    """Return the reason that an older casedial wrote by these words."""
    if numbered := _RETRY.fullmatch(text):
        return Why(ReasonCode.RETRY, text, int(numbered[1]))
    began = (code for beginning, code in _BEGINNINGS.items() if text.startswith(beginning))
    return Why(_WORDS.get(text) or next(began, None), text)
