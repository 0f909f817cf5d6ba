"""Replies, and how they are kept under an Idempotency-Key, to be given again.

The steps, in the transaction of the write that a reply answers, are storage's own: nothing is to be decided between.
"""

from dataclasses import dataclass, field
from uuid import UUID

from casedial.domain.errors import IdempotencyKeyReused
from casedial.domain.refused import Refusal
from casedial.storage.idempotency import KeptReply, Once, begin, begin_new, digest, forget, keep, still_running

__all__ = ["KeptReply", "Once", "begin", "begin_new", "digest", "forget", "keep", "still_running"]

# The outcome of a request is the code of its error, or one of these.
SUCCESS = "Success"
PARTIAL = "PartialSuccess"  # some items of a write failed
REPLAYED = "Replayed"  # the reply that the first request with this Idempotency-Key was given
_CONTENT_TYPE = "Content-Type"


@dataclass(slots=True)
class Reply:
    """What goes to a caller, rendered, so that it can be kept; and what the log and the metrics say of it."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    outcome: str = SUCCESS
    cases: int = 0
    claimed: int = 0
    claimed_in: frozenset[int | None] = frozenset()  # campaigns; None is that of cases that are in none
    claim_id: UUID | None = None  # of what it hands out
    refused: tuple[Refusal, ...] = ()  # reports, where it answers an update

    @property
    def is_final(self) -> bool:
        """Tell whether a repeat is to get it, rather than to try again what may do better then."""
        return self.status < 500 and self.status not in (401, 403, 413, 429)

    def to_keep(self, once: Once) -> KeptReply:
        """Return what is kept of it."""
        headers = {**self.headers, _CONTENT_TYPE: self.media_type}
        return KeptReply(once.fingerprint, self.status, headers, self.body)


def again(earlier: KeptReply, once: Once) -> Reply:
    """Return the reply to a repeat. Raises IdempotencyKeyReused where it is none."""
    if earlier.fingerprint != once.fingerprint:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was already used for another request; use a new one for each request."
        )
    headers = dict(earlier.headers)
    return Reply(earlier.body, earlier.status, headers.pop(_CONTENT_TYPE), headers, REPLAYED)
