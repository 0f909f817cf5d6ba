"""What a server does without being asked: return what ran out, adopt cases without a claim, drop what is too old."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import partial

from casedial.database.engine import Store
from casedial.domain.damage import Damage
from casedial.domain.errors import StorageUnavailable
from casedial.service import claims
from casedial.service.claims import Adopting, Returned, put_off, return_lapsed
from casedial.storage import calls, idempotency, leases

_SINGLY = 100  # claims, after all together failed
_REPLIES_AT_ONCE = 1000
_CALLS_AT_ONCE = 5000


async def next_check(store: Store) -> tuple[datetime, datetime | None]:
    """Return the database's time, and when the next lease may end; None when none will."""
    async with store.read() as tx:
        return await tx.clock(), await leases.next_check(tx)


async def return_each(store: Store, now: datetime) -> Returned:
    """Return what is over, as ``return_lapsed`` does; where that fails, claim by claim, so that one harms no other.

    Raises StorageUnavailable.
    """
    try:
        return await store.transact(lambda tx: return_lapsed(tx, now))
    except StorageUnavailable:
        raise
    except Exception:
        return await _return_singly(store, now)


async def _return_singly(store: Store, now: datetime) -> Returned:
    async with store.read() as tx:
        claim_ids = await leases.over(tx, await tx.clock(), _SINGLY)
    whole = Returned({}, len(claim_ids))
    for claim_id, firm_id in claim_ids:
        try:
            returned = await store.transact(partial(return_lapsed, now=now, only=claim_id))
        except StorageUnavailable:
            raise
        except Exception as error:
            whole.damages.append(Damage.of("claim", firm_id, claim_id, error))
            await store.transact(partial(put_off, claim_id=claim_id))
        else:
            whole.damages += returned.damages
            whole.cases = Counter(whole.cases) + Counter(returned.cases)
    return whole


async def adopt(store: Store, so_far: Adopting) -> int:
    """Open claims for cases that are In the Dialer without one, behind those looked at; return how many."""
    return await store.transact(lambda tx: claims.adopt(tx, tx.now(), so_far))


async def look_for_snapshots(store: Store) -> None:
    """Learn whether claims have to go past what was claimed before: where that is cleaned up, they need not."""
    heads = store.heads
    async with store.single() as tx:
        heads.needed, heads.reached = await tx.dialect.is_snapshot_held(tx, heads.reached)


async def drop_old_replies(store: Store, now: datetime) -> int:
    """Delete kept replies whose time is over; return how many, of which there may be more."""
    return await store.transact(lambda tx: idempotency.purge(tx, now, _REPLIES_AT_ONCE))


async def forget_calls(store: Store, now: datetime) -> int:
    """Delete calls that no limit counts any more; return how many, of which there may be more."""
    return await store.transact(lambda tx: calls.forget(tx, now, _CALLS_AT_ONCE))
