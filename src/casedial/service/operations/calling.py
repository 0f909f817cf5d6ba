"""Whether cases may be called now: one explained, all due ones counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from casedial.database.engine import Store, Transaction
from casedial.domain.actors import Actor
from casedial.domain.calling import Verdict
from casedial.domain.cases import Case
from casedial.domain.errors import CaseNotFound
from casedial.domain.firms import Firm
from casedial.domain.standing import Standing
from casedial.domain.statuses import StatusType
from casedial.service import judging, preflights
from casedial.service.operations.opening import read_firm
from casedial.service.preflights import Preflight
from casedial.service.standing import standings
from casedial.storage import cases


@dataclass(frozen=True, slots=True)
class Explained:
    """A case, every check of it, and who holds it or set it Do not Dial."""

    firm: Firm
    case: Case
    verdict: Verdict
    standing: Standing


async def explain(store: Store, actor: Actor, firm_name: str, case_id: int, now: datetime) -> Explained:
    """Say whether a case may be called. Raises FirmNotFound or CaseNotFound."""

    async def work(tx: Transaction, firm: Firm) -> Explained:
        case = await cases.fetch(tx, firm, case_id)
        if case is None:
            raise CaseNotFound(f"{firm.name} has no case {case_id}.")
        [standing] = await standings(tx, firm, [case])
        return Explained(firm, case, await judging.explain(tx, firm, case, now), standing)

    return await read_firm(store, firm_name, work)


async def preflight(
    store: Store, actor: Actor, firm_name: str, campaign: str | None, now: datetime
) -> tuple[Firm, Preflight]:
    """Count a firm's due cases, or a campaign's, by what holds them back. Raises FirmNotFound or StatusNotFound."""

    async def work(tx: Transaction, firm: Firm) -> tuple[Firm, Preflight]:
        named = firm.statuses.named(StatusType.CAMPAIGN, campaign) if campaign else None
        return firm, await preflights.preflight(tx, firm, [named.id] if named else None, now)

    return await read_firm(store, firm_name, work)
