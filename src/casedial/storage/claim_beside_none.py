"""The claim of who has the database for himself: one statement moves the cases of a queue, one records all moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import msgspec
import sqlalchemy as sa

from casedial.database.columns import Instant
from casedial.database.dialects import Dialect
from casedial.database.engine import Transaction
from casedial.database.tables import cases, claims, status_history
from casedial.domain.cases import CasesUnreadable, ShownCase
from casedial.domain.claims import Claim, lease_end, shortest
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role, StatusType
from casedial.storage import keys
from casedial.storage.actors import ACTOR_COLUMNS
from casedial.storage.claim_statement import moved
from casedial.storage.claimants import Claimant, Claimed, Queue, add, by_queue
from casedial.storage.queues import FIRM, NOW, ONE, Shape, due_query, merged

_RECORDS: sa.BindParameter[int] = sa.bindparam("records", type_=sa.Integer)
_STATUS_ID: sa.BindParameter[int] = sa.bindparam("the_status", type_=sa.BigInteger)
_WAITS: sa.BindParameter[int] = sa.bindparam(
    "waits", type_=sa.BigInteger
)  # the status of what is due, or it is damaged
# The claimants of a queue: the first and the last of its cases that are theirs, their claim, until when it holds a
# case, and until when one of a campaign that has a timeout of its own.
_CLAIMANTS = sa.func.json_each(sa.bindparam("claimants", type_=sa.Text)).table_valued("value", name="claimants")
_FOUND = cases.c[
    *("case_id", "case_status", "zip_code", "phones", "campaign_id", "attempts_id", "disposition_id", "redial_at"),
    *("claim_id", "held_until"),
    *("dialer_status_id", "changed_at", "closed_on"),  # which only have to make sense
]
_STATUS_AT = 10


async def claim_in_turn(tx: Transaction, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Claim for all of them, one queue after the other; see ``claims.claim``."""
    proven = await keys.proven(tx, [claimant.caller for claimant in claimants], now)
    clock = await tx.clock()
    claimed: list[Claimed] = [([], None) if known else None for known in proven]
    opened: dict[int, tuple[Firm, list[Claim]]] = {}
    for queue, every in by_queue(claimants).items():
        places = [place for place in every if proven[place]]
        found = await _from_queue(tx, queue, {place: claimants[place] for place in places}, now, clock)
        for place, (taken, claim) in found.items():
            claimed[place] = taken, claim
            opened.setdefault(queue.firm.id, (queue.firm, []))[1].append(claim)
    for firm, some in opened.values():
        await add(tx, firm, some)
        case_ids = msgspec.json.encode([case_id for claim in some for case_id in claim.case_ids]).decode()
        await tx.execute(_RECORD, {"the_firm": firm.id, "these_cases": case_ids})
    return claimed


async def _from_queue(
    tx: Transaction, queue: Queue, claimants: Mapping[int, Claimant], now: datetime, clock: datetime
) -> dict[int, tuple[list[ShownCase], Claim]]:
    """Move the cases of those of the claimants for whom there are any. Raises CasesUnreadable."""
    if not claimants:
        return {}
    firm = queue.firm
    wanted = replace(queue.wanted, records=sum(claimant.wanted.records for claimant in claimants.values()))
    ids = {place: uuid4() for place in claimants}
    waits = firm.statuses.with_role(Role.TO_DIAL).id
    write = tx.dialect.encoder(Instant(), tx.connection.dialect)
    given = {
        **wanted.parameters(firm, now, firm.priorities[0]),
        "the_status": firm.statuses.with_role(Role.IN_THE_DIALER).id,
        "waits": waits,
        "claimants": _listed(queue, claimants, ids, clock, write),
    }
    rows, unreadable = await tx.apart(_move(tx.dialect, queue.shape), given, tuple)
    unreadable += [row[0] for row in rows if row[_STATUS_AT] != given["the_status"]]
    if unreadable:
        raise CasesUnreadable(unreadable)
    found: dict[UUID, list[tuple[ShownCase, datetime | None]]] = {}
    for row in rows:
        *told, redial_at, claim_id, until = row[:_STATUS_AT]
        told.insert(4, waits)  # as it was
        found.setdefault(claim_id, []).append((ShownCase._make((*told, redial_at)), until))
    return {
        place: _opened(ids[place], claimant, found[ids[place]], now)
        for place, claimant in claimants.items()
        if ids[place] in found
    }


