"""Forms of settings: what stands in them, what it would change, and what somebody else changed since they were opened.

Such a form is sent three times at most: to see what it changes, to go on with it, and to save it. It brings along what
stood in its fields when it was opened; a field that somebody else has changed since is shown, and never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from casedial.console.answers import Page
from casedial.console.doors import FIELD
from casedial.console.forms import Fields, FormErrors
from casedial.console.visits import Visit

SEEN, DO = "seen", "do"
EDIT, SAVE = "edit", "save"  # what a form wants that was looked over before

_TOLD = "Somebody else changed this since you opened the form. Nothing was saved: look at the marked fields, and go on."


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the fields of a form, what stood there first, and what somebody else changed since."""

    shown: Mapping[str, str]
    seen: str
    meanwhile: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def tell(self, errors: FormErrors) -> None:
        """Say at each field what somebody else changed."""
        if self.meanwhile:
            errors.add("", _TOLD)
        for name, (was, now) in self.meanwhile.items():
            errors.add(name, f"Somebody else changed this from {was or 'nothing'} to {now or 'nothing'}.")


def opened(now: Mapping[str, str]) -> Draft:
    """Return the form of what is stored now."""
    return Draft(now, json.dumps(now, separators=(",", ":")))


def sent(visit: Visit, now: Mapping[str, str]) -> Draft:
    """Return a form that was sent. What somebody else changed stands in it where the sender had left it alone."""
    form = visit.form
    seen = _seen(form, now)
    meanwhile = {name: (seen[name], now[name]) for name in now if seen[name] != now[name]}
    typed = {name: form.text(name).replace("\r\n", "\n") for name in now}
    shown = {name: now[name] if typed[name] == seen[name] else typed[name] for name in now}
    draft = Draft(shown, opened(now).seen, meanwhile)
    others = [(name, text) for name, text in form.pairs if name not in now and name != SEEN]
    # So that the form, where it comes back, shows what is meant by now, and not what was typed.
    visit.form = Fields([*others, (SEEN, draft.seen), *((name, text) for name, text in shown.items() if text)])
    return draft


def _seen(form: Fields, now: Mapping[str, str]) -> Mapping[str, str]:
    """Return what stood in the fields; for whoever sends nonsense, what stands there now."""
    try:
        seen = json.loads(form.text(SEEN))
    except ValueError:
        seen = {}
    known: Mapping[str, Any] = seen if isinstance(seen, dict) else {}
    return {name: known[name] if isinstance(known.get(name), str) else now[name] for name in now}


def review(
    visit: Visit,
    title: str,
    changes: Sequence[tuple[str, str, str]],
    effect: object = None,
    notes: Sequence[str] = (),
    button: str = "Save",
    draft: Draft | None = None,
    back: str | None = None,
) -> Page:
    """Return the page that tells what a form changes: name, before, after; and what that does to the due cases.

    ``back`` is where to go instead, where the form is no page of its own.
    """
    kept = [(name, text) for name, text in visit.form.pairs if name not in (FIELD, DO, SEEN)]
    if draft:
        kept.append((SEEN, draft.seen))
    values = {"title": title, "changes": changes, "effect": effect, "notes": notes, "button": button, "kept": kept}
    return Page("review.html", {**values, "back": back})


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return what differs of settings that are told: name, before, after."""
    return [(name, before[name], after[name]) for name in before if before[name] != after[name]]
