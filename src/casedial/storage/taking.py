"""Cases that a transaction holds move to In the Dialer by one statement, in a database with several writers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import sqlalchemy as sa

from casedial.database.dialects import unnested
from casedial.database.engine import Transaction
from casedial.database.tables import cases, claims, status_history
from casedial.domain.claims import Claim, lease_seconds
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role, StatusType
from casedial.storage.actors import ACTOR_COLUMNS, actor_values
from casedial.storage.claim_statement import moved
from casedial.storage.queues import CLOCK, FIRM, NOW

if TYPE_CHECKING:
    from casedial.storage.claims import Grant

_TAKEN = {"case_id": sa.BigInteger, "claim_id": sa.Uuid, "at": cases.c.changed_at.type, "seconds": sa.Integer}
_OPENED = {
    "claim_id": sa.Uuid,
    "vendor": sa.Text,
    "seconds": sa.Integer,
    "key_id": sa.BigInteger,
    "actor_kind": sa.SmallInteger,
    "actor_id": sa.BigInteger,
    "case_ids": sa.Text,
    "evidence": sa.Text,
}


async def take_at_once(tx: Transaction, firm: Firm, grants: Sequence[Grant], now: datetime) -> list[Claim | None]:
    """Move cases to In the Dialer by a new claim for each grant; None for a grant without cases."""
    opened = [_opened(grant, now) if grant.cases else None for grant in grants]
    taken = [
        (case.case_id, claim.id, max(now, case.changed_at or now), lease_seconds(firm, case, claim.seconds) or None)
        for grant, claim in zip(grants, opened, strict=True)
        if claim
        for case in grant.cases
    ]
    if not taken:
        return opened
    rows = [(c.id, c.vendor, c.seconds, c.key_id, *actor_values(c.actor), *_documents(c)) for c in opened if c]
    given = {
        "the_firm": firm.id,
        "the_status": firm.statuses.with_role(Role.IN_THE_DIALER).id,
        "now": now,
        "clock": tx.machine.moved_to(),
        **_arrays("taken", _TAKEN, taken),
        **_arrays("opened", _OPENED, rows),
    }
    ends = {row.claim_id: row.first for row in await tx.execute(_statement(), given)}
    return [replace(claim, expires_at=ends[claim.id]) if claim else None for claim in opened]


def _opened(grant: Grant, now: datetime) -> Claim:
    who, case_ids = grant.claimant, tuple([case.case_id for case in grant.cases])
    return Claim(uuid4(), who.actor, case_ids, now, None, grant.evidence, seconds=who.seconds)


def _documents(claim: Claim) -> tuple[str, str | None]:
    evidence = msgspec.json.encode(claim.evidence).decode() if claim.evidence is not None else None
    return msgspec.json.encode(claim.case_ids).decode(), evidence


def _arrays(name: str, columns: Iterable[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {f"{name}_{column}": list(of) for column, of in zip(columns, zip(*rows, strict=True), strict=True)}


_STATUS: sa.BindParameter[int] = sa.bindparam("the_status", type_=sa.BigInteger)


@cache
def _statement() -> sa.Select[Any]:
    taken, opened = unnested("taken", _TAKEN), unnested("opened", _OPENED)
    end = CLOCK + taken.c.seconds * sa.literal_column("interval '1 second'")
    leased = sa.select(taken, sa.type_coerce(end, cases.c.held_until.type).label("lease_end")).cte("leased")
    first = sa.select(leased.c.claim_id, sa.func.min(leased.c.lease_end).label("first")).group_by(leased.c.claim_id)
    ended = first.cte("ended")
    these = sa.and_(cases.c.firm_id == FIRM, cases.c.case_id == leased.c.case_id)
    move = moved(_STATUS, leased.c.at, leased.c.lease_end, leased.c.claim_id).where(these)
    written = (move.cte("moved"), _record(leased, opened).cte("recorded"), _open(opened, ended).cte("written"))
    return sa.select(ended).add_cte(*written)


def _record(leased: sa.FromClause, opened: Any) -> sa.Insert:
    """Append the move of each case to its history."""
    dialer: sa.ColumnClause[int] = sa.literal_column(str(int(StatusType.DIALER)))
    changes = sa.select(
        *(FIRM, leased.c.case_id, dialer, _STATUS, NOW, leased.c.at, opened.c.vendor, leased.c.claim_id),
        *(opened.c[name] for name in ACTOR_COLUMNS),
    ).join_from(leased, opened, opened.c.claim_id == leased.c.claim_id)
    columns = ["firm_id", "case_id", "type", "status_id", "dial_at", "changed_at", "changed_by", "claim_id"]
    return status_history.insert().from_select([*columns, *ACTOR_COLUMNS], changes, include_defaults=False)


def _open(opened: Any, ended: sa.FromClause) -> sa.Insert:
    """Record the claims."""
    documents = (sa.cast(opened.c[name], claims.c[name].type) for name in ("case_ids", "evidence"))
    made = sa.select(
        *(opened.c.claim_id, FIRM, opened.c.vendor, opened.c.key_id, *documents, NOW, ended.c.first, ended.c.first),
        *(opened.c.seconds, *(opened.c[name] for name in ACTOR_COLUMNS)),
    ).join_from(opened, ended, opened.c.claim_id == ended.c.claim_id)
    columns = ["id", "firm_id", "vendor", "key_id", "case_ids", "evidence", "created_at", "expires_at", "check_at"]
    return claims.insert().from_select([*columns, "seconds", *ACTOR_COLUMNS], made, include_defaults=False)