def _opened(
    id: UUID, who: Claimant, found: list[tuple[ShownCase, datetime | None]], now: datetime
) -> tuple[list[ShownCase], Claim]:
    taken = sorted((case for case, _ in found), key=lambda case: (case.dial_at, case.case_id))
    end = min((until for _, until in found if until), default=None)
    return taken, Claim(id, who.actor, tuple(case.case_id for case in taken), now, end, seconds=who.seconds)


def _listed(
    queue: Queue,
    claimants: Mapping[int, Claimant],
    ids: Mapping[int, UUID],
    clock: datetime,
    write: Callable[[datetime | None], str | None],
) -> str:
    """Return the claimants as the statement takes them."""
    firm, last = queue.firm, 0
    listed: list[object] = []
    own = {id: campaign.claim_timeout for id, campaign in firm.campaigns.items() if campaign.claim_timeout is not None}
    for place, who in claimants.items():
        first, last = last + 1, last + who.wanted.records
        until = write(lease_end(clock, shortest(who.seconds, firm.claim_timeout)))
        untils = {str(id): write(lease_end(clock, shortest(who.seconds, timeout))) for id, timeout in own.items()}
        listed.append((first, last, ids[place].hex, until, untils))
    return msgspec.json.encode(listed).decode()


@cache
def _move(dialect: Dialect, shape: Shape) -> Any:
    """Build the statement that moves the due cases of a queue, each by the claim of the claimant whose turn it is."""
    named = (cases.c.case_id, cases.c.dial_at)
    look = merged(dialect, shape, _RECORDS, named) if shape.is_merged else due_query(shape, ONE, ((), ()), named)
    due = look.limit(_RECORDS).subquery("due")
    nth = sa.func.row_number().over(order_by=(due.c.dial_at, due.c.case_id))
    numbered = sa.select(due.c.case_id, nth.label("nth")).subquery("numbered")

    first, last = (sa.func.json_extract(_CLAIMANTS.c.value, f"$[{place}]") for place in (0, 1))
    part = numbered.c.nth.between(first, last)
    picked = sa.select(numbered.c.case_id, _CLAIMANTS.c.value).join_from(numbered, _CLAIMANTS, part).subquery("picked")
    of = picked.c.value
    own = sa.literal('$[4]."').concat(sa.cast(cases.c.campaign_id, sa.Text)).concat('"')
    until = sa.case(
        (sa.func.json_type(of, own).is_not(None), sa.func.json_extract(of, own)),
        else_=sa.func.json_extract(of, "$[3]"),
    )
    at = sa.func.max(NOW, sa.func.coalesce(cases.c.changed_at, NOW))  # history never runs backwards
    this_case = sa.and_(cases.c.firm_id == FIRM, cases.c.case_id == picked.c.case_id)
    status = sa.case((cases.c.dialer_status_id == _WAITS, _STATUS_ID), else_=cases.c.dialer_status_id)
    return moved(status, at, until, sa.func.json_extract(of, "$[2]")).where(this_case).returning(*_FOUND)


_THESE = sa.func.json_each(sa.bindparam("these_cases", type_=sa.Text)).table_valued("value", name="these")
_MOVES = (
    sa.select(
        *cases.c["firm_id", "case_id"],
        sa.literal_column(str(int(StatusType.DIALER))),
        *cases.c["dialer_status_id", "dial_at", "changed_at"],
        *claims.c["vendor", "id", *ACTOR_COLUMNS],
    )
    .join_from(cases, claims, claims.c.id == cases.c.claim_id)
    .where(cases.c.firm_id == FIRM, cases.c.case_id.in_(sa.select(_THESE.c.value)))
)
_COLUMNS = ("firm_id", "case_id", "type", "status_id", "dial_at", "changed_at", "changed_by", "claim_id")
_RECORD = status_history.insert().from_select([*_COLUMNS, *ACTOR_COLUMNS], _MOVES, include_defaults=False)
