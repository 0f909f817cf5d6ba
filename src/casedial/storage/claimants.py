"""Who claims from which queue, and the claims that are opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from casedial.database.engine import Transaction
from casedial.database.tables import claims
from casedial.domain.actors import Actor
from casedial.domain.cases import ShownCase
from casedial.domain.claims import Claim
from casedial.domain.firms import Caller, Firm
from casedial.storage.actors import ACTOR_COLUMNS, actor_values
from casedial.storage.queues import DueFilter, Shape


@dataclass(frozen=True)
class Claimant:
    """Who claims which due cases; ``seconds`` is the lease that is asked for."""

    caller: Caller
    wanted: DueFilter
    seconds: int | None = None

    @property
    def actor(self) -> Actor:
        """Return in whose name the claim is opened."""
        return self.caller.actor

    @cached_property
    def queue(self) -> Queue:
        """Return from what is claimed: whoever has the same claims one after the other."""
        return Queue(self.caller.firm, self.wanted.queue)


@dataclass(frozen=True, eq=False)
class Queue:
    """What is claimed from: due cases of a firm, as the firm is at one version."""

    firm: Firm
    wanted: DueFilter

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Queue) and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    @cached_property
    def _name(self) -> tuple[int, int, DueFilter]:
        return self.firm.id, self.firm.version, self.wanted

    @cached_property
    def shape(self) -> Shape:
        """Return what decides the text of a statement about it."""
        return self.wanted.shape

    @cached_property
    def looks_closely(self) -> bool:
        """Tell whether its cases are looked at one by one, for there are calling rules, say."""
        return self.firm.looks_closely(self.wanted.campaign_ids)


# Cases as they were, in due order, and the claim; without one nothing was due. None: the caller is not what it was.
Claimed = tuple[list[ShownCase], Claim | None] | None


def by_queue(claimants: Sequence[Claimant]) -> dict[Queue, list[int]]:
    """Return the queues from which is claimed, each with the places of its claimants."""
    found: dict[Queue, list[int]] = {}
    for place, claimant in enumerate(claimants):
        found.setdefault(claimant.queue, []).append(place)
    return found


async def add(tx: Transaction, firm: Firm, opened: Sequence[Claim]) -> None:
    """Record claims of a firm whose cases hold them already."""
    rows = [
        {
            "id": claim.id,
            "firm_id": firm.id,
            "vendor": claim.vendor,
            "key_id": claim.key_id,
            "case_ids": claim.case_ids,
            "created_at": claim.created_at,
            "expires_at": claim.expires_at,
            "check_at": claim.expires_at,
            "evidence": claim.evidence,
            "seconds": claim.seconds,
            **dict(zip(ACTOR_COLUMNS, actor_values(claim.actor), strict=True)),
        }
        for claim in opened
    ]
    if rows:
        await tx.execute(claims.insert(), rows)
