"""Why a case was moved where nobody asked for it, or only for many: a code to go by, and words to read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ReasonCode(IntEnum):
    """Why. Values are stored; the words beside them may change, and nothing is ever read out of them."""

    RAN_OUT = 1  # a claim whose lease ended
    RELEASED = 2  # a claim, by its dialer
    RETRY = 3  # a policy tries again
    GIVEN_UP = 4  # a policy tried often enough
    OVER = 5  # a disposition after which nothing is left to dial for
    ON_THE_LIST = 6  # a number, or the case, is on the do-not-call list
    CHANGE = 7  # of many cases
    UNDO = 8  # of such a change


@dataclass(frozen=True, slots=True)
class Why:
    """Why something was done, for programs and for people; ``number`` is which of its retries a policy made.

    The code is None for words that somebody stored by hand, and for what only a newer casedial knows.
    """

    code: ReasonCode | None
    text: str
    number: int | None = None


RAN_OUT = Why(ReasonCode.RAN_OUT, "claim ran out unanswered")
RELEASED = Why(ReasonCode.RELEASED, "released by the dialer")
ON_THE_LIST = Why(ReasonCode.ON_THE_LIST, "on the do-not-call list")


def retry(number: int, at_most: int) -> Why:
    """Return why a policy sets a case To Dial again."""
    return Why(ReasonCode.RETRY, f"retry policy: {number} of {at_most}", number)


def given_up(times: int) -> Why:
    """Return why a policy sets a case Do not Dial after so many retries."""
    return Why(ReasonCode.GIVEN_UP, f"retry policy: already tried again {times} time{'' if times == 1 else 's'}")


def over(disposition: str) -> Why:
    """Return why a case is Do not Dial after such a disposition."""
    return Why(ReasonCode.OVER, f"nothing is left to dial for: {disposition}")


def of_change(change_id: int, reason: str) -> Why:
    """Return why a change of many cases changes one; ``reason`` is what was given for it, if anything."""
    return Why(ReasonCode.CHANGE, f"change {change_id}: {reason}" if reason else f"change {change_id}")


def undo_of(change_id: int) -> Why:
    """Return why a case is put back."""
    return Why(ReasonCode.UNDO, f"undo of change {change_id}")
