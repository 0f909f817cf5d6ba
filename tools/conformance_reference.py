"""Write docs/reference/conformance.md from the suite: ``python -m tools.conformance_reference``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from casedial_client.conformance import CHECKS, SENTENCES
from casedial_client.conformance.judging import BEYOND, Check

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "conformance.md"

HEAD = """# What conformance tries

<!-- Made from clients/python/src/casedial_client/conformance by tools/conformance_reference.py; edit that. -->

[`casedial conformance`](cli.md#casedial-conformance) tries a server against the published text of the Predictive Dialer
API. Here is that text, sentence by sentence in our own short words, with the checks that try each of them. [Prove your
integration](../how-to/prove-your-integration.md) explains a run.

A check that is marked *changes cases* is tried with `--write` only. Others look at what is due, and with `--write`
at cases that were made so. A check *needs* others if it could only repeat their failure: while one of them does not
hold, it is not tried.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *_sentences(), *_checks()]).rstrip() + "\n"


def _sentences() -> Iterator[str]:
    yield "## Sentences\n"
    yield "| | says | tried by |\n| --- | --- | --- |"
    for section, sentences in groupby(SENTENCES, lambda sentence: sentence.section):
        for place, sentence in enumerate(sentences):
            shown = ", ".join(f"[{name}](#{name})" for name in sentence.checks)
            tried = shown or f"*cannot be tried from outside:* {sentence.untried}"
            yield f"| {'' if place else section} | {sentence.words} | {tried} |"
    yield ""


def _checks() -> Iterator[str]:
    yield "## Checks\n"
    for one in CHECKS.values():
        if one.section != BEYOND:
            yield from _check(one)
    yield f"## {BEYOND}\n"
    yield "These are promises of casedial's own pages, tried only where `GET /v1/firm` answers as casedial does.\n"
    for one in CHECKS.values():
        if one.section == BEYOND:
            yield from _check(one)


def _check(one: Check) -> Iterator[str]:
    yield f"### {one.name}\n"
    needs = f" *Needs {', '.join(f'[{name}](#{name})' for name in one.needs)}.*" if one.needs else ""
    changes = " *Changes cases.*" if one.writes else ""
    yield f"{one.says}.{f' {one.how}' if one.how else ''}{changes}{needs}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
