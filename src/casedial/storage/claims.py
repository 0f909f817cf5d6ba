"""Claims: due cases move to In the Dialer, each in one claim only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import sqlalchemy as sa

from casedial.database.engine import Transaction
from casedial.database.tables import cases
from casedial.domain.cases import Case, StatusChange
from casedial.domain.claims import Claim, lease_end, lease_seconds
from casedial.domain.firms import Firm
from casedial.domain.statuses import Role, StatusType
from casedial.storage.cases import record
from casedial.storage.claim_beside_none import claim_in_turn
from casedial.storage.claim_statement import claim_at_once, moved
from casedial.storage.claimants import Claimant, Claimed
from casedial.storage.claimants import add as add
from casedial.storage.queues import FIRM
from casedial.storage.taking import take_at_once

_STATUS_ID: sa.BindParameter[int] = sa.bindparam("the_status", type_=sa.BigInteger)


async def claim(tx: Transaction, claimants: Sequence[Claimant], now: datetime) -> list[Claimed]:
    """Move due cases to In the Dialer by a new claim for each claimant, in their order.

    No case is ever given to two, however many servers run. Each caller is proven in the same step. It is for firms
    whose cases all have one priority. The claimants want ``MAX_RECORDS`` cases at most, from queues that have no case
    in common, all of the same shape. Raises CasesUnreadable where nothing was claimed; on PostgreSQL whoever shows the
    cases sees what cannot be read.
    """
    return await (claim_in_turn if tx.dialect.has_one_writer else claim_at_once)(tx, claimants, now)


@dataclass(frozen=True, slots=True)
class Grant:
    """Cases that a transaction holds, for a claimant; ``evidence`` is what let each through, by its CaseID."""

    claimant: Claimant
    cases: list[Case]
    evidence: Mapping[str, object] | None = None


async def take(tx: Transaction, firm: Firm, grants: Sequence[Grant], now: datetime) -> list[Claim | None]:
    """Move cases to In the Dialer by a new claim for each grant; None for a grant without cases."""
    if not tx.dialect.has_one_writer:
        return await take_at_once(tx, firm, grants, now)
    status = firm.statuses.with_role(Role.IN_THE_DIALER)
    clock = await tx.clock() if any(grant.cases for grant in grants) else now
    opened: list[Claim | None] = []
    taken: list[dict[str, object]] = []
    history: list[StatusChange] = []
    for grant in grants:
        who = grant.claimant
        ends = {case.case_id: lease_end(clock, lease_seconds(firm, case, who.seconds)) for case in grant.cases}
        first = min((end for end in ends.values() if end), default=None)
        claim = Claim(uuid4(), who.actor, tuple(ends), now, first, grant.evidence, seconds=who.seconds)
        opened.append(claim if grant.cases else None)
        for case in grant.cases:
            at = max(now, case.changed_at or now)  # history never runs backwards
            taken.append({"the_case": case.case_id, "at": at, "the_claim": claim.id, "until": ends[case.case_id]})
            change = StatusChange(case.case_id, StatusType.DIALER, status, now, at, who.actor, claim.id)
            history.append(change)
    if taken:
        same = {"the_firm": firm.id, "the_status": status.id, "now": now}
        await tx.execute(_TAKE, [{**row, **same} for row in taken])
        await record(tx, firm, history)
        await add(tx, firm, [claim for claim in opened if claim])
    return opened


_TAKE = moved(
    _STATUS_ID,
    sa.bindparam("at", type_=cases.c.changed_at.type),
    sa.bindparam("until", type_=cases.c.held_until.type),
    sa.bindparam("the_claim", type_=cases.c.claim_id.type),
).where(cases.c.firm_id == FIRM, cases.c.case_id == sa.bindparam("the_case", type_=sa.BigInteger))
