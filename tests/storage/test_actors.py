"""Who and why, of rows that do not tell it in columns."""

from __future__ import annotations

import pytest

from casedial.domain.actors import Actor, ActorKind
from casedial.domain.reasons import ReasonCode, Why
from casedial.storage.actors import _read

KEY, CASEDIAL, POLICY = ActorKind.KEY, ActorKind.CASEDIAL, ActorKind.POLICY


@pytest.mark.parametrize(
    ("name", "text", "kind", "why"),
    [
        ("Acme", None, KEY, None),
        ("Acme", "released by the dialer", KEY, (ReasonCode.RELEASED, None)),
        ("Acme", "retry policy: 1 of 3", KEY, (ReasonCode.RETRY, 1)),
        ("Casedial", None, KEY, None),  # casedial itself never spelled it so
        ("casedial", None, CASEDIAL, None),
        ("casedial", "claim ran out unanswered", CASEDIAL, (ReasonCode.RAN_OUT, None)),
        ("casedial", "on the do-not-call list", CASEDIAL, (ReasonCode.ON_THE_LIST, None)),
        ("casedial", "retry policy: 12 of 30", POLICY, (ReasonCode.RETRY, 12)),
        ("casedial", "retry policy: tried again 3 times already", POLICY, (ReasonCode.GIVEN_UP, None)),
        ("casedial", "retry policy: already tried again 1 time", POLICY, (ReasonCode.GIVEN_UP, None)),
        ("casedial", "nothing is left to dial for: Stop", POLICY, (ReasonCode.OVER, None)),
        ("casedial", "something else", CASEDIAL, (None, None)),
        ("import", None, ActorKind.IMPORT, None),
        ("root (command line)", None, ActorKind.COMMAND_LINE, None),
    ],
)
def test_a_row_of_an_older_casedial_tells_by_its_name_and_words(
    name: str, text: str | None, kind: ActorKind, why: tuple[ReasonCode | None, int | None] | None
) -> None:
    told = Why(why[0], text or "", why[1]) if why else None
    assert _read(None, None, name, text, None, None) == (Actor(kind, name), told)


def test_a_claim_that_tells_its_key_is_a_vendors_whatever_its_name() -> None:
    assert _read(None, 4, "import", None, None, None) == (Actor(KEY, "import", 4), None)


def test_a_row_that_tells_who_wrote_it_is_taken_at_its_columns() -> None:
    by_key = Actor(KEY, "casedial", 4)
    assert _read(1, 4, "casedial", "retry policy: 1 of 3", None, None) == (by_key, Why(None, "retry policy: 1 of 3"))
    renamed = Why(ReasonCode.RELEASED, "handed back")
    assert _read(1, 4, "casedial", "handed back", 2, None) == (by_key, renamed)


def test_what_only_a_newer_casedial_knows_gives_nobody_a_right() -> None:
    actor, why = _read(99, 4, "Acme", "words", 99, None)
    assert actor == Actor(ActorKind.USER, "Acme", 4)
    assert why == Why(None, "words")
    assert not actor.is_same_vendor(Actor(KEY, "Acme", 4))
